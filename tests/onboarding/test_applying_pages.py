"""The applicant's pages, walked as a browser does: from nothing to a decision, in both languages; Charlie sees none of it."""

from collections.abc import Callable

import pytest
from django.test import Client

from onboarding import applying, workflow
from onboarding.applications import Application
from onboarding.people.models import User
from onboarding.states import Status
from portal.running.nameserver import Zone
from tests.onboarding.conftest import ANSWERS, MONDAY
from tests.onboarding.test_evidence import PNG, upload

PARTS = {
    "organisation": ("legal_name", "country", "region", "scheme", "register_number", "address", "website", "time_zone"),
    "sending": ("domain", "sending_address"),
    "contact": ("contact_name", "contact_role", "contact_phone"),
}
PAGES = ("", "organisation/", "sending/", "contact/", "domain/", "evidence/", "check/", "withdraw/")


def test_it_is_filled_in_proven_and_sent(alice: User, enter: Callable[..., Client], zone: Zone) -> None:
    client = enter(alice)
    here = client.post("/apply/").headers["Location"]
    assert client.post("/apply/").headers["Location"] == here, "a draft is gone on with"
    for part, fields in PARTS.items():
        assert client.get(f"{here}{part}/").status_code == 200
        answer = client.post(f"{here}{part}/", {name: ANSWERS[name] for name in fields})
        assert answer.status_code == 302, answer.context and answer.context["form"].errors
    application = Application.objects.get()
    page = client.get(f"{here}domain/")
    assert application.dns_value.encode() in page.content
    assert b"_letterlock.bank.example.com" in page.content
    refused = client.post(f"{here}domain/", follow=True)
    assert b"Not seen yet" in refused.content
    assert client.get(f"{here}check/", follow=True).request["PATH_INFO"] == here, "nothing is sent while a part is missing"
    zone.add(application.record_name, "TXT", application.dns_value)
    assert client.post(f"{here}domain/").headers["Location"] == here
    upload(client, application, PNG)
    checked = client.get(f"{here}check/")
    for stated in ("Lindenhain Bank AG", "NTRDE-DER3306.HRB12345", "bank.example.com", "Alice Okafor", "scan.png"):
        assert stated in checked.content.decode(), stated
    assert client.post(f"{here}check/", {}).status_code == 422
    assert client.post(f"{here}check/", {"agree": "on"}).headers["Location"] == here
    application.refresh_from_db()
    assert application.status == Status.SUBMITTED
    status = client.get(here)
    assert b"Two reviewers decide by" in status.content
    assert b"Europe/Berlin" in status.content


@pytest.mark.parametrize("domain", ["co.uk", "CO.UK.", "com.cn", "公司.cn"])
def test_it_takes_no_domain_under_which_everybody_registers(alice: User, enter: Callable[..., Client], domain: str) -> None:
    client = enter(alice)
    here = client.post("/apply/").headers["Location"]
    page = client.post(f"{here}sending/", {"domain": domain, "sending_address": f"bills@{domain}"})
    assert page.status_code == 422
    assert page.context["form"].has_error("domain", "public_suffix")


def test_it_keeps_what_was_typed_beside_what_is_wrong(alice: User, enter: Callable[..., Client]) -> None:
    client = enter(alice)
    here = client.post("/apply/").headers["Location"]
    page = client.post(f"{here}organisation/", {**ANSWERS, "register_number": "HRB1"})
    assert page.status_code == 422
    assert b"Lindenhain Bank AG" in page.content
    assert b"DER3306.HRB12345" in page.content, "the message shows what it should look like"
    assert Application.objects.get().legal_name == ""


def test_it_is_given_up_by_post_alone(sent: Application, alice: User, enter: Callable[..., Client]) -> None:
    client = enter(alice)
    assert client.get(f"/apply/{sent.pk}/withdraw/").status_code == 200
    sent.refresh_from_db()
    assert sent.status == Status.SUBMITTED
    client.post(f"/apply/{sent.pk}/withdraw/")
    sent.refresh_from_db()
    assert sent.status == Status.WITHDRAWN
    assert client.get(f"/apply/{sent.pk}/").status_code == 200
    assert client.post(f"/apply/{sent.pk}/withdraw/", follow=True).status_code == 200


