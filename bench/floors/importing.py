"""Import's floor: read the certificates of a PEM file by cryptography and COPY what is read into tables with the same columns.

One process, no gate, no answers, no events; each table has its primary key, and a chunk of rows is one transaction. Runs inside Django.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection, transaction

from directory.copying import copy_rows

CHUNK = 2000
TABLES = """
CREATE TABLE bare_mailbox (id bigint PRIMARY KEY, address text NOT NULL, match text NOT NULL);
CREATE TABLE bare_certificate (id bigint PRIMARY KEY, mailbox_id bigint NOT NULL, fingerprint text NOT NULL, der bytea NOT NULL,
    spki bytea NOT NULL, issuer text NOT NULL, serial text NOT NULL, not_before timestamptz NOT NULL, not_after timestamptz NOT NULL,
    published_at timestamptz NOT NULL);
ALTER TABLE bare_certificate ALTER der SET STORAGE EXTERNAL;
"""
_MAILBOX = {"id": "int8", "address": "text", "match": "text"}
_CERTIFICATE = {"id": "int8", "mailbox_id": "int8", "fingerprint": "text", "der": "bytea", "spki": "bytea", "issuer": "text", "serial": "text"}
_TIMES = {"not_before": "timestamptz", "not_after": "timestamptz", "published_at": "timestamptz"}


def make_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)


def import_bare(pem: bytes, *, first: int, at: datetime) -> int:
    """Write the certificates of a file with ids from `first`; how many there were."""
    rows = list(_rows(pem, first=first, at=at))
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        with transaction.atomic():
            copy_rows("bare_mailbox", _MAILBOX, (mailbox for mailbox, _ in chunk))
            copy_rows("bare_certificate", _CERTIFICATE | _TIMES, (certificate for _, certificate in chunk))
    return len(rows)


def _rows(pem: bytes, *, first: int, at: datetime) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    for number, certificate in enumerate(x509.load_pem_x509_certificates(pem), first):
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        [address] = names.get_values_for_type(x509.RFC822Name)
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        facts = (certificate.fingerprint(hashes.SHA256()).hex(), certificate.public_bytes(Encoding.DER), spki)
        issuer, serial = certificate.issuer.rfc4514_string(), f"{certificate.serial_number:x}"
        times = (certificate.not_valid_before_utc, certificate.not_valid_after_utc, at)
        yield (number, address, address.lower()), (number, number, *facts, issuer, serial, *times)
