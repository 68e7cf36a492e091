"""Sign and encrypt in this process, and hand over by the SMTP server of Django's settings."""

from collections.abc import Sequence
from smtplib import SMTP
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from letterlock._core.directory.x509.names import EmailAddress
from letterlock.answers import Lookup
from letterlock.checking import trust_in
from letterlock.client import now
from letterlock.errors import LetterlockError
from letterlock.handing import mail_options
from letterlock.keys import OwnKey
from letterlock.protocol import distinct
from letterlock.sealing import Options, SealedMail, compose

from .configuration import Configuration
from .mails import Mail, read


class SealingEmailBackend(EmailBackend):
    """Each recipient, whether To, Cc or Bcc, gets a mail of their own that shows nobody else.

    A recipient without a certificate, a certificate that is not fit and whatever cannot be sealed raises a LetterlockError and nothing of that
    message is sent; with `fail_silently` it is not sent either, only not told. All messages of a call are sealed before the first is sent.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._configuration = Configuration.read()

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """The number of messages sent. Raises LetterlockError, SMTPException, OSError."""
        sealed: list[list[SealedMail]] = []
        try:
            mails = [mail for mail in map(self._read, email_messages) if mail is not None and mail.recipients]
            if not mails:
                return 0
            key, roots = self._configuration.own_key(), self._configuration.roots()
            answers = self._answers(mails)
        except LetterlockError:
            if not self.fail_silently:
                raise
            return 0
        for mail in mails:
            try:
                sealed.append(self._sealed(mail, key, answers, roots))
            except LetterlockError:
                if not self.fail_silently:
                    raise
        return self._hand_over(sealed) if sealed else 0

    def _read(self, message: EmailMessage) -> Mail | None:
        try:
            return read(message)
        except LetterlockError:
            if not self.fail_silently:
                raise
            return None

    def _answers(self, mails: Sequence[Mail]) -> dict[str, Lookup]:
        """One look-up for all, by the folded address."""
        wanted = distinct(address for mail in mails for address in mail.recipients)
        client = self._configuration.client()
        found = [client.look_up(wanted[0].address)] if len(wanted) == 1 else client.look_up_many(address.address for address in wanted)
        return {address.match: lookup for address, lookup in zip(wanted, found, strict=True)}

    def _sealed(self, mail: Mail, key: OwnKey, answers: dict[str, Lookup], roots: Sequence[bytes]) -> list[SealedMail]:
        moment = now()
        key.check(mail.sender, at=moment)
        options = Options(
            sender_name=mail.sender_name,
            neutral_subject=self._configuration.neutral_subject,
            message_id=mail.message_id,
            recipient_trust=trust_in(roots) if roots else None,
        )
        found: list[tuple[EmailAddress, Lookup]] = [(address, answers[address.match]) for address in mail.recipients]
        return compose(mail.content, origin=mail.sender, found=found, key=key, options=options, at=moment)

    def _hand_over(self, sealed: Sequence[Sequence[SealedMail]]) -> int:
        with self._lock:
            opened = self.open()
            connection = self.connection
            if connection is None or opened is None:
                return 0  # failed silently
            try:
                return sum(self._hand_over_one(connection, mails) for mails in sealed)
            finally:
                if opened:
                    self.close()

    def _hand_over_one(self, connection: SMTP, mails: Sequence[SealedMail]) -> bool:
        try:
            for mail in mails:
                connection.sendmail(mail.sender, [mail.recipient], mail.message, mail_options=mail_options(mail))
        except OSError:  # SMTPException is one
            if not self.fail_silently:
                raise
            return False
        return True

    def _send(self, email_message: EmailMessage) -> bool:
        """Django's own way, which sends in clear text: nothing may come by it."""
        raise NotImplementedError
