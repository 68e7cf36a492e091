"""What is published in bulk is what `publish` would have left, row by row, and for new mailboxes alone."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from directory import bulk_publishing
from directory.answers import FOUND
from directory.bulk_publishing import Entry
from directory.lookup import read_answer, read_answers
from directory.models import Answer, Certificate, Change, DirectoryEvent, Level, Mailbox, Source
from directory.publishing import MOST_PUBLISHED, hide, publish, revoke
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from tests.directory.conftest import Publisher
from tests.pki import Authority, Usage

pytestmark = pytest.mark.django_db
OPERATOR = "user:operator"


def entry(authority: Authority, email: str, kind: str = "p256", usage: Usage = Usage.DUAL, **facts: Any) -> Entry:
    given = {name: facts.pop(name) for name in ("level", "trust", "chain") if name in facts}
    return Entry(EmailAddress.parse(email), parse_certificate(authority.leaf(email, kind, usage, **facts).der), **given)


def publish_new(entries: list[Entry], at: datetime) -> bulk_publishing.Published:
    return bulk_publishing.publish_new(entries, source=Source.IMPORTED, actor=OPERATOR, at=at)


def row(of: object, *without: str) -> dict[str, object]:
    kept = {name: value for name, value in vars(of).items() if not name.startswith("_") and name not in {"id", "mailbox_id", "mailbox", *without}}
    return {name: bytes(value) if isinstance(value, memoryview) else value for name, value in kept.items()}


@pytest.mark.parametrize("usage", list(Usage))
@pytest.mark.parametrize("level", [Level.EXTERNAL, Level.V3])
def test_it_leaves_the_rows_that_publish_leaves(authority: Authority, at: datetime, usage: Usage, level: Level) -> None:
    facts: dict[str, Any] = {"level": level, "trust": "verified", "chain": tuple(authority.chain)}
    new = entry(authority, "Alice@example.com", "rsa2048", usage, organization="Bank AG", **facts)
    left: list[list[dict[str, object]]] = []
    for bulk in (True, False):
        with transaction.atomic():
            if bulk:
                assert publish_new([new], at) == ([0], [], [])
            else:
                publish(address=new.address, parsed=new.parsed, source=Source.IMPORTED, actor=OPERATOR, at=at, **facts)
            certificate = Certificate.objects.get()
            answers = [row(answer, "certificates") for answer in Answer.objects.all()]
            assert [answer.certificates for answer in Answer.objects.all()] == [[certificate.pk] if usage is not Usage.SIGN else []][: len(answers)]
            left.append([row(Mailbox.objects.get()), row(certificate), *answers, row(Change.objects.get()), row(DirectoryEvent.objects.get())])
            transaction.set_rollback(True)
    assert left[0] == left[1]


def test_it_answers_at_once(authority: Authority, at: datetime) -> None:
    entries = [entry(authority, f"c{number}@example.com") for number in range(3)] + [entry(authority, "c1@example.com", days=(-2, 400))]
    assert publish_new(entries, at).done == [0, 1, 2, 3]
    found = read_answers([each.address for each in entries], at=at)
    assert all(octets.startswith(FOUND) for octets in found)
    assert found[1].count(b'"der":"') == 2
    later = read_answer(entries[1].address, at=at + timedelta(days=366))
    assert later.found  # past the first one's end, by the second one's


def test_it_leaves_mailboxes_that_are_there(authority: Authority, published: Publisher, at: datetime) -> None:
    """Among them one that its owner hid, and which stays without an answer."""
    hide(mailbox=published("bob@example.com").mailbox, actor="user:bob", at=at)
    entries = [entry(authority, "alice@example.com"), entry(authority, "Bob@example.com")]
    assert publish_new(entries, at) == ([0], [1], [])
    assert not read_answer(entries[1].address, at=at).found


def test_it_leaves_a_certificate_that_is_known_under_another_mailbox(published: Publisher, at: datetime) -> None:
    """Charlie's was revoked, and a file that gives it to somebody else does not bring it back."""
    known = published("charlie@example.com")
    revoke(certificate=known, reason="keyCompromise", actor="user:charlie", at=at)
    again = Entry(EmailAddress.parse("new@example.com"), parse_certificate(bytes(known.der)))
    assert publish_new([again], at) == ([], [0], [])
    assert not Mailbox.objects.filter(match="new@example.com").exists()


def test_it_keeps_to_the_most_of_a_mailbox(authority: Authority, at: datetime) -> None:
    found = publish_new([entry(authority, "alice@example.com") for _ in range(MOST_PUBLISHED + 1)], at)
    assert (len(found.done), [place for place, _error in found.refused]) == (MOST_PUBLISHED, [MOST_PUBLISHED])
    assert Certificate.objects.count() == MOST_PUBLISHED


def test_an_identical_second_run_leaves_everything(authority: Authority, at: datetime) -> None:
    entries = [entry(authority, f"c{number}@example.com") for number in range(3)]
    publish_new(entries, at)
    assert publish_new(entries, at) == ([], [0, 1, 2], [])
