"""Answers of the version before, which held each DER within their JSON: the migration makes of them what would be prepared now."""

from datetime import datetime
from importlib import import_module

import orjson
from django.db import connection

from directory import answers
from directory.lookup import read_answer
from directory.models import Answer
from directory.x509.names import EmailAddress
from tests.directory.conftest import CHARLIE, Publisher

migration = import_module("directory.migrations.0006_answers_without_der")


def rows() -> list[tuple[object, ...]]:
    return [(row.match, bytes(row.json), row.certificates, row.found, row.etag, row.changes_at) for row in Answer.objects.order_by("match")]


def test_the_der_is_cut_out_and_found_again(published: Publisher, at: datetime) -> None:
    addresses = [EmailAddress.parse(text) for text in ("alice@example.com", "charlie@example.com")]
    for kind in ("p256", "rsa2048"):
        published(addresses[0].address, kind, level="V1" if kind == "p256" else "V4")
    # The same certificate's fingerprint in another mailbox, and a name with what looks like the cut.
    certificate = published(addresses[1].address, actor=CHARLIE, level="V3")
    certificate.name = 'a"der":"b"'
    certificate.save()
    answers.prepare(certificate.mailbox, at=at)
    prepared = rows()
    whole = {address.match: read_answer(address, at=at) for address in addresses}
    for match, ready in whole.items():
        Answer.objects.filter(match=match).update(json=ready.tail, certificates=[], etag="old")
    with connection.cursor() as cursor:
        cursor.execute(migration.CUT)
    assert rows() == prepared
    for address in addresses:
        assert read_answer(address, at=at) == whole[address.match]
    assert [entry["der"] != "" for entry in orjson.loads(b"{" + whole[addresses[0].match].tail)["certificates"]] == [True, True]


def test_a_usual_row_of_a_certificate_stays_in_one_place(published: Publisher) -> None:
    published("alice@example.com", "rsa4096")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE relname = 'directory_certificate'")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'directory_certificate'")
        assert cursor.fetchone() == (["toast_tuple_target=4080"],)
