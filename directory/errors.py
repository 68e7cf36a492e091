"""What the directory refuses to do: one class a cause, each with a stable `code`."""


class DirectoryError(Exception):
    """Base of all; translated once at the edge."""

    code = "refused"


class IllegalMoveError(DirectoryError):
    """The status does not allow this change, or somebody else changed it first."""

    code = "illegal_move"


class DuplicateOrganizationError(DirectoryError):
    """An organisation with this identifier exists (found by scheme, country and reference, never by name)."""

    code = "duplicate_organization"


class SuspendedOrganizationError(DirectoryError):
    code = "suspended_organization"


class RevokedCertificateError(DirectoryError):
    """What was revoked is never published again."""

    code = "revoked_certificate"


class RevokedIssuerError(DirectoryError):
    """An authority above the certificate was revoked: it is good for nothing as long as that is so."""

    code = "revoked_issuer"


class EndedCertificateError(DirectoryError):
    """It left the answers of this mailbox by its owner's wish or for want of their answer: only their proof brings it back."""

    code = "ended_certificate"


class TooManyPublishedError(DirectoryError):
    code = "too_many_published"


class OverQuotaError(DirectoryError):
    """More look-ups than the caller may make in a minute: `limit` of them; there are more in `retry_after` seconds."""

    code = "over_quota"

    def __init__(self, text: str, *, limit: int, retry_after: int) -> None:
        super().__init__(text)
        self.limit, self.retry_after = limit, retry_after


class BadTokenError(DirectoryError):
    """Not a live token; why is not said to whoever presents it."""

    code = "bad_token"


class TokenRequestError(DirectoryError):
    """A token cannot be made from this name, these scopes or this lifetime."""

    code = "bad_token_request"
