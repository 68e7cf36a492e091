"""What an envelope says, read without any key: EnvelopedData (RFC 5652 section 6) and AuthEnvelopedData (RFC 5083) as plain octets.

Reading is kept apart from decrypting so that it can be done where no private key is. A recipient's `name` is the DER of its
IssuerAndSerialNumber or, for a subject key identifier, that under the tag [0].
"""

from collections.abc import Collection
from typing import NamedTuple

from . import der, oids
from .der import BIT_STRING, CONTEXT_0, CONTEXT_1, INTEGER, OCTET_STRING, OID, SEQUENCE, SET
from .errors import MalformedCms, TooLarge, UnsupportedAlgorithm
from .foreign import AUTHENTICATED_ENVELOPED_DATA
from .names import comparable
from .reader import MAX_CMS, Reader

MAX_RECIPIENT_INFOS = 1000
# Several may name one certificate; each costs an operation with the private key.
MAX_TRIED = 8
SUBJECT_KEY_IDENTIFIER = 0x80


class Transported(NamedTuple):
    """A KeyTransRecipientInfo; `algorithm` is an AlgorithmIdentifier as sent."""

    name: bytes
    algorithm: bytes
    encrypted_key: bytes


class Agreed(NamedTuple):
    """A KeyAgreeRecipientInfo with one of its encrypted keys: the originator's point and AlgorithmIdentifier, and the user keying material."""

    name: bytes
    point: bytes
    originator: bytes
    material: bytes | None
    algorithm: bytes
    encrypted_key: bytes


class Envelope(NamedTuple):
    """`attributes` are the authenticated ones as a SET OF, empty if there are none; `tag` is None unless this is AuthEnvelopedData."""

    recipients: tuple[Transported | Agreed, ...]
    content_type: bytes
    cipher: bytes
    content: bytes
    attributes: bytes
    tag: bytes | None


def issuer_and_serial(reader: Reader) -> bytes:
    """The DER of the IssuerAndSerialNumber that is next, whatever lengths the sender used around the name. Raises MalformedCms."""
    name = reader.enter(SEQUENCE)
    return der.sequence(name.whole(SEQUENCE), der.tlv(INTEGER, name.contents(INTEGER)))


def key_identifier(octets: bytes) -> bytes:
    """The name of a recipient by subject key identifier."""
    return der.tlv(SUBJECT_KEY_IDENTIFIER, octets)


def read(envelope: bytes, names: Collection[bytes] | None = None, *, max_size: int = MAX_CMS) -> Envelope:
    """An envelope with those recipients that are among `names` (default: all). Raises TooLarge, MalformedCms, UnsupportedAlgorithm.

    1. ContentInfo names the kind of envelope.
    2. RecipientInfos: by key transport or key agreement; those by password or shared key are no certificate's.
    3. The encrypted content.
    4. For AuthEnvelopedData the attributes that the tag covers as well, and the tag.
    """
    # Step 1.
    info = Reader.of(envelope, max_size=max_size).enter(SEQUENCE)
    kind = info.whole(OID)
    if kind not in {oids.ENVELOPED_DATA, AUTHENTICATED_ENVELOPED_DATA}:
        raise UnsupportedAlgorithm("not an envelope")
    enveloped = info.enter(CONTEXT_0).enter(SEQUENCE)
    enveloped.contents(INTEGER)
    enveloped.skip(CONTEXT_0)
    # Step 2.
    recipients = _read_recipients(enveloped.enter(SET), names)
    # Step 3.
    encrypted = enveloped.enter(SEQUENCE)
    content_type, cipher = encrypted.whole(OID), encrypted.whole(SEQUENCE)
    if encrypted.tag is None:
        raise MalformedCms("an envelope without content")
    content = encrypted.octets(0x80)
    if kind == oids.ENVELOPED_DATA:
        return Envelope(recipients, content_type, cipher, content, b"", None)
    # Step 4.
    attributes = enveloped.contents(CONTEXT_1) if enveloped.tag == CONTEXT_1 else b""
    tag = enveloped.octets(OCTET_STRING)
    # RFC 5083 section 2.2: the tag covers the DER of a SET OF, not the implicit tag on the wire.
    return Envelope(recipients, content_type, cipher, content, der.tlv(SET, attributes) if attributes else b"", tag)


def _read_recipients(infos: Reader, names: Collection[bytes] | None) -> tuple[Transported | Agreed, ...]:
    found: list[Transported | Agreed] = []
    count = 0
    while infos.tag is not None:
        read_now: list[Transported | Agreed] = []
        if infos.tag == SEQUENCE:
            read_now = [_read_transport(infos.enter(SEQUENCE))]
        elif infos.tag == CONTEXT_1:
            read_now = _read_agreement(infos.enter(CONTEXT_1), MAX_RECIPIENT_INFOS - count)
        else:
            infos.whole()
        count += max(1, len(read_now))
        if count > MAX_RECIPIENT_INFOS:
            raise TooLarge(f"more than {MAX_RECIPIENT_INFOS} recipients")
        found += read_now
    return tuple(found if names is None else _named(found, names))


def _named(recipients: list[Transported | Agreed], names: Collection[bytes]) -> list[Transported | Agreed]:
    """Those that are among the names; where none is, those whose issuer is the same in other words, under the name that was asked for."""
    exact = [recipient for recipient in recipients if recipient.name in names]
    if exact:
        return exact
    alike = {comparable(name): name for name in names}
    written = [(recipient, alike.get(comparable(recipient.name))) for recipient in recipients]
    return [recipient._replace(name=name) for recipient, name in written if name is not None]


def _read_transport(info: Reader) -> Transported:
    info.contents(INTEGER)
    name = key_identifier(info.octets(SUBJECT_KEY_IDENTIFIER)) if info.tag in {0x80, 0xA0} else issuer_and_serial(info)
    return Transported(name, info.whole(SEQUENCE), info.octets(OCTET_STRING))


def _read_agreement(info: Reader, most: int) -> list[Transported | Agreed]:
    info.contents(INTEGER)
    originator = info.enter(CONTEXT_0)
    if originator.tag != CONTEXT_1:
        return []  # a static originator, named by a certificate, whose agreement proves nothing here
    public_key = originator.enter(CONTEXT_1)
    originator_algorithm = public_key.whole(SEQUENCE)
    point = public_key.contents(BIT_STRING)
    material = info.enter(CONTEXT_1).octets(OCTET_STRING) if info.tag == CONTEXT_1 else None
    algorithm = info.whole(SEQUENCE)
    keys = info.enter(SEQUENCE)
    found: list[Transported | Agreed] = []
    while keys.tag is not None:
        if len(found) >= most:
            raise TooLarge(f"more than {MAX_RECIPIENT_INFOS} recipients")
        encrypted = keys.enter(SEQUENCE)
        identified = encrypted.entered(CONTEXT_0)
        name = key_identifier(identified.octets(OCTET_STRING)) if identified else issuer_and_serial(encrypted)
        found.append(Agreed(name, point[1:], originator_algorithm, material, algorithm, encrypted.octets(OCTET_STRING)))
    return found
