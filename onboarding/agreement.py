"""The subscriber agreement an applicant accepts: its version is kept with the acceptance."""

VERSION = "1"
