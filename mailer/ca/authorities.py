"""CAs out of the database: certificates for everybody, keys for the process that has `LETTERLOCK_CA_KEK`."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_der_private_key
from django.conf import settings

from mailer.ca.errors import NoAuthorityError, TamperedError
from mailer.ca.profiles import Addresses, AuthorityKey, Issuer, PolicyArc
from mailer.custody import open_secret, seal_secret
from mailer.models import Authority

FoldedName = list[tuple[str, str]]


@dataclass(frozen=True)
class OpenAuthority:
    """A CA whose key this process can use. Its repr shows no key."""

    issuer: Issuer
    is_root: bool
    key: AuthorityKey

    def __repr__(self) -> str:
        return f"<OpenAuthority {self.issuer.slug}>"


def addresses() -> Addresses:
    return Addresses(settings.LETTERLOCK_PKI_URL)


def policy() -> PolicyArc:
    return PolicyArc(settings.LETTERLOCK_POLICY_ARC, settings.LETTERLOCK_ASSERT_BR)


def issuing_authority() -> Authority:
    """The newest CA below a root, without its key. Raises NoAuthorityError before the ceremony."""
    found = Authority.objects.filter(parent__isnull=False).defer("encrypted_key").order_by("-created_at").first()
    if found is None:
        raise NoAuthorityError("there is no issuing CA: run `manage.py ca ceremony` first")
    return found


def names_one_of_ours(certificate: x509.Certificate) -> bool:
    """Whether a certificate calls one of these CAs its issuer; what it says of itself, not a proof.

    Compared as RFC 5280 section 7.1 does, without case and runs of blanks, and whatever the order: whoever reads the name sees no difference.
    """
    return names_one_of(names_of_ours(), certificate)


def names_of_ours() -> list[FoldedName]:
    """The names of these CAs, for `names_one_of`: many certificates are compared with what is read once."""
    return [_folded(x509.load_der_x509_certificate(bytes(der)).subject) for der in Authority.objects.values_list("certificate", flat=True)]


def names_one_of(ours: Sequence[FoldedName], certificate: x509.Certificate) -> bool:
    """Whether the certificate calls one of them its issuer."""
    with warnings.catch_warnings():
        # cryptography warns of odd names that it reads all the same.
        warnings.simplefilter("ignore")
        return _folded(certificate.issuer) in ours


def _folded(name: x509.Name) -> FoldedName:
    return sorted((part.oid.dotted_string, " ".join(str(part.value).casefold().split())) for part in name)


def open_authority(slug: str, *, kek: bytes) -> OpenAuthority:
    """A CA with its key. Raises NoAuthorityError, a CustodyError, or TamperedError where key and certificate do not belong together."""
    row = Authority.objects.filter(pk=slug).first()
    if row is None or not row.encrypted_key:
        raise NoAuthorityError(f"there is no CA {slug} whose key is kept here")
    certificate = x509.load_der_x509_certificate(bytes(row.certificate))
    key = load_der_private_key(open_secret(kek, bytes(row.encrypted_key), context=_context(slug)), password=None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) or _spki(key.public_key()) != _spki(certificate.public_key()):
        raise TamperedError(f"the key of the CA {slug} is not its certificate's")
    return OpenAuthority(Issuer(slug, certificate), is_root=row.parent_id is None, key=key)


def seal_authority_key(slug: str, key: AuthorityKey, *, kek: bytes) -> bytes:
    """The form in which `open_authority` finds it; bound to the slug."""
    return seal_secret(kek, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), context=_context(slug))


def _context(slug: str) -> bytes:
    return f"authority:{slug}".encode()


def _spki(key: object) -> bytes:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise TamperedError("a CA's key is RSA or on a NIST curve")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
