"""The register number: its form and checksum, as far as they are known."""

from datetime import datetime

from onboarding.applications import Application, CheckOutcome, Scheme
from onboarding.checks.base import Finding
from onboarding.identifier import REGISTERS, BadRegisterNumberError, identifier_of


class RegisterCheck:
    name = "register"

    def run(self, application: Application, *, at: datetime) -> Finding:  # noqa: ARG002 - the Protocol's
        try:
            identifier = identifier_of(
                scheme=application.scheme, country=application.country, region=application.region, number=application.register_number
            )
        except BadRegisterNumberError:
            return Finding(CheckOutcome.FAIL, "number_wrong", "python-stdnum")
        facts = {"identifier": identifier}
        # A checksum says that a number can exist; whether an LEI was issued and is in force stands with GLEIF alone.
        if application.scheme == Scheme.LEI:
            return Finding(CheckOutcome.LOOK, "lei_unchecked", "python-stdnum", facts)
        if application.scheme == Scheme.GOV or (application.scheme == Scheme.NTR and application.country not in REGISTERS):
            return Finding(CheckOutcome.LOOK, "number_unchecked", "python-stdnum", facts)
        return Finding(CheckOutcome.PASS, "number_fits", "python-stdnum", facts)
