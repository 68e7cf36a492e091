"""Prepared answers: the same as computed ones, at every moment."""

import random
from datetime import datetime, timedelta

import orjson
import pytest
from django.db import connection

from directory import answers, publishing
from directory.lookup import look_up, read_answer, read_answers
from directory.models import Answer, Certificate, CertificateStatus, Mailbox
from directory.selection import Usage, select
from directory.x509.names import EmailAddress
from tests.directory.conftest import ALICE, CHARLIE, Publisher
from tests.pki import Usage as KeyUse

ADDRESS = EmailAddress.parse("alice@example.com")
CHARLIES = EmailAddress.parse("charlie@example.com")


def computed(at: datetime) -> bytes:
    """The answer by the plain way: every certificate is read and judged."""
    rows = [] if Mailbox.objects.filter(hidden_at__isnull=False).exists() else list(Certificate.objects.filter(mailbox__match=ADDRESS.match))
    return answers.compute(rows, at=at).tail


@pytest.mark.parametrize("seed", range(6))
def test_a_prepared_answer_is_the_computed_one_at_random_times(published: Publisher, at: datetime, seed: int) -> None:
    """Certificates come and go in a random order; after each step the answer is asked for at moments around every edge."""
    chance = random.Random(seed)
    moment = at
    for _ in range(6):
        step = chance.choice(("publish", "publish", "publish", "supersede", "revoke", "hide", "show", "refresh"))
        live = list(Certificate.objects.filter(status=CertificateStatus.PUBLISHED))
        mailbox = Mailbox.objects.first()
        if step == "publish":
            days = (chance.randrange(-40, 1), chance.randrange(1, 40))
            published(ADDRESS.address, usage=chance.choice(list(KeyUse)), days=days, level=chance.choice(("V1", "V4", "external")), when=at)
        elif step in {"supersede", "revoke"} and live:
            reason = {"reason": "keyCompromise"} if step == "revoke" else {}
            getattr(publishing, step)(certificate=chance.choice(live), actor=ALICE, at=moment, **reason)
        elif step in {"hide", "show"} and mailbox:
            getattr(publishing, step)(mailbox=mailbox, actor=ALICE, at=moment)
        elif step == "refresh":
            publishing.refresh_answers(at=moment)
        edges = [edge for pair in Certificate.objects.values_list("not_before", "not_after") for edge in pair if edge >= moment]
        asked = [moment, *edges, *(moment + timedelta(hours=chance.randrange(1000)) for _ in range(5))]
        for when in asked:
            for shift in (-1, 0, 1):
                if (then := when + timedelta(seconds=shift)) >= moment:
                    assert read_answers([ADDRESS], at=then)[0] == computed(then), (step, then)
        moment += timedelta(minutes=chance.randrange(1, 300))


def test_a_look_up_is_one_query_and_does_not_parse(published: Publisher, at: datetime) -> None:
    published(ADDRESS.address)
    statements: list[str] = []

    def watch(execute: object, sql: str, *rest: object) -> object:
        statements.append(sql)
        return execute(sql, *rest)  # type: ignore[operator]

    with connection.execute_wrapper(watch):
        read_answers([ADDRESS, CHARLIES], at=at)
    assert statements == []  # nothing beside the one prepared read, which goes past Django


def test_past_its_change_an_answer_is_computed_afresh_and_refreshed(published: Publisher, at: datetime) -> None:
    first = published(ADDRESS.address, days=(-5, 10))
    later = published(ADDRESS.address, "rsa2048", days=(-1, 20))
    publishing.refresh_answers(at=at)
    assert Answer.objects.get().changes_at == first.not_after
    then = first.not_after + timedelta(seconds=1)
    ready = read_answers([ADDRESS], at=then)[0]
    assert [entry["fingerprint"] for entry in orjson.loads(b"{" + ready)["certificates"]] == [later.fingerprint]
    assert publishing.refresh_answers(at=then) == 1
    assert Answer.objects.get().changes_at == later.not_after
    assert publishing.refresh_answers(at=later.not_after) == 1
    assert not Answer.objects.exists()


def test_an_answer_whose_mailbox_is_gone_goes_too(published: Publisher) -> None:
    certificate = published(ADDRESS.address)
    Mailbox.objects.all().delete()
    assert Answer.objects.exists()
    assert publishing.refresh_answers(at=certificate.not_after) == 1
    assert not Answer.objects.exists()


def test_a_certificate_that_is_valid_only_later_is_found_from_then_on(published: Publisher, at: datetime, authority: object) -> None:
    """Its clock may run ahead of ours by a little: publishing refuses more, so the row is set by hand."""
    del authority
    certificate = published(ADDRESS.address)
    begins = at + timedelta(days=1)
    Certificate.objects.update(not_before=begins)
    answers.prepare(certificate.mailbox, at=at)
    row = Answer.objects.get()
    assert (row.found, row.changes_at) == (False, begins)
    assert read_answers([ADDRESS], at=at)[0] == answers.NONE.tail
    assert read_answer(ADDRESS, at=begins).found


def test_none_and_hidden_are_the_same_bytes(published: Publisher, at: datetime) -> None:
    certificate = published(ADDRESS.address)
    publishing.hide(mailbox=certificate.mailbox, actor=ALICE, at=at)
    hidden, unknown = read_answers([ADDRESS, CHARLIES], at=at)
    assert hidden == unknown == answers.NONE.tail


def test_charlies_answer_is_not_changed_by_alices(published: Publisher, at: datetime) -> None:
    published(CHARLIES.address, actor=CHARLIE)
    before = Answer.objects.get(match=CHARLIES.match)
    certificate = published(ADDRESS.address)
    publishing.revoke(certificate=certificate, reason="keyCompromise", actor=ALICE, at=at)
    after = Answer.objects.get()
    assert (after.match, bytes(after.json), after.certificates, after.etag) == (before.match, bytes(before.json), before.certificates, before.etag)


def test_the_answer_has_the_shape_that_was_promised(published: Publisher, at: datetime) -> None:
    rsa, ec = published(ADDRESS.address, "rsa2048", level="V1", days=(-2, 365)), published(ADDRESS.address, "p256", KeyUse.ENCRYPT, level="external")
    found = orjson.loads(b"{" + read_answers([ADDRESS], at=at)[0])
    assert found["status"] == "found"
    assert [entry["fingerprint"] for entry in found["certificates"]] == [rsa.fingerprint, ec.fingerprint]
    assert found["certificates"][0] == {
        "fingerprint": rsa.fingerprint,
        "usage": ["encrypt", "sign"],
        "level": "V1",
        "identity": {"name": None, "organization": None, "organization_id": None, "country": None},
        "issuer": "CN=Test S/MIME CA,O=Test Authority,C=DE",
        "source": "uploaded",
        "key": {"type": "RSA", "bits": 2048},
        "not_before": rsa.not_before.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "not_after": rsa.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "selected": True,
        "der": found["certificates"][0]["der"],
    }
    assert found["certificates"][1]["key"] == {"type": "EC", "curve": "P-256"}
    assert found["certificates"][1]["usage"] == ["encrypt"]
    assert found["certificates"][1]["selected"] is False


def test_reading_agrees_with_looking_up(published: Publisher, at: datetime) -> None:
    published(ADDRESS.address)
    found = look_up([ADDRESS], usage=Usage.ENCRYPT, at=at)[0]
    assert found.selection == select(Certificate.objects.all(), usage=Usage.ENCRYPT, at=at)
    assert answers.render(found.selection, changes_at=found.changes_at) == read_answer(ADDRESS, at=at)
