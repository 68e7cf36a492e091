"""Prepared answers: the same as computed ones, at every moment."""

from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

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
    shown = Certificate.objects.filter(mailbox__match=ADDRESS.match, mailbox__hidden_at=None, mailbox__erased_at=None)
    return answers.compute(list(shown.exclude(status=CertificateStatus.ERASED)), at=at).tail


STEPS = st.one_of(
    st.tuples(st.just("publish"), st.integers(-40, 0), st.integers(1, 40), st.sampled_from(list(KeyUse)), st.sampled_from(["V1", "V4", "external"])),
    st.tuples(st.sampled_from(["supersede", "revoke"]), st.integers(0, 9)),
    st.tuples(st.sampled_from(["hide", "show", "erase", "refresh"])),
)


@given(steps=st.lists(st.tuples(STEPS, st.integers(1, 40 * 24 * 60)), min_size=2, max_size=10), data=st.data())
@hypothesis_settings(
    max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_prepared_answer_is_the_computed_one_at_random_times(
    published: Publisher, at: datetime, steps: list[tuple[tuple[Any, ...], int]], data: st.DataObject
) -> None:
    """Whatever is done in whatever order: after each step the answer is asked for at every edge, beside it, and at random moments."""
    with transaction.atomic():
        moment = at
        for (step, *facts), minutes in steps:
            live = list(Certificate.objects.filter(status=CertificateStatus.PUBLISHED).order_by("pk"))
            mailbox = Mailbox.objects.filter(match=ADDRESS.match).first()
            if step == "publish":
                since, until, usage, level = facts
                published(ADDRESS.address, usage=usage, days=((moment - at).days + since, (moment - at).days + until + 1), level=level, when=moment)
            elif step in {"supersede", "revoke"} and live:
                reason = {"reason": "keyCompromise"} if step == "revoke" else {}
                getattr(publishing, step)(certificate=live[facts[0] % len(live)], actor=ALICE, at=moment, **reason)
            elif step in {"hide", "show", "erase"} and mailbox:
                getattr(publishing, step)(mailbox=mailbox, actor=ALICE, at=moment)
            elif step == "refresh":
                publishing.refresh_answers(at=moment)
            edges = {edge for pair in Certificate.objects.values_list("not_before", "not_after") for edge in pair}
            edges |= set(Answer.objects.exclude(changes_at=answers.NEVER).values_list("changes_at", flat=True))
            random = moment + timedelta(seconds=data.draw(st.integers(0, 60 * 24 * 3600)))
            asked = {when + timedelta(microseconds=shift) for when in (moment, random, *edges) for shift in (-1, 0, 1)}
            for then in sorted(when for when in asked if when >= moment):
                ready = read_answer(ADDRESS, at=then)
                assert ready.tail == read_answers([ADDRESS], at=then)[0] == computed(then), (step, then)
                assert ready.found is ready.tail.startswith(answers.FOUND)
                assert b'"der":""' not in ready.tail
                assert ready.changes_at > then
            moment += timedelta(minutes=minutes)
        transaction.set_rollback(True)


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
