"""Signed mail as a test needs it: any certificates in the CMS, any signed attributes, an authority's CRLs beside it."""

import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from mailer.smime import der, oids
from mailer.smime.certificates import cut
from mailer.smime.foreign import ENCRYPTION_KEY_PREFERENCE
from mailer.smime.key_identifiers import identifiers_of
from mailer.smime.trust import Trust
from tests.pki import Authority, Holder

ENTITY = b"Content-Type: text/plain; charset=utf-8\r\n\r\nHello, this stays between us.\r\n"
_BOUNDARY = b"=-between-parts"


def crl(issuer: Holder, *, at: datetime, revoked: Sequence[Holder] = ()) -> bytes:
    """What an authority says of its certificates, for two months."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(at - timedelta(hours=1)).next_update(at + timedelta(days=60)).add_extension(x509.CRLNumber(1), critical=False)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    for holder in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number).revocation_date(at - timedelta(hours=2))
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def trust_of(authority: Authority, *, at: datetime, revoked: Sequence[Holder] = (), with_crls: bool = True) -> Trust:
    """A verifier that knows this authority's root and asks for revocation answers."""
    crls = [crl(authority.root, at=at), crl(authority.issuer, at=at, revoked=revoked)] if with_crls else []
    return Trust([authority.root.der], crls=crls)


def by_issuer(holder: Holder) -> bytes:
    """SMIMEEncryptionKeyPreference by issuerAndSerialNumber [0]."""
    return der.tlv(0xA0, inside(cut(holder.der).issuer_and_serial))


def by_recipient(holder: Holder) -> bytes:
    """By recipientKeyId [1], with the date that it may have."""
    return der.tlv(0xA1, der.tlv(der.OCTET_STRING, identifiers_of(holder.der)[0]), der.tlv(der.GENERALIZED_TIME, b"20260101000000Z"))


def by_identifier(holder: Holder) -> bytes:
    """By subjectAltKeyIdentifier [2]."""
    return der.tlv(0x82, identifiers_of(holder.der)[0])


def inside(encoded: bytes) -> bytes:
    """An element's contents."""
    element = der.read(encoded)
    return encoded[element.contents : element.end]


def attribute(name: bytes, *values: bytes) -> bytes:
    return der.sequence(name, der.set_of(values))


def signature(
    holder: Holder,
    certificates: Sequence[bytes],
    *,
    entity: bytes = ENTITY,
    preference: bytes | None = None,
    second: Holder | None = None,
    opaque: bool = False,
    crls: Sequence[bytes] = (),
) -> bytes:
    """A SignedData over the entity by a P-256 key, and by a second signer's too."""
    infos = [_signer_info(signer, entity, preference) for signer in (holder, second) if signer]
    content = der.sequence(oids.DATA, der.explicit(0, der.tlv(der.OCTET_STRING, entity))) if opaque else der.sequence(oids.DATA)
    listed = der.tlv(0xA0, *certificates) + (der.tlv(0xA1, *crls) if crls else b"")
    signed = der.sequence(der.integer(1), der.set_of([oids.SHA256]), content, listed, der.set_of(infos))
    return der.sequence(oids.SIGNED_DATA, der.explicit(0, signed))


def _signer_info(holder: Holder, entity: bytes, preference: bytes | None) -> bytes:
    attributes = [attribute(oids.CONTENT_TYPE, oids.DATA), attribute(oids.MESSAGE_DIGEST, der.tlv(der.OCTET_STRING, sha256(entity).digest()))]
    if preference is not None:
        attributes.append(attribute(ENCRYPTION_KEY_PREFERENCE, preference))
    signed = der.set_of(attributes)
    assert isinstance(holder.key, ec.EllipticCurvePrivateKey)
    value = holder.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    name = cut(holder.der).issuer_and_serial
    return der.sequence(der.integer(1), name, oids.SHA256, der.tlv(0xA0, inside(signed)), oids.ECDSA_WITH_SHA256, der.tlv(der.OCTET_STRING, value))


def mail(cms: bytes, *, sender: str, entity: bytes | None = ENTITY, extra: bytes = b"") -> bytes:
    """A message with this signature; opaque where `entity` is None. `extra` are further header fields."""
    head = b"From: %s\r\nTo: bills@bank.example.com\r\nSubject: Hello\r\nDate: Wed, 25 Nov 2026 12:00:00 +0000\r\n" % sender.encode()
    head += b"Message-ID: <1@people.example.net>\r\nMIME-Version: 1.0\r\n" + extra
    encoded = b"".join(binascii.b2a_base64(cms[at : at + 57]).replace(b"\n", b"\r\n") for at in range(0, len(cms), 57))
    if entity is None:
        named = b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        return head + named + encoded
    named = b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="%s"\r\n\r\n' % _BOUNDARY
    part = b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encoded
    return head + named + b"--%s\r\n%s\r\n--%s\r\n%s\r\n--%s--\r\n" % (_BOUNDARY, entity, _BOUNDARY, part, _BOUNDARY)
