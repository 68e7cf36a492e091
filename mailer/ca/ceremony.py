"""The key ceremony: a root and an S/MIME CA under it, their keys sealed for the signer, their first CRLs signed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction

from mailer.ca.authorities import OpenAuthority, addresses, policy, seal_authority_key
from mailer.ca.ledger import record
from mailer.ca.lint import authority_findings
from mailer.ca.names import authority_subject
from mailer.ca.profiles import AuthorityKey, Issuer, authority_builder, new_serial, root_builder, whole_second
from mailer.ca.revocation_lists import publish_revocation_list
from mailer.ca.signing import sign_certificate
from mailer.models import Authority

ROOT_SLUG = "root-1"
SMIME_SLUG = "smime-1"
DEMO_MARK = "DEMO - DO NOT TRUST "
# Any number: it only has to be the same for every ceremony on this database.
_CEREMONY_LOCK = 0x4C4C4341


class KeyKind(StrEnum):
    P384 = "p-384"
    RSA4096 = "rsa-4096"


@dataclass(frozen=True)
class Names:
    """Whose CA it is. `mark` stands in front of both common names."""

    country: str
    organization: str
    mark: str = ""


def hold(names: Names, *, kind: KeyKind, kek: bytes, actor: str, at: datetime) -> bool:
    """Make both CAs in one transaction; False, and nothing is changed, where they exist. Raises NameRefusedError, LintError, TamperedError."""
    with transaction.atomic():
        if not _first():
            return False
        root = _root(names, _new_key(kind), at=at)
        smime = _smime(names, _new_key(kind), root, at=at)
        for authority, parent in ((root, None), (smime, root)):
            _store(authority, parent, kek=kek, actor=actor, at=at)
            publish_revocation_list(0, authority, actor=actor, at=at)
    return True


def _first() -> bool:
    with transaction.get_connection().cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CEREMONY_LOCK])
    return not Authority.objects.exists()


def _new_key(kind: KeyKind) -> AuthorityKey:
    if kind is KeyKind.RSA4096:
        return rsa.generate_private_key(public_exponent=65537, key_size=4096)
    return ec.generate_private_key(ec.SECP384R1())


def _root(names: Names, key: AuthorityKey, *, at: datetime) -> OpenAuthority:
    subject = authority_subject(names.country, names.organization, f"{names.mark}Letterlock Root 1")
    builder = root_builder(subject, key=key.public_key(), serial=new_serial(), not_before=whole_second(at))
    return OpenAuthority(Issuer(ROOT_SLUG, sign_certificate(builder, key, lint=authority_findings)), is_root=True, key=key)


def _smime(names: Names, key: AuthorityKey, root: OpenAuthority, *, at: datetime) -> OpenAuthority:
    subject = authority_subject(names.country, names.organization, f"{names.mark}Letterlock S/MIME CA 1")
    builder = authority_builder(
        subject,
        issuer=root.issuer,
        key=key.public_key(),
        serial=new_serial(),
        not_before=whole_second(at),
        addresses=addresses(),
        policy=policy(),
    )
    return OpenAuthority(Issuer(SMIME_SLUG, sign_certificate(builder, root.key, lint=authority_findings)), is_root=False, key=key)


def _store(authority: OpenAuthority, parent: OpenAuthority | None, *, kek: bytes, actor: str, at: datetime) -> None:
    slug = authority.issuer.slug
    der = authority.issuer.certificate.public_bytes(Encoding.DER)
    Authority.objects.create(
        slug=slug,
        certificate=der,
        encrypted_key=seal_authority_key(slug, authority.key, kek=kek),
        parent_id=parent.issuer.slug if parent else None,
        created_at=at,
    )
    record("ceremony", authority_slug=slug, actor=actor, at=at, detail=authority.issuer.certificate.subject.rfc4514_string())
