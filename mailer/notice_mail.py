"""The portal's own mails as bytes: words from `templates/mail`, in clear with an HTML twin, or sealed to one certificate without a signature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from uuid import uuid4

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from directory.x509.names import EmailAddress
from mailer.smime.encrypt import encrypt
from mailer.smime.entity import Content, build_entity
from mailer.smime.recipients import Recipient


@dataclass(frozen=True)
class Words:
    """A mail's words in one language."""

    subject: str
    text: str
    html: str


def words(kind: str, context: Mapping[str, object], *, language: str = "") -> Words:
    """`templates/mail/<kind>.txt`, whose first line is the subject, and `.html`, in the language or the installation's own."""
    with translation.override(language or settings.LANGUAGE_CODE):
        given = {**context, "portal_url": settings.LETTERLOCK_URL}
        subject, _line, text = render_to_string(f"mail/{kind}.txt", given).strip().partition("\n")
        # One line, whatever a name in it holds: a line break would be another header field.
        return Words(" ".join(subject.split()), text.strip() + "\n", render_to_string(f"mail/{kind}.html", {**given, "subject": subject}))


def new_message_id() -> str:
    return f"<{uuid4()}@{settings.LETTERLOCK_MAIL_FROM.rpartition('@')[2]}>"


def clear_mail(said: Words, *, to: EmailAddress, message_id: str, at: datetime, unsubscribe: str = "", reply_to: str = "") -> bytes:
    """text/plain with its HTML twin. `unsubscribe` is the one-click address (RFC 8058): POSTed to without cookies."""
    mail = _head(to=to, subject=said.subject, message_id=message_id, at=at)
    if reply_to:
        mail["Reply-To"] = reply_to
    if unsubscribe:
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(said.text)
    mail.add_alternative(said.html, subtype="html")
    # RFC 2369 section 2 allows neither encoded words nor a broken line here, and EmailMessage makes both of a long address.
    head = f"List-Unsubscribe: <{unsubscribe}>\r\n".encode("ascii") if unsubscribe else b""
    return head + mail.as_bytes()


def sealed_mail(said: Words, *, subject: str, to: EmailAddress, recipients: Sequence[Recipient], message_id: str, at: datetime) -> bytes:
    """EnvelopedData that only the recipient's key opens (RFC 8551 section 3.3). `subject` stands outside and gives nothing away."""
    envelope = encrypt(build_entity(Content(said.subject, said.text, said.html)), recipients)
    mail = _head(to=to, subject=subject, message_id=message_id, at=at)
    mail.set_content(
        envelope,
        maintype="application",
        subtype="pkcs7-mime",
        filename="smime.p7m",
        params={"smime-type": "enveloped-data", "name": "smime.p7m"},
    )
    return mail.as_bytes()


def _head(*, to: EmailAddress, subject: str, message_id: str, at: datetime) -> EmailMessage:
    # Seven bits, so that no relay has to encode it anew, which would break a signature (RFC 6376 section 5.3).
    mail = EmailMessage(policy=(SMTP if to.local.isascii() else SMTPUTF8).clone(cte_type="7bit"))
    mail["From"] = settings.LETTERLOCK_MAIL_FROM
    mail["To"] = to.address
    mail["Subject"] = subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = message_id
    # RFC 3834: nobody's out-of-office answers this.
    mail["Auto-Submitted"] = "auto-generated"
    return mail
