"""What can go wrong, one class a cause. No text holds a token, a key or a mail's content."""

from collections.abc import Sequence


class LetterlockError(Exception):
    """Base of all."""


class ConfigurationError(LetterlockError):
    """What was given when a client or a back end was made cannot be used."""


class BadAddressError(LetterlockError):
    """Not an e-mail address that a directory takes."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address[:100]!r} is not an address: {reason}")
        self.address = address


class TransportError(LetterlockError):
    """The server cannot be reached, is not who it says it is, or did not answer in time."""


class UnusableAnswerError(LetterlockError):
    """The server answered with something that is not the API's, is too large, or contradicts itself."""


class RedirectRefusedError(UnusableAnswerError):
    """The server sent us elsewhere. None is followed: a token and the addresses asked for stay with the server that was named."""


class ProblemError(LetterlockError):
    """A problem document (RFC 9457); `kind` is the end of its type, `errors` are pairs of a JSON pointer and its detail."""

    def __init__(self, status: int, title: str, detail: str = "", *, kind: str = "", errors: Sequence[tuple[str, str]] = ()) -> None:
        places = "".join(f" [{pointer}: {words}]" for pointer, words in errors[:5])
        super().__init__(f"{status} {title}{': ' if detail else ''}{detail}{places}")
        self.status, self.title, self.detail, self.kind, self.errors = status, title, detail, kind, tuple(errors)


class InvalidRequestError(ProblemError):
    """400, 404, 409, 411, 413 or 422: the request cannot be accepted as it is."""


class AuthenticationError(ProblemError):
    """401: the token is missing, wrong, expired or revoked."""


class NotAllowedError(ProblemError):
    """403: the token lacks the scope."""


class OverQuotaError(ProblemError):
    """429: `retry_after` is the number of seconds to wait, None if the server did not say."""

    retry_after: float | None = None


class ServerError(ProblemError):
    """5xx: the fault is the server's."""


class NoCertificateError(LetterlockError):
    """Nothing was sealed, since these recipients have no certificate to encrypt to."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(f"no certificate to encrypt to for {', '.join(addresses)}; nothing was sealed")
        self.addresses = tuple(addresses)


class UnfitCertificateError(LetterlockError):
    """The directory's answer names a certificate that is not for this address, this use or this time, or is not to be relied on."""

    def __init__(self, address: str, reason: str, *, code: str = "") -> None:
        super().__init__(f"the certificate that the directory gives for {address} cannot be used: {reason}")
        self.address, self.code = address, code


class KeyFileError(LetterlockError):
    """A key or certificate file cannot be read, or the parts do not belong together."""


class ContentRefusedError(LetterlockError):
    """The mail cannot be made as it is; `field` says where."""

    def __init__(self, reason: str, *, field: str = "") -> None:
        super().__init__(reason)
        self.field = field
