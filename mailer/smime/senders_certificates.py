"""Which certificates of a verified mail are its sender's own: the signer's, and the one that it points to for encryption (RFC 8551 section 2.5.3).

Others in the CMS are somebody else's: anyone can put any certificate there. Of the authorities only those that lead up from these are kept.

1. The sender's address, and the one signer's attributes.
2. The certificate that the signed SMIMEEncryptionKeyPreference names; it has to be there.
3. It is the same mailbox's, may be used for mail, and leads to a root, unrevoked.
4. The authorities above both.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from asn1crypto import x509

from . import der, mailboxes, parts, signed_data
from .certificates import cut
from .chain import judge
from .der import CONTEXT_0, CONTEXT_1, INTEGER, OCTET_STRING, SEQUENCE
from .envelopes import key_identifier
from .errors import EncryptionRefused, KeyRefused, MalformedCms
from .foreign import ENCRYPTION_KEY_PREFERENCE
from .head import split
from .key_identifiers import identifiers_of
from .mailboxes import Unclear
from .names import comparable
from .outcomes import Outcome
from .reader import Reader
from .signer_certificate import PARSE_FAULTS, addresses, is_valid, load, match_of, may_be_for_mail
from .trust import Trust

MOST_AUTHORITIES = 5
_SUBJECT_ALTERNATIVE = 0x82


class SendersCertificates(NamedTuple):
    """`encryption` is empty where the signer names no other than its own; `authorities` are in DER, from below upwards."""

    sender: str
    encryption: bytes
    authorities: tuple[bytes, ...]


def certificates_of(message: bytes, signer: bytes, *, trust: Trust, at: datetime) -> SendersCertificates:
    """What a message brings that `mail.read_mail` has found to be signed by one signer, with the certificate `signer`, outside of anything else.

    Raises EncryptionRefused, MalformedCms and the other errors of reading.
    """
    # Step 1.
    wrapped = parts.wrapped(message)
    if wrapped is None:
        raise MalformedCms("not signed")
    signed = signed_data.read(wrapped.cms)
    if len(signed.signers) != 1:
        raise MalformedCms("several signers")
    sender = _sender(message)
    # Step 2.
    preferred = _preference(signed.signers[0].attributes or [])
    encryption = signer if preferred is None else _named(preferred, [signer, *signed.certificates])
    if encryption is None:
        raise EncryptionRefused(None)
    # Step 3.
    if encryption != signer:
        outcome = _judge(encryption, sender, signed, trust, at)
        if outcome is not Outcome.VERIFIED:
            raise EncryptionRefused(outcome)
    # Step 4.
    found = _authorities([signer, encryption], signed.certificates)
    return SendersCertificates(sender, b"" if encryption == signer else encryption, found)


def _sender(message: bytes) -> str:
    values = split(message)[0].all("from")
    try:
        found = [mailbox for value in values for mailbox in mailboxes.parse(value)]
    except Unclear as error:
        raise MalformedCms("a From that cannot be read") from error
    if len(found) != 1:
        raise MalformedCms("not one sender")
    return found[0].address


def _preference(attributes: list[bytes]) -> bytes | None:
    """The name of the certificate to encrypt to, as a recipient's (see `envelopes`); None if there is no such attribute."""
    values = signed_data.values_of(attributes).get(ENCRYPTION_KEY_PREFERENCE)
    if values is None:
        return None
    if len(values) != 1:
        raise MalformedCms("not one preference")
    choice = Reader.of(values[0])
    if choice.tag == CONTEXT_0:
        name = choice.enter(CONTEXT_0)
        return der.sequence(name.whole(SEQUENCE), der.tlv(INTEGER, name.contents(INTEGER)))
    if choice.tag == CONTEXT_1:  # RecipientKeyIdentifier: the date and what else may follow choose nothing here
        return key_identifier(choice.enter(CONTEXT_1).octets(OCTET_STRING))
    return key_identifier(choice.octets(_SUBJECT_ALTERNATIVE))


def _named(name: bytes, certificates: Sequence[bytes]) -> bytes | None:
    for certificate in certificates:
        try:
            own = cut(certificate).issuer_and_serial
            identifiers = [key_identifier(identifier) for identifier in identifiers_of(certificate)]
        except KeyRefused:
            continue  # one that cannot be read is nobody's
        if name in identifiers or comparable(name) == comparable(own):
            return certificate
    return None


def _judge(encryption: bytes, sender: str, signed: signed_data.SignedData, trust: Trust, at: datetime) -> Outcome:
    leaf = load(encryption)
    try:
        if match_of(sender) not in {match_of(address) for address in addresses(leaf)}:
            return Outcome.OTHER_SENDER
        if not may_be_for_mail(leaf):
            return Outcome.WRONG_USAGE
        if not is_valid(leaf, at=at):
            return Outcome.NOT_VALID_THEN
    except PARSE_FAULTS as error:
        raise MalformedCms("a certificate that cannot be read") from error
    return judge(trust, leaf, signed.certificates, at=at, crls=signed.crls, answers=signed.ocsp)


def _authorities(leaves: Sequence[bytes], certificates: Sequence[bytes]) -> tuple[bytes, ...]:
    """Those that lead up from the leaves by name; roots are not kept, since whoever verifies has his own."""
    known: list[tuple[str, bytes, x509.Certificate]] = []
    for encoded in certificates:
        try:
            certificate = load(encoded)
            if certificate.ca and certificate.issuer.hashable != certificate.subject.hashable:
                known.append((certificate.subject.hashable, encoded, certificate))
        except (MalformedCms, *PARSE_FAULTS):
            continue
    wanted = [load(leaf).issuer.hashable for leaf in leaves]
    found: list[bytes] = []
    while wanted and len(found) < MOST_AUTHORITIES:
        name = wanted.pop(0)
        for subject, encoded, certificate in known:
            if subject == name and encoded not in found and len(found) < MOST_AUTHORITIES:
                found.append(encoded)
                wanted.append(certificate.issuer.hashable)
    return tuple(found)
