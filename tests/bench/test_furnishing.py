"""The entries of the bench are what `publish` leaves, but for their number: each is answered with a certificate of its own."""

import base64
from datetime import UTC, datetime

import pytest
from django.db import connection

from bench import furnishing
from bench.floors.importing import import_bare, make_tables
from bench.floors.lookup import whole
from directory.lookup import encryption_certificates, read_answer
from directory.models import Answer, Certificate, Mailbox
from directory.publishing import publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from tests.pki import Authority

pytestmark = pytest.mark.django_db
AT = datetime.now(UTC)
AUTHORITY = Authority("Bench")


def body_of(email: str) -> bytes:
    return read_answer(EmailAddress.parse(email), at=AT).tail


def test_every_entry_is_answered_with_its_own_certificate() -> None:
    furnishing.entries(AUTHORITY, 300, "p256", at=AT)
    found = {number: Certificate.objects.get(mailbox__match=f"c{number}@example.net") for number in (1, 2, 255, 300)}
    for number, certificate in found.items():
        body = body_of(f"c{number}@example.net")
        assert base64.b64encode(certificate.der) in body
        assert certificate.fingerprint.encode() in body
        [parts] = encryption_certificates([f"c{number}@example.net"], at=AT)[f"c{number}@example.net"]
        assert parts.fingerprint == certificate.fingerprint == parse_certificate(bytes(certificate.der)).fingerprint
    assert len({certificate.fingerprint for certificate in found.values()}) == len(found)
    assert len({answer.etag for answer in Answer.objects.all()}) == 301
    assert b'"none"' in body_of("c301@example.net")


def test_it_leaves_the_indexes_as_they_were_and_room_for_more() -> None:
    def indexes() -> set[tuple[str, ...]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename ~ '^directory_(mailbox|certificate|answer)$'")
            return set(cursor.fetchall())

    before = indexes()
    furnishing.entries(AUTHORITY, 5, "p256", at=AT)
    assert indexes() == before
    dora = EmailAddress.parse("dora@example.net")
    publish(address=dora, parsed=parse_certificate(AUTHORITY.leaf(dora.address).der), level="V1", source="uploaded", actor="user:dora", at=AT)
    assert Mailbox.objects.count() == 7


def test_what_is_hidden_is_answered_as_what_is_not_there() -> None:
    furnishing.entries(AUTHORITY, 3, "p256", at=AT)
    furnishing.hidden("2")
    assert body_of("c1@example.net") == body_of("c1@example.nes")
    assert b'"found"' in body_of("c3@example.net")


def test_the_floor_of_look_ups_answers_as_the_portal_does() -> None:
    furnishing.entries(AUTHORITY, 3, "p256", at=AT)
    answer, certificate = Answer.objects.get(match="c2@example.net"), Certificate.objects.get(mailbox__match="c2@example.net")
    assert whole(bytes(answer.json), bytes(certificate.der)) == body_of("c2@example.net")


def test_the_floor_of_imports_writes_what_stands_in_the_file() -> None:
    holders = [AUTHORITY.leaf(f"C{number}@example.net") for number in range(3)]
    make_tables()
    assert import_bare(b"".join(holder.pem for holder in holders), first=10, at=AT) == 3
    with connection.cursor() as cursor:
        cursor.execute("SELECT match, der FROM bare_certificate c JOIN bare_mailbox m ON m.id = c.mailbox_id ORDER BY c.id")
        assert [(match, bytes(der)) for match, der in cursor.fetchall()] == [(f"c{n}@example.net", holder.der) for n, holder in enumerate(holders)]
