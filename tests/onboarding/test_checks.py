"""What the machine finds out, and that it decides nothing."""

from datetime import timedelta

import pytest
from celery import Celery
from django.conf import settings
from kombu.exceptions import OperationalError
from pytest_django import Settings

from onboarding import applying, evidence, workflow
from onboarding.applications import Application, CheckOutcome, CheckResult, Evidence
from onboarding.checks import words
from onboarding.checks.documents import DocumentsCheck
from onboarding.checks.domain import look
from onboarding.checks.duplicates import DuplicatesCheck
from onboarding.checks.mail_providers import is_public_mail
from onboarding.checks.register import RegisterCheck
from onboarding.checks.running import CHECKS, latest_results, run_checks, unchecked
from onboarding.people.models import User
from onboarding.states import Status
from portal.running.nameserver import Zone
from tests.onboarding.conftest import ANSWERS, MONDAY
from tests.onboarding.files import PDF

NAME, VALUE = "_letterlock.bank.example.com", "letterlock-verify=abc"


def test_it_sees_the_value_in_the_dns(zone: Zone) -> None:
    zone.add(NAME, "TXT", "v=spf1 -all")
    zone.add(NAME, "TXT", VALUE)
    finding = look("bank.example.com", NAME, VALUE)
    assert (finding.outcome, finding.code) == (CheckOutcome.PASS, "value_seen")


def test_it_tells_a_missing_record_from_a_wrong_one_and_from_a_missing_domain(zone: Zone) -> None:
    assert look("bank.example.com", NAME, VALUE).code == "name_unknown"
    zone.add("bank.example.com", "A", "192.0.2.1")
    assert look("bank.example.com", NAME, VALUE).code == "value_missing"
    zone.add(NAME, "TXT", VALUE + "x")
    assert look("bank.example.com", NAME, VALUE).code == "value_differs"
    zone.add("other.example.com", "TXT", VALUE)
    assert look("bank.example.com", NAME, VALUE).outcome == CheckOutcome.FAIL


def test_it_counts_no_answer_as_no_pass(settings: Settings) -> None:
    settings.LETTERLOCK_DNS = "127.0.0.1:9"
    finding = look("bank.example.com", NAME, VALUE)
    assert (finding.outcome, finding.code) == (CheckOutcome.FAIL, "no_answer")


def test_it_proves_nothing_at_a_provider_of_mailboxes(zone: Zone) -> None:
    zone.add("_letterlock.gmail.com", "TXT", VALUE)
    assert look("gmail.com", "_letterlock.gmail.com", VALUE).code == "public_mail"
    assert is_public_mail("sub.GMAIL.com")
    assert not is_public_mail("notgmail.com")


@pytest.mark.django_db
def test_it_proves_the_domain_that_was_asked_for(draft: Application, alice: User, zone: Zone) -> None:
    applying.edit(draft, changes={"domain": "letters.bank.example.com"}, actor=alice, at=MONDAY)
    assert draft.domain_proven_at is None
    zone.add(NAME, "TXT", draft.dns_value)
    assert applying.prove_domain(draft, actor=alice.actor, at=MONDAY).outcome == CheckOutcome.FAIL
    zone.add(draft.record_name, "TXT", draft.dns_value)
    assert applying.prove_domain(draft, actor=alice.actor, at=MONDAY).outcome == CheckOutcome.PASS
    assert draft.domain_proven_at == MONDAY
    # What is proven stays so while other answers change.
    applying.edit(draft, changes={"contact_name": "Bob"}, actor=alice, at=MONDAY)
    assert draft.domain_proven_at == MONDAY


@pytest.mark.django_db
def test_it_takes_no_value_of_charlie(draft: Application, alice: User, charlie: User, zone: Zone) -> None:
    others = applying.start(applicant=charlie, at=MONDAY)
    assert others.dns_value != draft.dns_value
    Application.objects.filter(pk=draft.pk).update(domain_proven_at=None)
    draft.refresh_from_db()
    zone.add(draft.record_name, "TXT", others.dns_value)
    assert applying.prove_domain(draft, actor=alice.actor, at=MONDAY).outcome == CheckOutcome.FAIL
    assert draft.domain_proven_at is None


