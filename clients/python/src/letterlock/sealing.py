"""Sign with the organisation's own key and encrypt to each recipient, here: the directory learns who is written to, and nothing of what.

1. Look up every recipient.
2. Each has a certificate that is fit; else nothing at all is sealed.
3. For each recipient a mail of their own: signed, encrypted to them alone, and showing nobody else's address.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ._core.directory.x509.names import EmailAddress
from ._core.mailer.smime import message
from ._core.mailer.smime.entity import Content
from ._core.mailer.smime.errors import SmimeError
from ._core.mailer.smime.recipients import Recipient
from ._core.mailer.smime.sign import SignatureForm, Stamp
from ._core.mailer.smime.trust import Trust
from .answers import Lookup
from .async_client import AsyncClient
from .checking import to_encrypt_to
from .client import Client, now
from .errors import ContentRefusedError, NoCertificateError
from .keys import OwnKey
from .protocol import distinct, parse_address


@dataclass(frozen=True, slots=True)
class Options:
    """How mails are sealed.

    `sender_name` stands beside the sender's address. `neutral_subject` stands outside in place of the subject, which then is inside alone.
    `message_id`, with its angle brackets, is made up if empty. `form`, `ocsp` (an OCSPResponse on the signer's certificate) and `stamp`
    (a function from a signature to an RFC 3161 token) go into the signature. `recipient_trust` are roots that recipients' certificates
    must lead to (`trust_in`); without it the directory's word on whose key it is counts.
    """

    sender_name: str = ""
    neutral_subject: str | None = None
    message_id: str = ""
    form: SignatureForm = SignatureForm.DETACHED
    ocsp: bytes | None = None
    stamp: Stamp | None = None
    recipient_trust: Trust | None = None


@dataclass(frozen=True, slots=True)
class SealedMail:
    """One mail as it goes to SMTP (CRLF lines, not dot-stuffed), for one recipient; `certificate` is the fingerprint it is encrypted to."""

    sender: str
    recipient: str
    message_id: str
    certificate: str
    message: bytes = field(repr=False)


DEFAULT = Options()


def seal(
    content: Content,
    *,
    sender: str,
    recipients: str | Iterable[str],
    key: OwnKey,
    client: Client,
    options: Options = DEFAULT,
    at: datetime | None = None,
) -> list[SealedMail]:
    """One sealed mail for each recipient, in their order, each address once.

    `at` is the Date and the signing time, now by default (aware). Raises NoCertificateError, which names who has none, UnfitCertificateError,
    KeyFileError, BadAddressError, ContentRefusedError, and the errors of `Client.look_up`: then nothing was sealed.
    """
    moment = at or now()
    origin, addresses = _addresses(sender, recipients)
    key.check(origin, at=moment)
    # Step 1.
    found = [client.look_up(addresses[0].address)] if len(addresses) == 1 else client.look_up_many(address.address for address in addresses)
    return compose(content, origin=origin, found=list(zip(addresses, found, strict=True)), key=key, options=options, at=moment)


async def seal_async(
    content: Content,
    *,
    sender: str,
    recipients: str | Iterable[str],
    key: OwnKey,
    client: AsyncClient,
    options: Options = DEFAULT,
    at: datetime | None = None,
) -> list[SealedMail]:
    """As `seal`."""
    moment = at or now()
    origin, addresses = _addresses(sender, recipients)
    key.check(origin, at=moment)
    if len(addresses) == 1:
        found = [await client.look_up(addresses[0].address)]
    else:
        found = await client.look_up_many(address.address for address in addresses)
    return compose(content, origin=origin, found=list(zip(addresses, found, strict=True)), key=key, options=options, at=moment)


def compose(
    content: Content, *, origin: EmailAddress, found: Sequence[tuple[EmailAddress, Lookup]], key: OwnKey, options: Options, at: datetime
) -> list[SealedMail]:
    """Steps 2 and 3 with the answers at hand. Raises as `seal`."""
    # Step 2.
    chosen = [(address, to_encrypt_to(lookup, address, at=at, trust=options.recipient_trust)) for address, lookup in found]
    missing = [address.address for address, certificate in chosen if certificate is None]
    if missing:
        raise NoCertificateError(missing)
    # Step 3.
    message_id = options.message_id or f"<{uuid.uuid4()}@{origin.domain}>"
    sealed = []
    for address, certificate in chosen:
        if certificate is None:
            raise NoCertificateError([address.address])
        try:
            recipient = Recipient.from_parts(certificate.issuer_and_serial, certificate.spki, capabilities=certificate.smime_capabilities)
            octets = message.seal(
                content,
                sender=origin.address,
                recipient=address.address,
                signer=key.signer,
                recipients=[recipient],
                message_id=message_id,
                at=at,
                sender_name=options.sender_name,
                neutral_subject=options.neutral_subject,
                form=options.form,
                ocsp=options.ocsp,
                stamp=options.stamp,
            )
        except SmimeError as error:
            raise ContentRefusedError(str(error), field=error.field) from error
        sealed.append(SealedMail(origin.address, address.address, message_id, certificate.fingerprint, octets))
    return sealed


def _addresses(sender: str, recipients: str | Iterable[str]) -> tuple[EmailAddress, list[EmailAddress]]:
    texts = [recipients] if isinstance(recipients, str) else list(recipients)
    addresses = distinct(map(parse_address, texts))
    if not addresses:
        raise ContentRefusedError("there is no recipient", field="recipients")
    return parse_address(sender), addresses
