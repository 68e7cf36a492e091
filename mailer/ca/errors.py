"""What can go wrong in the certificate authority. `code` is stable and crosses the signer's socket; no text holds key material."""

from typing import ClassVar


class AuthorityError(Exception):
    """The root of the CA's errors."""

    code: ClassVar[str] = "authority"


class RefusedError(AuthorityError):
    """The request will never be granted as it stands: the issuance ends REFUSED with this text as its reason."""

    code = "refused"


class NameRefusedError(RefusedError):
    """A name or identifier cannot stand in a certificate."""

    code = "name_refused"


class KeyRefusedError(RefusedError):
    """A key is of a kind that is not certified, weak, known to be compromised, or another identity's."""

    code = "key_refused"


class LintError(RefusedError):
    """The linter found something at WARNING or above in the bytes that were about to be signed."""

    code = "lint"


class NotIntendedError(AuthorityError):
    """The ledger does not ask for this signature."""

    code = "not_intended"


class NoAuthorityError(AuthorityError):
    """There is no such CA, or none that issues: the key ceremony has not taken place."""

    code = "no_authority"


class TamperedError(AuthorityError):
    """What was signed is not what was linted, or a stored key is not its certificate's: an alarm, nothing is stored."""

    code = "tampered"


class BusyError(AuthorityError):
    """The signer's budget is spent; the same request may be sent again later."""

    code = "busy"


class StaleLedgerError(AuthorityError):
    """The ledger's row was no longer in the state the step starts from: another process was first."""

    code = "stale"


class SignerUnavailableError(AuthorityError):
    """The signer does not answer, or answered something that is not its protocol."""

    code = "unavailable"


class SignerDroppedError(SignerUnavailableError):
    """The signer took the request and ended the connection: it was killed, or this very request is more than it can take."""

    code = "dropped"