@pytest.mark.django_db
def test_it_keeps_every_result_and_changes_no_status(sent: Application, zone: Zone) -> None:
    run_checks(sent.pk, at=MONDAY)
    zone.add(sent.record_name, "TXT", sent.dns_value)
    run_checks(sent.pk, at=MONDAY)
    assert CheckResult.objects.filter(application=sent).count() == 2 * len(CHECKS)
    assert {result.check_name: result.outcome for result in latest_results(sent)} == dict.fromkeys(
        ["register", "duplicates", "domain", "documents"], CheckOutcome.PASS
    )
    sent.refresh_from_db()
    assert sent.status == Status.SUBMITTED


@pytest.mark.django_db
def test_it_finds_what_waits_for_its_checks(sent: Application, alice: User, ruth: User, zone: Zone) -> None:
    zone.add(sent.record_name, "TXT", sent.dns_value)
    applying.prove_domain(sent, actor=alice.actor, at=MONDAY + timedelta(minutes=1))
    assert unchecked() == [sent.pk], "what the applicant asked the DNS is not all"
    run_checks(sent.pk, at=MONDAY + timedelta(minutes=2))
    assert unchecked() == []
    workflow.claim(sent, actor=ruth, at=MONDAY)
    workflow.request_information(sent, version=sent.version, question="Which?", actor=ruth, at=MONDAY + timedelta(minutes=10))
    assert unchecked() == []
    applying.answer(sent, text="This one.", actor=alice, at=MONDAY + timedelta(hours=2))
    assert unchecked() == [sent.pk]


@pytest.mark.django_db(transaction=True)
def test_it_takes_an_application_while_redis_is_down(draft: Application, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OperationalError

    monkeypatch.setattr(Celery, "send_task", refuse)
    applying.submit(draft, agreed=True, actor=alice, at=MONDAY)
    assert unchecked() == [draft.pk]
    assert "onboarding.tasks.check_waiting" in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scheme", "country", "number", "outcome"),
    [
        ("NTR", "DE", "DER3306.HRB12345", CheckOutcome.PASS),
        ("NTR", "GH", "CS123456789", CheckOutcome.LOOK),
        ("LEI", "DE", "5493001KJTIIGC8Y1R12", CheckOutcome.LOOK),
        ("GOV", "DE", "", CheckOutcome.LOOK),
        ("NTR", "GB", "1", CheckOutcome.FAIL),
    ],
)
def test_it_leaves_to_people_what_a_checksum_cannot_say(scheme: str, country: str, number: str, outcome: CheckOutcome) -> None:
    claim = Application(scheme=scheme, country=country, register_number=number)
    assert RegisterCheck().run(claim, at=MONDAY).outcome == outcome


@pytest.mark.django_db
def test_it_finds_duplicates_by_number_and_not_by_name(sent: Application, charlie: User) -> None:
    assert DuplicatesCheck().run(sent, at=MONDAY).code == "no_duplicate"
    same = Application.objects.create(applicant=charlie, created_at=MONDAY, dns_value="x", status="submitted", **{**ANSWERS, "legal_name": "Other"})
    assert DuplicatesCheck().run(sent, at=MONDAY).code == "also_applied"
    Application.objects.filter(pk=same.pk).update(register_number="DER3306.HRB54321", legal_name=sent.legal_name)
    assert DuplicatesCheck().run(sent, at=MONDAY).code == "no_duplicate"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("inside", "code"),
    [(b"", "documents_plain"), (b"/OpenAction<</S/JavaScript/JS(app.alert(1))>>", "documents_active"), (b"/Encrypt 5 0 R", "documents_locked")],
)
def test_it_looks_into_documents(draft: Application, alice: User, inside: bytes, code: str) -> None:
    Evidence.objects.filter(application=draft).delete()
    assert DocumentsCheck().run(draft, at=MONDAY).code == "documents_missing"
    evidence.add(draft, filename="a.pdf", content=PDF.replace(b"/Catalog", b"/Catalog" + inside), actor=alice, at=MONDAY)
    assert DocumentsCheck().run(draft, at=MONDAY).code == code


def test_it_has_words_for_what_it_finds() -> None:
    facts = {"name": "n", "domain": "d", "identifier": "i", "files": "f"}
    for code in words.FINDINGS:
        assert words.say(code, facts)
        assert "%" not in words.say(code, facts)
    assert set(words.NAMES) == {check.name for check in CHECKS}
