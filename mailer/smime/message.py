"""The whole message on the wire: content to entity, signed, encrypted, under outer header fields from a template."""

from collections.abc import Sequence
from datetime import UTC, datetime

from . import headers
from .encoding import base64_lines
from .encrypt import encrypt
from .entity import Content, Protection, build_entity
from .headers import Header, field, mailbox, unstructured
from .recipients import Recipient
from .sign import SignatureForm, Signer, Stamp

_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def _outer_head(smime_type: bytes) -> bytes:
    return (
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: application/pkcs7-mime; smime-type=" + smime_type + b';\r\n name="smime.p7m"\r\n'
        b'Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="smime.p7m"\r\n\r\n'
    )


_AUTO_SUBMITTED = field(Header.AUTO_SUBMITTED, b"auto-generated")  # RFC 3834 section 5
# RFC 8551 section 3.2.2, by whether the content cipher authenticates.
_OUTER_HEADS = {False: _outer_head(b"enveloped-data"), True: _outer_head(b"authEnveloped-data")}


def seal(
    content: Content,
    *,
    sender: str,
    recipient: str,
    signer: Signer,
    recipients: Sequence[Recipient],
    message_id: str,
    at: datetime,
    sender_name: str = "",
    neutral_subject: str | None = None,
    form: SignatureForm = SignatureForm.DETACHED,
    ocsp: bytes | None = None,
    stamp: Stamp | None = None,
) -> bytes:
    """Sign, then encrypt, and give the message as it goes to SMTP (CRLF, not dot-stuffed).

    `sender` and `recipient` are addresses, `message_id` has its angle brackets, `recipients` are certificates of the same algorithms
    (`recipients.apart`), `at` is aware. `neutral_subject` stands outside in place of the content's subject, which then shows in the text.
    `form`, `ocsp` and `stamp` are those of `Signer.sign`. Raises the errors of `entity.check` and `Signer.sign`, AddressRefused, EntityError,
    MixedRecipients.
    """
    subject = unstructured(content.subject)
    common = b"".join((
        field(Header.FROM, mailbox(sender, sender_name, field="from")),
        field(Header.TO, mailbox(recipient, field="to")),
        field(Header.DATE, _date(at)),
        field(Header.MESSAGE_ID, headers.message_id(message_id)),
        _AUTO_SUBMITTED,
    ))  # fmt: skip
    inner = common + field(Header.SUBJECT, subject)
    outer = inner if neutral_subject is None else common + field(Header.SUBJECT, unstructured(neutral_subject, field="neutral_subject"))
    # What stands outside is told inside, so that a reader sees what was protected and what was changed on the way (RFC 9788 section 2.2).
    told = b"".join(b"HP-Outer: " + line for line in _fields(outer))
    entity = build_entity(content, Protection(inner + told, legacy_display=neutral_subject is not None))
    envelope = encrypt(signer.sign(entity, at=at, form=form, ocsp=ocsp, stamp=stamp), recipients)
    return b"".join((outer, _OUTER_HEADS[recipients[0].choice.content.authenticates], base64_lines(envelope)))


def _fields(head: bytes) -> list[bytes]:
    """The fields of a head that this module wrote, continuation lines with their first."""
    fields: list[bytes] = []
    for line in head.splitlines(keepends=True):
        if line.startswith(b" "):
            fields[-1] += line
        else:
            fields.append(line)
    return fields


def _date(at: datetime) -> bytes:
    """RFC 5322 section 3.3, in English whatever the locale."""
    utc = at.astimezone(UTC)
    return b"%s, %02d %s %04d %02d:%02d:%02d +0000" % (
        _DAYS[utc.weekday()], utc.day, _MONTHS[utc.month - 1], utc.year, utc.hour, utc.minute, utc.second,
    )  # fmt: skip
