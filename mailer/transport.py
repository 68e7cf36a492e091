"""One SMTP session with our relay (RFC 5321), cut where the outbox commits: `offer` ends before DATA, `hand_over` is DATA alone."""

import ipaddress
import re
import smtplib
import ssl
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from django.conf import settings

MOST_REPLY = 500
_OK, _LATER, _NEVER = 2, 4, 5
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def data_seconds() -> float:
    """The longest that one DATA can take: the prompt, the sending, the reply."""
    return 3.0 * settings.LETTERLOCK_SMTP_SECONDS


class RelayUnreachableError(Exception):
    """There is no session: nothing was handed over and everything can be tried again."""


class InDoubtError(Exception):
    """The session broke after DATA began: the relay may or may not have taken the mail."""


class Reply(NamedTuple):
    """The relay's answer, its text cut to one printable line."""

    code: int
    text: str

    @property
    def accepted(self) -> bool:
        return self.code // 100 == _OK

    @property
    def for_good(self) -> bool:
        """Refused, and trying again would not help (RFC 5321 section 4.2.1)."""
        return self.code // 100 == _NEVER

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def _reply(code: int, text: bytes | str) -> Reply:
    plain = text if isinstance(text, str) else text.decode("utf-8", "replace")
    # A relay that talks nonsense has not accepted anything, and may do so next time.
    known = code if code // 100 in {_OK, _LATER, _NEVER} else 451
    return Reply(known, _NOT_TEXT.sub(" ", plain).strip()[:MOST_REPLY])


class Session:
    """A session with the relay of `LETTERLOCK_SMTP_URL`; a context manager. Raises RelayUnreachableError where there is none."""

    def __init__(self, url: str = "") -> None:
        self._url = url or settings.LETTERLOCK_SMTP_URL
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        try:
            smtp.quit()
        except (OSError, smtplib.SMTPException):
            smtp.close()

    def offer(self, sender: str, recipient: str) -> Reply:
        """MAIL and RCPT; the answer that decides. Connects if need be. `sender` may be the null path. Raises RelayUnreachableError."""
        try:
            smtp = self._connected()
            options: list[str] = []
            if not (sender + recipient).isascii():
                if not smtp.has_extn("smtputf8"):
                    return Reply(550, "the relay does not take international addresses (SMTPUTF8)")
                options = ["SMTPUTF8"]
            reply = _reply(*smtp.mail(sender, options))
            if reply.accepted:
                reply = _reply(*smtp.rcpt(recipient))
            if not reply.accepted:
                smtp.rset()
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise RelayUnreachableError(_words(error)) from error
        return reply

    def take_back(self) -> None:
        """Forget the offered mail (RSET)."""
        try:
            if self._smtp is not None:
                self._smtp.rset()
        except (OSError, smtplib.SMTPException):
            self._drop()

    def hand_over(self, mail: bytes) -> Reply:
        """DATA: the mail as it stands, dot-stuffed here. Raises InDoubtError where the answer did not arrive."""
        if self._smtp is None:
            raise InDoubtError("no session")
        try:
            return _reply(*self._smtp.data(mail))
        except smtplib.SMTPDataError as error:
            # Refused before a byte of the mail was sent.
            return _reply(error.smtp_code, error.smtp_error)
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise InDoubtError(_words(error)) from error

    def _connected(self) -> smtplib.SMTP:
        if self._smtp is None:
            parts = urlsplit(self._url)
            host = parts.hostname or "127.0.0.1"
            # Named here, or `smtplib` would ask the DNS for a name of this machine.
            own_name = settings.LETTERLOCK_MAIL_FROM.rpartition("@")[2]
            if parts.scheme == "smtps":
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                    host, parts.port or 465, own_name, timeout=settings.LETTERLOCK_SMTP_SECONDS, context=ssl.create_default_context()
                )
            else:
                smtp = smtplib.SMTP(host, parts.port or 25, own_name, timeout=settings.LETTERLOCK_SMTP_SECONDS)
            self._smtp = smtp
            smtp.ehlo_or_helo_if_needed()
            if parts.scheme != "smtps" and (parts.username or smtp.has_extn("starttls")):
                # A password never goes over an open line: where the relay offers no STARTTLS, or fails to prove its name, the session ends.
                smtp.starttls(context=_tls(proven=bool(parts.username) and not _is_loopback(host)))
                smtp.ehlo_or_helo_if_needed()
            if parts.username:
                smtp.login(unquote(parts.username), unquote(parts.password or ""))
        return self._smtp

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None


def _tls(*, proven: bool) -> ssl.SSLContext:
    """`proven` asks for a certificate of the relay's name; without, the line is hidden from who only listens (RFC 7435)."""
    context = ssl.create_default_context()
    if not proven:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _words(error: Exception) -> str:
    """What happened, without what was said: an error of `smtplib` can quote the mail or the password."""
    if isinstance(error, smtplib.SMTPResponseException):
        return str(_reply(error.smtp_code, error.smtp_error))
    return type(error).__name__
