"""What can be wrong with an entry of an import, beside what can be wrong with its certificate: one class a cause, each with a stable `code`."""

from directory.errors import DirectoryError
from directory.x509.errors import X509Error


class EntryError(X509Error):
    """The entry cannot be read."""

    code = "malformed_entry"


class LongEntryError(EntryError):
    """A line, a value or a record is longer than is taken."""

    code = "entry_too_long"


class RemoteValueError(EntryError):
    """RFC 2849's `attribute:< URL`: nothing is fetched and no file is opened because another file says so."""

    code = "remote_value"


class UnnamedAddressError(EntryError):
    """A record with a certificate and without an address."""

    code = "address_missing"


class ErasedAddressError(DirectoryError):
    """The owner had this address erased: only a proof of theirs brings it back."""

    code = "erased"


class ReplacesLiveError(DirectoryError):
    """The mailbox has a live certificate for the same use that its owner proved or this CA issued."""

    code = "replaces_live"


class UnknownFormatError(Exception):
    """The file is none of PEM, LDIF, CSV and DER. The text is plain English."""


class ImportStopped(Exception):
    """The processes that parse have died. What was published before stands; the import can be run again."""