def test_it_answers_what_is_asked(sent: Application, alice: User, ruth: User, enter: Callable[..., Client]) -> None:
    workflow.claim(sent, actor=ruth, at=MONDAY)
    workflow.request_information(sent, version=sent.version, question="Which name <b>exactly</b>?", actor=ruth, at=MONDAY)
    client = enter(alice)
    page = client.get(f"/apply/{sent.pk}/")
    assert b"Which name &lt;b&gt;exactly&lt;/b&gt;?" in page.content
    assert client.post(f"/apply/{sent.pk}/answer/", {"answer": " "}, follow=True).status_code == 200
    client.post(f"/apply/{sent.pk}/organisation/", {**ANSWERS, "legal_name": "Lindenhain Bank Aktiengesellschaft"})
    client.post(f"/apply/{sent.pk}/answer/", {"answer": "The long one."})
    sent.refresh_from_db()
    assert (sent.status, sent.legal_name, sent.round) == (Status.SUBMITTED, "Lindenhain Bank Aktiengesellschaft", 2)
    assert client.post(f"/apply/{sent.pk}/answer/", {"answer": "Once more."}).status_code == 404


def test_it_is_closed_while_reviewers_have_it(sent: Application, alice: User, enter: Callable[..., Client]) -> None:
    client = enter(alice)
    for page in ("organisation/", "sending/", "contact/", "domain/", "evidence/"):
        assert client.get(f"/apply/{sent.pk}/{page}").status_code == 404
        assert client.post(f"/apply/{sent.pk}/{page}", ANSWERS).status_code == 404
    sent.refresh_from_db()
    assert sent.version == 1


def test_it_shows_an_applicant_no_name_of_a_reviewer(sent: Application, alice: User, ruth: User, tomas: User, enter: Callable[..., Client]) -> None:
    workflow.claim(sent, actor=ruth, at=MONDAY)
    workflow.approve(sent, version=sent.version, reason="looks odd to me", actor=ruth, at=MONDAY)
    workflow.claim(sent, actor=tomas, at=MONDAY)
    workflow.reject(sent, version=sent.version, reason="The register has another name.", actor=tomas, at=MONDAY)
    page = enter(alice).get(f"/apply/{sent.pk}/").content
    assert b"The register has another name." in page
    for hidden in (b"Ruth", b"Tomas", b"looks odd"):
        assert hidden not in page


@pytest.mark.parametrize("state", ["draft", "sent"])
def test_it_does_not_exist_for_charlie(request: pytest.FixtureRequest, charlie: User, ruth: User, enter: Callable[..., Client], state: str) -> None:
    application = request.getfixturevalue(state)
    for stranger in (charlie, ruth):
        client = enter(stranger)
        for page in (*PAGES, "answer/"):
            method = client.post if page == "answer/" else client.get
            assert method(f"/apply/{application.pk}/{page}").status_code == 404, page
            assert client.post(f"/apply/{application.pk}/{page}", {"agree": "on", "answer": "x"}).status_code in {404, 405}, page
        assert application.legal_name.encode() not in client.get("/apply/").content
    application.refresh_from_db()
    assert application.status == (Status.DRAFT if state == "draft" else Status.SUBMITTED)


def test_it_asks_for_sign_in_and_second_factor(draft: Application, alice: User, enter: Callable[..., Client]) -> None:
    for page in PAGES:
        address = f"/apply/{draft.pk}/{page}"
        assert Client().get(address).headers["Location"] == f"/accounts/login/?next={address}"
        assert enter(alice, second_factor=False).get(address).headers["Location"] == f"/accounts/second-factor/?next={address}"


@pytest.mark.parametrize("odd", ["not-a-uuid", "00000000-0000-4000-8000-000000000000", "../../etc/passwd"])
def test_it_is_not_found_under_odd_addresses(alice: User, enter: Callable[..., Client], odd: str) -> None:
    assert enter(alice).get(f"/apply/{odd}/").status_code == 404


def test_it_speaks_chinese(draft: Application, alice: User, enter: Callable[..., Client]) -> None:
    client = enter(alice)
    client.cookies["django_language"] = "zh-hans"
    page = client.get(f"/apply/{draft.pk}/organisation/").content.decode()
    assert "德国" in page


def test_it_counts_its_parts(alice: User, draft: Application) -> None:
    assert [part.name for part in applying.parts_of(draft) if not part.done] == []
    applying.edit(draft, changes={"domain": "other.example.com"}, actor=alice, at=MONDAY)
    domain = next(part for part in applying.parts_of(draft) if part.name == "domain")
    assert (domain.done, domain.waiting) == (False, True)
