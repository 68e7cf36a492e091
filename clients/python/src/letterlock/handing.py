"""Hand sealed mails over by SMTP, for who has no mailer of their own."""

import smtplib
import ssl
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import ConfigurationError, LetterlockError
from .protocol import is_this_machine
from .sealing import SealedMail

_PORTS = {"smtp": 25, "smtps": 465}
SECONDS = 60.0


class HandingError(LetterlockError):
    """The SMTP server cannot be reached, or refused; `handed` are the mails that it had taken before."""

    def __init__(self, reason: str, *, handed: Sequence[SealedMail]) -> None:
        super().__init__(reason)
        self.handed = tuple(handed)


def hand_over(mails: Sequence[SealedMail], url: str, *, ca: str | Path | None = None, timeout: float = SECONDS) -> None:
    """By `smtps://` or, with STARTTLS, `smtp://`, and a name and password in the URL; without TLS to this machine alone.

    Raises ConfigurationError and HandingError.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (KeyError, ValueError) as error:
        raise ConfigurationError("the SMTP server's address is like smtps://name:password@mail.example.com") from error
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError("the file of authorities for TLS cannot be read") from error
    handed: list[SealedMail] = []
    try:
        if parts.scheme == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
        else:
            connection = smtplib.SMTP(host, port, timeout=timeout)
        with connection:
            if parts.scheme == "smtp" and not is_this_machine(host):
                connection.starttls(context=context)
            if parts.username:
                connection.login(unquote(parts.username), unquote(parts.password or ""))
            for mail in mails:
                connection.sendmail(mail.sender, [mail.recipient], mail.message, mail_options=mail_options(mail))
                handed.append(mail)
    except (smtplib.SMTPException, OSError) as error:
        raise HandingError(f"the SMTP server did not take the mail: {reason_of(error)}", handed=handed) from error


def mail_options(mail: SealedMail) -> list[str]:
    """RFC 6531 where an address is beyond ASCII; what was sealed is else ASCII throughout."""
    return [] if f"{mail.sender}{mail.recipient}".isascii() else ["SMTPUTF8"]


def reason_of(error: Exception) -> str:
    """The server's reply, or what kind of failure it was."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        replies = [f"{code} {text.decode('ascii', 'replace')}" for code, text in error.recipients.values()]
        return "; ".join(replies)[:300]
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("ascii", "replace")
        return f"{error.smtp_code} {text}"[:300]
    return type(error).__name__
