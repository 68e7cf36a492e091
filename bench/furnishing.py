"""What the measured rows need in the database, made by the product's own verbs where there is one of a thing, by SQL where there are many."""

import json
import sys
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import connection

from bench import sealing
from directory import tokens
from directory.models import Certificate, Organization
from directory.organizations import create_organization
from directory.publishing import publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer.custody import require_key, seal_secret
from mailer.issuing import key_context
from mailer.models import SigningIdentity, SigningIdentityStatus
from tests.pki import Authority, Usage

ACTOR = "system:bench"

# Copies of the first entry under other addresses: mailbox, certificate and prepared answer, as `publish` leaves them.
_COPY = """
INSERT INTO directory_mailbox (address, match) SELECT a, a FROM (SELECT 'c' || n || '@example.net' AS a FROM generate_series(1, %(count)s) n) s;
INSERT INTO directory_certificate ({columns}, mailbox_id, fingerprint)
SELECT {columns}, m.id, encode(sha256(m.match::bytea), 'hex')
FROM directory_certificate c, directory_mailbox m WHERE c.id = %(first)s AND m.match LIKE 'c%%';
INSERT INTO directory_answer (match, json, certificates, found, etag, changes_at)
SELECT m.match, a.json, ARRAY[c.id], a.found, a.etag, a.changes_at
FROM directory_answer a, directory_mailbox m JOIN directory_certificate c ON c.mailbox_id = m.id
WHERE a.match = %(match)s AND m.match LIKE 'c%%';
ANALYZE directory_mailbox; ANALYZE directory_certificate; ANALYZE directory_answer;
"""


def organization(at: datetime) -> Organization:
    return create_organization(
        legal_name="Example Bank",
        country="DE",
        organization_identifier="NTRDE-DER3306.HRB12345",
        address="1 Main Street",
        website="https://www.bank.example.com",
        time_zone="Europe/Berlin",
        domain="bank.example.com",
        actor=ACTOR,
        at=at,
    )


def entries(authority: Authority, count: int, kind: str, *, at: datetime) -> None:
    """Publish one certificate and copy it to c1@example.net ... c<count>@example.net."""
    address = EmailAddress.parse("alice@example.net")
    parsed = parse_certificate(authority.leaf(address.address, kind, Usage.DUAL).der)
    first = publish(address=address, parsed=parsed, level="V1", source="uploaded", actor=ACTOR, at=at)
    kept = [field.attname for field in Certificate._meta.concrete_fields if field.name not in {"id", "mailbox", "fingerprint"}]
    with connection.cursor() as cursor:
        cursor.execute(_COPY.format(columns=", ".join(kept)), {"count": count, "first": first.pk, "match": address.match})


def lookups(count: str) -> dict[str, object]:
    """A token that may look up, and `count` entries with RSA certificates."""
    at = datetime.now(UTC)
    entries(Authority("Bench"), int(count), "rsa2048", at=at)
    _, text = tokens.make_token(organization=organization(at), name="Bench", scopes=["lookup"], actor=ACTOR, at=at)
    return {"token": text}


def sending(count: str) -> dict[str, object]:
    """A token that may send, an identity with a certificate of its own authority, and `count` recipients."""
    at, authority = datetime.now(UTC), Authority("Bench")
    entries(authority, int(count), "rsa2048", at=at)
    bank = organization(at)
    address = EmailAddress.parse(sealing.BANK)
    holder = authority.leaf(address.address, "rsa2048", Usage.SIGN, organization=bank.legal_name)
    certificate = publish(address=address, parsed=parse_certificate(holder.der), level="V4", source="issued", organization=bank, actor=ACTOR, at=at)
    identity = SigningIdentity(
        organization=bank,
        address=address.address,
        match=address.match,
        status=SigningIdentityStatus.ACTIVE,
        certificate=certificate,
        chain=authority.chain,
        created_at=at,
    )
    key = holder.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    identity.encrypted_key = seal_secret(require_key("LETTERLOCK_SIGNING_KEK"), key, context=key_context(identity.pk))
    identity.save()
    _, text = tokens.make_token(organization=bank, name="Bench", scopes=["send"], actor=ACTOR, at=at)
    return {"token": text}


def main(arguments: list[str]) -> None:
    what, *rest = arguments
    json.dump({"lookups": lookups, "sending": sending}[what](*rest), sys.stdout)
