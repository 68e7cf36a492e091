"""From submission to decision: four eyes, claims, versions, one transaction."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from directory.models import Organization
from mailer.models import Issuance, IssuanceStatus, Notice, SigningIdentity
from onboarding import applying, workflow
from onboarding.applications import Application, ApplicationEvent, Decision
from onboarding.applying import IncompleteError, NotAgreedError
from onboarding.moving import NotOpenError, StaleApplicationError
from onboarding.people.events import record
from onboarding.people.models import Membership, StaffRole, StaffRoleName, User
from onboarding.states import Status, WrongStateError
from onboarding.workflow import (
    AlreadyValidatedError,
    ClaimedError,
    ClaimNeededError,
    DomainUnprovenError,
    NotAReviewerError,
    OwnApplicationError,
    ReasonNeededError,
    SameReviewerError,
)
from tests.onboarding.conftest import MONDAY, person

HOUR = timedelta(hours=1)
NOON = MONDAY + 2 * HOUR


def look(application: Application, reviewer: User, reason: str = "") -> None:
    """Claim and approve."""
    workflow.claim(application, actor=reviewer, at=NOON)
    workflow.approve(application, version=application.version, reason=reason, actor=reviewer, at=NOON)


def test_it_is_due_one_working_day_after_it_was_sent(sent: Application) -> None:
    assert sent.status == Status.SUBMITTED
    assert sent.deadline_at == MONDAY + timedelta(days=1)
    assert sent.agreement_version
    assert Notice.objects.filter(kind="application_submitted").count() == 1


def test_it_is_not_sent_before_it_is_complete(draft: Application, alice: User) -> None:
    Application.objects.filter(pk=draft.pk).update(domain_proven_at=None)
    draft.evidence.all().delete()
    draft.refresh_from_db()
    with pytest.raises(IncompleteError) as caught:
        applying.submit(draft, agreed=True, actor=alice, at=MONDAY)
    assert caught.value.parts == ["domain", "evidence"]
    draft.refresh_from_db()
    assert draft.status == Status.DRAFT


def test_it_is_not_sent_without_the_agreement(draft: Application, alice: User) -> None:
    with pytest.raises(NotAgreedError):
        applying.submit(draft, agreed=False, actor=alice, at=MONDAY)


def test_it_is_sent_once(sent: Application, alice: User) -> None:
    stale = Application.objects.get(pk=sent.pk)
    stale.status, stale.version = Status.DRAFT.value, 0
    with pytest.raises(StaleApplicationError):
        applying.submit(stale, agreed=True, actor=alice, at=MONDAY)
    with pytest.raises(WrongStateError):
        applying.submit(sent, agreed=True, actor=alice, at=MONDAY)


def test_it_cannot_be_changed_while_reviewers_have_it(sent: Application, alice: User) -> None:
    with pytest.raises(NotOpenError):
        applying.edit(sent, changes={"legal_name": "Another Bank AG"}, actor=alice, at=NOON)


def test_it_needs_two_reviewers_and_makes_everything_at_once(sent: Application, alice: User, ruth: User, tomas: User) -> None:
    look(sent, ruth, reason="extract agrees")
    assert sent.status == Status.SECOND_LOOK
    assert not Organization.objects.exists()
    look(sent, tomas)
    organization = Organization.objects.get()
    assert (sent.status, sent.organization) == (Status.APPROVED, organization)
    assert organization.organization_identifier == "NTRDE-DER3306.HRB12345"
    assert Membership.objects.get(organization=organization).user == alice
    assert SigningIdentity.objects.get().address == "bills@bank.example.com"
    issuance = Issuance.objects.get()
    assert (issuance.status, issuance.certificate) == (IssuanceStatus.INTENDED, None)
    assert Notice.objects.filter(kind="application_approved").count() == 1
    moves = list(ApplicationEvent.objects.exclude(to_status="").order_by("id").values_list("action", "actor"))
    assert moves == [("submit", alice.actor), ("approve_first", ruth.actor), ("approve_second", tomas.actor)]


def test_it_is_never_approved_by_one_person(sent: Application, ruth: User) -> None:
    look(sent, ruth)
    with pytest.raises(SameReviewerError):
        workflow.claim(sent, actor=ruth, at=NOON)
    # Not even with a claim that was written past the rules.
    Application.objects.filter(pk=sent.pk).update(claimed_by=ruth, claimed_until=NOON + HOUR)
    with pytest.raises(SameReviewerError):
        workflow.approve(sent, version=sent.version, actor=ruth, at=NOON)
    assert not Organization.objects.exists()


def test_it_is_not_reviewed_by_its_applicant(sent: Application, alice: User) -> None:
    StaffRole.objects.create(user=alice, role=StaffRoleName.REVIEWER)
    with pytest.raises(OwnApplicationError):
        workflow.claim(sent, actor=alice, at=NOON)


def test_it_is_not_reviewed_by_a_colleague(sent: Application, ruth: User, tomas: User) -> None:
    look(sent, ruth)
    look(sent, tomas)
    bob = person("Bob", StaffRoleName.REVIEWER)
    Membership.objects.create(user=bob, organization=Organization.objects.get(), role="developer", created_at=NOON)
    again = applying.start(applicant=sent.applicant, at=NOON)
    Application.objects.filter(pk=again.pk).update(status=Status.SUBMITTED, domain=sent.domain)
    again.refresh_from_db()
    with pytest.raises(OwnApplicationError):
        workflow.claim(again, actor=bob, at=NOON)


def test_it_is_not_reviewed_by_charlie(sent: Application, charlie: User) -> None:
    with pytest.raises(NotAReviewerError):
        workflow.claim(sent, actor=charlie, at=NOON)
    with pytest.raises(NotAReviewerError):
        workflow.approve(sent, version=sent.version, actor=charlie, at=NOON)
    with pytest.raises(NotAReviewerError):
        workflow.reject(sent, version=sent.version, reason="no", actor=charlie, at=NOON)
    with pytest.raises(NotAReviewerError):
        workflow.request_information(sent, version=sent.version, question="?", actor=charlie, at=NOON)
    with pytest.raises(ClaimNeededError):
        workflow.give_back(sent, actor=charlie, at=NOON)
    sent.refresh_from_db()
    assert sent.status == Status.SUBMITTED


def test_it_is_held_by_one_reviewer_for_half_an_hour(sent: Application, ruth: User, tomas: User) -> None:
    workflow.claim(sent, actor=ruth, at=NOON)
    with pytest.raises(ClaimedError):
        workflow.claim(sent, actor=tomas, at=NOON + timedelta(minutes=29))
    workflow.claim(sent, actor=tomas, at=NOON + timedelta(minutes=30))
    with pytest.raises(ClaimNeededError):
        workflow.approve(sent, version=sent.version, actor=ruth, at=NOON + timedelta(minutes=31))
    workflow.give_back(sent, actor=tomas, at=NOON + timedelta(minutes=32))
    assert sent.claimed_by is None


def test_it_is_decided_only_while_held(sent: Application, ruth: User) -> None:
    workflow.claim(sent, actor=ruth, at=NOON)
    with pytest.raises(ClaimNeededError):
        workflow.approve(sent, version=sent.version, actor=ruth, at=NOON + timedelta(minutes=30))


def test_it_is_decided_as_it_was_read(sent: Application, alice: User, ruth: User) -> None:
    read = sent.version
    workflow.claim(sent, actor=ruth, at=NOON)
    workflow.request_information(sent, version=read, question="Which name?", actor=ruth, at=NOON)
    applying.edit(sent, changes={"legal_name": "Impostor Bank AG"}, actor=alice, at=NOON)
    applying.answer(sent, text="This one.", actor=alice, at=NOON)
    workflow.claim(sent, actor=ruth, at=NOON)
    with pytest.raises(StaleApplicationError):
        workflow.approve(sent, version=read, actor=ruth, at=NOON)


def test_it_stops_the_clock_while_the_applicant_is_asked(sent: Application, alice: User, ruth: User) -> None:
    workflow.claim(sent, actor=ruth, at=NOON)
    workflow.request_information(sent, version=sent.version, question="Which name?", actor=ruth, at=NOON)
    assert (sent.status, sent.claimed_by, sent.paused_at) == (Status.WAITING, None, NOON)
    applying.answer(sent, text="The long one.", actor=alice, at=NOON + timedelta(days=2))
    assert (sent.status, sent.question) == (Status.SUBMITTED, "")
    assert sent.deadline_at == MONDAY + timedelta(days=3)


def test_it_begins_both_looks_anew_after_an_answer(sent: Application, alice: User, ruth: User, tomas: User) -> None:
    look(sent, ruth)
    workflow.claim(sent, actor=tomas, at=NOON)
    workflow.request_information(sent, version=sent.version, question="Which name?", actor=tomas, at=NOON)
    applying.answer(sent, text="The long one.", actor=alice, at=NOON)
    assert (sent.status, sent.round) == (Status.SUBMITTED, 2)
    look(sent, ruth)
    assert sent.status == Status.SECOND_LOOK


def test_it_says_why_it_asks_or_rejects(sent: Application, ruth: User) -> None:
    workflow.claim(sent, actor=ruth, at=NOON)
    with pytest.raises(ReasonNeededError):
        workflow.reject(sent, version=sent.version, reason=" \n", actor=ruth, at=NOON)
    with pytest.raises(ReasonNeededError):
        workflow.request_information(sent, version=sent.version, question="", actor=ruth, at=NOON)
    workflow.reject(sent, version=sent.version, reason="The register has another name.", actor=ruth, at=NOON)
    assert sent.status == Status.REJECTED
    assert Notice.objects.filter(kind="application_rejected").exists()


def test_it_is_not_approved_on_an_old_proof_of_the_domain(sent: Application, ruth: User) -> None:
    Application.objects.filter(pk=sent.pk).update(domain_proven_at=NOON - timedelta(days=398))
    sent.refresh_from_db()
    workflow.claim(sent, actor=ruth, at=NOON)
    with pytest.raises(DomainUnprovenError):
        workflow.approve(sent, version=sent.version, actor=ruth, at=NOON)
    assert not Decision.objects.exists()


def test_it_leaves_nothing_behind_when_the_organisation_exists_already(sent: Application, charlie: User, ruth: User, tomas: User) -> None:
    look(sent, ruth)
    look(sent, tomas)
    again = applying.start(applicant=charlie, at=NOON)
    copied = {name: getattr(sent, name) for names in applying.REQUIRED.values() for name in names}
    Application.objects.filter(pk=again.pk).update(
        **copied, register_number=sent.register_number, status=Status.SUBMITTED, submitted_at=NOON, domain_proven_at=NOON
    )
    again.refresh_from_db()
    look(again, ruth)
    workflow.claim(again, actor=tomas, at=NOON)
    with pytest.raises(AlreadyValidatedError):
        workflow.approve(again, version=again.version, actor=tomas, at=NOON)
    again.refresh_from_db()
    assert again.status == Status.SECOND_LOOK
    assert Organization.objects.count() == Issuance.objects.count() == Membership.objects.count() == 1
    assert again.decisions.count() == 1


def test_it_deletes_documents_when_withdrawn(sent: Application, alice: User) -> None:
    applying.withdraw(sent, actor=alice, at=NOON)
    assert (sent.status, sent.evidence.count()) == (Status.WITHDRAWN, 0)
    with pytest.raises(WrongStateError):
        applying.withdraw(sent, actor=alice, at=NOON)


def test_it_keeps_one_draft_a_person(alice: User, draft: Application) -> None:
    assert applying.start(applicant=alice, at=NOON).pk == draft.pk


@pytest.mark.parametrize("table", ["onboarding_applicationevent", "onboarding_decision", "onboarding_personevent"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = now()", "DELETE FROM {}"])
def test_it_keeps_its_log_from_change(sent: Application, ruth: User, table: str, statement: str) -> None:
    look(sent, ruth)
    record(user=ruth, verb="signed_in", actor=ruth.actor, at=NOON)
    with pytest.raises(DatabaseError, match="only grows"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))


def race(*acts: Callable[[], None]) -> list[type[Exception]]:
    """Run at once, each on a connection of its own; the kinds of error that were raised."""
    start = threading.Barrier(len(acts))
    raised: list[type[Exception]] = []

    def run(act: Callable[[], None]) -> None:
        start.wait()
        try:
            act()
        except (workflow.ReviewError, StaleApplicationError) as error:
            raised.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.django_db(transaction=True)
def test_it_lets_one_of_two_racing_claims_win(sent: Application, ruth: User, tomas: User) -> None:
    copies = [Application.objects.get(pk=sent.pk) for _ in range(2)]
    raised = race(
        lambda: workflow.claim(copies[0], actor=ruth, at=NOON),
        lambda: workflow.claim(copies[1], actor=tomas, at=NOON),
    )
    assert raised == [ClaimedError]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("stage", ["first", "second"])
def test_it_counts_one_of_two_racing_approvals(sent: Application, ruth: User, stage: str) -> None:
    """One reviewer presses twice, or the claim passed between two: one approval counts, and never as both looks."""
    if stage == "second":
        look(sent, person("Mei", StaffRoleName.REVIEWER))
    workflow.claim(sent, actor=ruth, at=NOON)
    copies = [Application.objects.get(pk=sent.pk) for _ in range(2)]
    raised = race(*(lambda copy=copy: workflow.approve(copy, version=copy.version, actor=ruth, at=NOON) for copy in copies))
    assert raised == [StaleApplicationError]
    sent.refresh_from_db()
    assert sent.status == (Status.SECOND_LOOK if stage == "first" else Status.APPROVED)
    assert Decision.objects.filter(reviewer=ruth).count() == 1
    assert Organization.objects.count() == Issuance.objects.count() == (0 if stage == "first" else 1)


@pytest.mark.django_db(transaction=True)
def test_it_takes_either_an_approval_or_a_withdrawal(sent: Application, alice: User, ruth: User, tomas: User) -> None:
    look(sent, ruth)
    workflow.claim(sent, actor=tomas, at=NOON)
    copies = [Application.objects.get(pk=sent.pk) for _ in range(2)]
    raised = race(
        lambda: workflow.approve(copies[0], version=copies[0].version, actor=tomas, at=NOON),
        lambda: applying.withdraw(copies[1], actor=alice, at=NOON),
    )
    assert raised == [StaleApplicationError]
    sent.refresh_from_db()
    assert (sent.status == Status.APPROVED) == Organization.objects.exists()
