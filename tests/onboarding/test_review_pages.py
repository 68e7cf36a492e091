"""The desk: who gets there, what stands there, what is hidden from the second look, and what is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from directory.models import Organization
from onboarding import workflow
from onboarding.applications import Application
from onboarding.checks.running import run_checks
from onboarding.people.models import StaffRole, StaffRoleName, User
from onboarding.states import Status
from portal.running.nameserver import Zone
from tests.onboarding.conftest import ANSWERS, MONDAY


def decide(client: Client, application: Application, decision: str, text: str = "", *, version: int | None = None) -> Any:
    form: dict[str, object] = {"decision": decision, "text": text, "version": application.version if version is None else version}
    return client.post(f"/review/{application.pk}/decide/", form)


@pytest.fixture
def checked(sent: Application, zone: Zone) -> Application:
    zone.add(sent.record_name, "TXT", sent.dns_value)
    run_checks(sent.pk, at=MONDAY)
    return sent


def test_it_is_reviewed_by_two_people(checked: Application, alice: User, ruth: User, tomas: User, enter: Callable[..., Client]) -> None:
    first, second = enter(ruth), enter(tomas)
    assert checked.legal_name.encode() in first.get("/review/").content
    page = first.get(f"/review/{checked.pk}/").content.decode()
    for stated in ("NTRDE-DER3306.HRB12345", "bank.example.com", "extract.pdf", "has the form of its register", "The value stands at"):
        assert stated in page, stated
    first.post(f"/review/{checked.pk}/claim/")
    assert decide(first, checked, "approve", "PRIVATE-OPINION").headers["Location"] == "/review/"
    checked.refresh_from_db()
    second.post(f"/review/{checked.pk}/claim/")
    blind = second.get(f"/review/{checked.pk}/").content
    assert b"PRIVATE-OPINION" not in blind
    assert b"hidden until you have decided" in blind
    assert b"PRIVATE-OPINION" in first.get(f"/review/{checked.pk}/").content, "one's own words are shown"
    assert decide(second, checked, "approve").headers["Location"] == "/review/"
    checked.refresh_from_db()
    assert checked.status == Status.APPROVED
    assert b"PRIVATE-OPINION" in second.get(f"/review/{checked.pk}/").content
    done = enter(alice).get(f"/apply/{checked.pk}/")
    assert str(Organization.objects.get().pk).encode() in done.content


def test_it_is_not_decided_twice_by_one_reviewer(sent: Application, ruth: User, enter: Callable[..., Client]) -> None:
    client = enter(ruth)
    client.post(f"/review/{sent.pk}/claim/")
    decide(client, sent, "approve")
    sent.refresh_from_db()
    client.post(f"/review/{sent.pk}/claim/")
    decide(client, sent, "approve")
    sent.refresh_from_db()
    assert (sent.status, sent.claimed_by) == (Status.SECOND_LOOK, None)


@pytest.mark.parametrize("form", [{}, {"decision": "approve"}, {"decision": "allow", "version": 1}, {"decision": "approve", "version": "x"},
                                  {"decision": "approve", "version": -1}, {"decision": "reject", "version": 1},
                                  {"decision": "ask", "version": 1, "text": "  "},
                                  {"decision": "ask", "version": 1, "text": "x" * 2001}])  # fmt: skip
def test_it_says_what_is_wrong_with_a_decision(sent: Application, ruth: User, enter: Callable[..., Client], form: dict[str, object]) -> None:
    client = enter(ruth)
    client.post(f"/review/{sent.pk}/claim/")
    page = client.post(f"/review/{sent.pk}/decide/", form)
    assert page.status_code == 422
    sent.refresh_from_db()
    assert sent.status == Status.SUBMITTED


@pytest.mark.parametrize(("hold", "version"), [(False, 1), (True, 0), (True, 7)])
def test_it_decides_nothing_without_a_claim_or_on_an_old_page(
    sent: Application, ruth: User, enter: Callable[..., Client], *, hold: bool, version: int
) -> None:
    client = enter(ruth)
    if hold:
        client.post(f"/review/{sent.pk}/claim/")
    decide(client, sent, "approve", version=version)
    sent.refresh_from_db()
    assert sent.status == Status.SUBMITTED


def test_it_asks_and_rejects_with_words_the_applicant_reads(sent: Application, alice: User, ruth: User, enter: Callable[..., Client]) -> None:
    client = enter(ruth)
    client.post(f"/review/{sent.pk}/claim/")
    decide(client, sent, "ask", "Which name?")
    assert b"Which name?" in enter(alice).get(f"/apply/{sent.pk}/").content
    assert b"clock stopped" in client.get("/review/?view=waiting").content


def test_it_does_not_exist_for_charlie(sent: Application, alice: User, charlie: User, enter: Callable[..., Client]) -> None:
    for stranger in (charlie, alice):
        client = enter(stranger)
        for address in ("/review/", f"/review/{sent.pk}/"):
            assert client.get(address).status_code == 404
        for verb in ("claim", "give-back", "decide"):
            assert client.post(f"/review/{sent.pk}/{verb}/", {"decision": "approve", "version": 1}).status_code == 404
    sent.refresh_from_db()
    assert (sent.status, sent.claimed_by) == (Status.SUBMITTED, None)


def test_it_refuses_reviewers_without_the_second_factor(sent: Application, ruth: User, enter: Callable[..., Client]) -> None:
    client = enter(ruth, second_factor=False)
    for address in ("/review/", f"/review/{sent.pk}/"):
        assert client.get(address).headers["Location"] == f"/accounts/second-factor/?next={address}"
    for verb in ("claim", "give-back", "decide"):
        assert client.post(f"/review/{sent.pk}/{verb}/").headers["Location"].startswith("/accounts/second-factor/")
    sent.refresh_from_db()
    assert sent.claimed_by is None


def test_it_refuses_operators_who_are_no_reviewers(sent: Application, charlie: User, enter: Callable[..., Client]) -> None:
    StaffRole.objects.create(user=charlie, role=StaffRoleName.OPERATOR)
    User.objects.filter(pk=charlie.pk).update(is_staff=True, is_superuser=True)
    assert enter(charlie).get(f"/review/{sent.pk}/").status_code == 404


def test_it_hides_an_application_from_a_reviewer_who_applied(sent: Application, alice: User, enter: Callable[..., Client]) -> None:
    StaffRole.objects.create(user=alice, role=StaffRoleName.REVIEWER)
    client = enter(alice)
    assert sent.legal_name.encode() not in client.get("/review/").content
    assert client.get(f"/review/{sent.pk}/").status_code == 404
    assert client.post(f"/review/{sent.pk}/claim/").status_code == 404


def test_it_shows_no_draft(draft: Application, ruth: User, enter: Callable[..., Client]) -> None:
    assert draft.legal_name.encode() not in enter(ruth).get("/review/").content
    assert enter(ruth).get(f"/review/{draft.pk}/").status_code == 404


def test_it_stands_by_deadline_and_is_filtered(sent: Application, charlie: User, ruth: User, enter: Callable[..., Client]) -> None:
    later = Application.objects.create(
        applicant=charlie, created_at=MONDAY, submitted_at=MONDAY, deadline_at=MONDAY + timedelta(days=3), status="submitted",
        dns_value="x", **{**ANSWERS, "legal_name": "Océane Mutuelle", "country": "FR", "domain": "oceane.example.net"},
    )  # fmt: skip
    client = enter(ruth)
    page = client.get("/review/").content.decode()
    assert page.index(sent.legal_name) < page.index(later.legal_name)
    for query, shown in (("q=oceane.example", [later]), ("country=FR", [later]), ("q=lindenhain", [sent]), ("q=nothing", []),
                         ("country=XX", [sent, later]),
                         ("view=second", []), ("view=mine", []), ("view=%00", [sent, later]), ("q=%00", [sent, later])):  # fmt: skip
        page = client.get(f"/review/?{query}").content.decode()
        assert [row for row in (sent, later) if row.legal_name in page] == shown, query


def test_it_marks_what_is_overdue(sent: Application, ruth: User, enter: Callable[..., Client]) -> None:
    Application.objects.filter(pk=sent.pk).update(deadline_at=timezone.now() - timedelta(minutes=1))
    assert b"is-late" in enter(ruth).get("/review/").content
    assert b"overdue" in enter(ruth).get(f"/review/{sent.pk}/").content


def test_it_reads_the_queue_in_a_constant_number_of_queries(
    checked: Application, charlie: User, ruth: User, enter: Callable[..., Client], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        row = Application.objects.create(
            applicant=charlie,
            created_at=MONDAY,
            submitted_at=MONDAY,
            deadline_at=MONDAY,
            status="submitted",
            dns_value="x",
            legal_name=f"Bank {number}",
        )
        checked.checks.create(application=row, check_name="domain", outcome="pass", code="value_seen", source="DNS", at=MONDAY)
    Application.objects.filter(applicant=charlie).update(claimed_by=ruth, claimed_until=timezone.now() + timedelta(minutes=5))
    client = enter(ruth)
    with django_assert_max_num_queries(12):
        assert client.get("/review/").content.count(b"Bank ") >= 30


def test_it_lets_go_of_a_claim(sent: Application, ruth: User, tomas: User, enter: Callable[..., Client]) -> None:
    workflow.claim(sent, actor=ruth, at=timezone.now())
    refused = enter(tomas).post(f"/review/{sent.pk}/claim/", follow=True)
    assert b"Another reviewer holds this application" in refused.content
    enter(tomas).post(f"/review/{sent.pk}/give-back/")
    sent.refresh_from_db()
    assert sent.claimed_by == ruth
    enter(ruth).post(f"/review/{sent.pk}/give-back/")
    sent.refresh_from_db()
    assert sent.claimed_by is None
