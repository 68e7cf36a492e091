"""What the measured rows need in the database, made by the product's own verbs where there is one of a thing, by SQL where there are many."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import connection, transaction

from bench import sealing
from directory import tokens
from directory.models import Certificate, Mailbox, Organization
from directory.organizations import create_organization
from directory.publishing import hide, publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer.custody import require_key, seal_secret
from mailer.issuing import key_context
from mailer.models import SigningIdentity, SigningIdentityStatus
from tests.pki import Authority, Usage

ACTOR = "system:bench"

# Copies of the first entry under other addresses: mailbox, certificate and prepared answer, as `publish` leaves them, with ids in the order of
# the numbers. Each DER differs in the last octets of its signature, and so do the fingerprint, the JSON that names it, and its entity tag.
_COPY = """
SET LOCAL session_replication_role = replica;
INSERT INTO directory_mailbox (id, address, match)
SELECT %(mailbox)s + n, a, a FROM (SELECT n, 'c' || n || '@example.net' AS a FROM generate_series(1, %(count)s) n) s;
INSERT INTO directory_certificate (id, mailbox_id, fingerprint, der, {columns})
SELECT %(first)s + n, %(mailbox)s + n, encode(sha256(own), 'hex'), own, {columns} FROM (
    SELECT n, overlay(der placing int8send(n) from length(der) - 7) AS own, {columns}
    FROM generate_series(1, %(count)s::bigint) n, directory_certificate WHERE id = %(first)s
) s;
INSERT INTO directory_answer (match, json, certificates, found, etag, changes_at)
SELECT match, json, ARRAY[id], found, left(encode(sha256(json), 'hex'), 32), changes_at FROM (
    SELECT 'c' || (c.id - %(first)s) || '@example.net' AS match, c.id, a.found, a.changes_at,
    convert_to(replace(convert_from(a.json, 'UTF8'), %(fingerprint)s, c.fingerprint), 'UTF8') AS json
    FROM directory_answer a, directory_certificate c WHERE a.match = %(match)s AND c.id > %(first)s
) s;
SELECT setval(pg_get_serial_sequence('directory_mailbox', 'id'), max(id)) FROM directory_mailbox;
SELECT setval(pg_get_serial_sequence('directory_certificate', 'id'), max(id)) FROM directory_certificate;
SET LOCAL session_replication_role = origin;
"""
# What a row of these tables is found by, but for its id: writing millions of rows is several times as fast without.
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), conname, conrelid::regclass::text, pg_get_constraintdef(c.oid)
FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
WHERE indrelid = 'directory_answer'::regclass
OR indrelid IN ('directory_certificate'::regclass, 'directory_mailbox'::regclass) AND NOT indisprimary
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
    """Publish one certificate and copy it to c1@example.net ... c<count>@example.net, each with a DER of its own."""
    address = EmailAddress.parse("alice@example.net")
    parsed = parse_certificate(authority.leaf(address.address, kind, Usage.DUAL).der)
    first = publish(address=address, parsed=parsed, level="V1", source="uploaded", actor=ACTOR, at=at)
    kept = [field.attname for field in Certificate._meta.concrete_fields if field.name not in {"id", "mailbox", "fingerprint", "der"}]
    places: dict[str, int | str] = {
        "count": count,
        "first": first.pk,
        "mailbox": first.mailbox_id,
        "fingerprint": first.fingerprint,
        "match": address.match,
    }
    with transaction.atomic(), _without_indexes(), connection.cursor() as cursor:
        cursor.execute(_COPY.format(columns=", ".join(kept)), places)


def _settle() -> None:
    """Do at once what the server would begin to do while it is measured. Not in a transaction."""
    with connection.cursor() as cursor:
        for table in ("directory_mailbox", "directory_certificate", "directory_answer"):
            cursor.execute(f"VACUUM ANALYZE {table}")
        cursor.execute("CHECKPOINT")


@contextmanager
def _without_indexes() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # no table is altered that has checks to come
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        cursor.execute(_INDEXES)
        found = cursor.fetchall()
        for index, _, constraint, table, _ in found:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}" if constraint else f"DROP INDEX {index}")
        yield
        for _, definition, constraint, table, words in found:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {words}" if constraint else definition)


def hidden(count: str) -> dict[str, object]:
    """Hide the mailboxes c1 ... c<count>."""
    for number in range(1, int(count) + 1):
        hide(mailbox=Mailbox.objects.get(match=f"c{number}@example.net"), actor=ACTOR, at=datetime.now(UTC))
    return {}


def lookups(count: str) -> dict[str, object]:
    """A token that may look up, and `count` entries with RSA certificates."""
    at = datetime.now(UTC)
    entries(Authority("Bench"), int(count), "rsa2048", at=at)
    _settle()
    _, text = tokens.make_token(organization=organization(at), name="Bench", scopes=["lookup"], actor=ACTOR, at=at)
    return {"token": text}


def sending(count: str) -> dict[str, object]:
    """A token that may send, an identity with a certificate of its own authority, and `count` recipients."""
    at, authority = datetime.now(UTC), Authority("Bench")
    entries(authority, int(count), "rsa2048", at=at)
    _settle()
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
    json.dump({"lookups": lookups, "sending": sending, "hidden": hidden}[what](*rest), sys.stdout)
