"""The administration: every table, no secrets, nothing edited; actions call the verbs; only staff with the second factor."""

from datetime import datetime

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import BinaryField, Model
from django.test import Client
from django.urls import reverse

from directory.administration import SECRET_FIELDS
from directory.models import ApiToken, Certificate, CertificateStatus, DirectoryEvent, Mailbox, Organization, OrganizationStatus
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer.forgetting import is_erased
from mailer.models import ErasedAddress, Issuance, IssuanceStatus, Message, MessageStatus, Replacement, ReplacementStatus
from mailer.replacing import publish_or_wait
from onboarding.models import StaffRole, StaffRoleName, User
from tests.pki import Authority
from tests.portal.conftest import Letter, Published
from tests.portal.people import Cast, Person

FAY = "fay@example.com"
OURS = [model for app in ("directory", "mailer", "onboarding") for model in apps.get_app_config(app).get_models()]


def listing(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture
def operator(cast: Cast) -> Client:
    return cast.client(Person.OPERATOR)


def test_it_has_every_table_of_ours_and_no_other() -> None:
    assert set(admin.site._registry) == set(OURS)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_it_lists_every_table_and_edits_none(operator: Client, letter: Letter, model: type[Model]) -> None:
    letter(status=MessageStatus.HELD)
    page = operator.get(listing(model))
    assert page.status_code == 200
    assert "addlink" not in page.text
    assert operator.get(listing(model) + "add/").status_code == 404
    shown = admin.site._registry[model]
    columns = set(shown.get_fields(page.wsgi_request))
    assert not columns & SECRET_FIELDS
    assert not columns & {field.name for field in model._meta.get_fields() if isinstance(field, BinaryField)}
    row = model._default_manager.first()
    if row is not None:
        change = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
        assert operator.get(change).status_code == 200
        assert operator.post(change, {}).status_code == 403
        for verb in ("delete", "history"):
            assert operator.post(change.removesuffix("change/") + f"{verb}/", {"post": "yes"}).status_code == 404


def test_it_leads_to_no_row_elsewhere(operator: Client) -> None:
    assert operator.get("/admin/r/1/1/").status_code == 404


def test_it_offers_the_desk_to_reviewers_alone(operator: Client, cast: Cast) -> None:
    assert reverse("review-queue") not in operator.get("/admin/").text
    StaffRole.objects.create(user=cast.people[Person.OPERATOR], role=StaffRoleName.REVIEWER)
    assert reverse("review-queue") in operator.get("/admin/").text


def test_it_shows_no_password_hash_and_no_digest(operator: Client, cast: Cast) -> None:
    user = cast.people[Person.OWNER]
    user.set_password("correct horse battery staple")
    user.save()
    page = operator.get(reverse("admin:onboarding_user_change", args=[user.pk])).text
    assert user.email in page
    assert user.password not in page
    token = operator.get(reverse("admin:directory_apitoken_change", args=[cast.token.pk])).text
    assert cast.token.prefix in token
    assert cast.token.digest not in token


def act(client: Client, model: type[Model], action: str, *rows: object, reason: str = "") -> str:
    return client.post(listing(model), {"action": action, "_selected_action": rows, "reason": reason, "index": 0}, follow=True).text


def test_an_operator_suspends_and_reinstates_with_a_reason(operator: Client, cast: Cast) -> None:
    organization, actor = cast.organization, cast.people[Person.OPERATOR].actor
    assert "Type the reason" in act(operator, Organization, "suspend", organization.pk)
    organization.refresh_from_db()
    assert organization.status == OrganizationStatus.ACTIVE
    act(operator, Organization, "suspend", organization.pk, reason="court order")
    organization.refresh_from_db()
    assert organization.status == OrganizationStatus.SUSPENDED
    event = DirectoryEvent.objects.latest("id")
    assert (event.actor, event.detail) == (actor, {"reason": "court order"})
    assert "This can no longer be done" in act(operator, Organization, "suspend", organization.pk, reason="again")
    act(operator, Organization, "reinstate", organization.pk, reason="lifted")
    organization.refresh_from_db()
    assert organization.status == OrganizationStatus.ACTIVE


def test_an_operator_revokes_a_token_and_takes_certificates_out(operator: Client, cast: Cast, published: Published) -> None:
    act(operator, ApiToken, "revoke", cast.token.pk)
    cast.token.refresh_from_db()
    assert cast.token.revoked_at is not None
    first, second = published("dora@example.com"), published("emil@example.com", key="rsa2048")
    act(operator, Certificate, "withdraw", first.pk)
    act(operator, Mailbox, "hide", second.mailbox.pk)
    for row in (first, second):
        row.refresh_from_db()
        row.mailbox.refresh_from_db()
    assert first.status == CertificateStatus.REVOKED
    assert second.mailbox.hidden_at is not None


def test_an_operator_erases_a_mailbox_and_all_that_leads_into_it(operator: Client, cast: Cast, published: Published, now: datetime) -> None:
    """What waits to replace it is stopped, and it is neither collected nor imported again."""
    certificate, other = published(FAY), published("dora@example.com", key="rsa2048")
    new = parse_certificate(Authority().leaf(FAY, "p384").der)
    waits = publish_or_wait(address=EmailAddress.parse(FAY), parsed=new, level="external", source="uploaded", actor="user:test", at=now)
    assert isinstance(waits, Replacement)
    assert "Done for 1 row" in act(operator, Mailbox, "erase", certificate.mailbox.pk)
    for row in (certificate, other, waits):
        row.refresh_from_db()
    assert (certificate.status, other.status) == (CertificateStatus.ERASED, CertificateStatus.PUBLISHED)
    assert (waits.status, waits.address) == (ReplacementStatus.STOPPED, "")
    assert is_erased(FAY)
    assert DirectoryEvent.objects.get(verb="address.erased").actor == cast.people[Person.OPERATOR].actor
    act(operator, Mailbox, "erase", certificate.mailbox.pk)
    assert ErasedAddress.objects.count() == 1, "a row without an address keeps nobody out"


@pytest.mark.parametrize("person", [Person.OWNER, Person.REVIEWER, Person.CHARLIE])
def test_nobody_else_erases_a_mailbox(cast: Cast, published: Published, person: Person) -> None:
    certificate = published(FAY)
    assert cast.client(person).post(listing(Mailbox), {"action": "erase", "_selected_action": certificate.mailbox.pk}).status_code == 403
    certificate.refresh_from_db()
    assert certificate.status == CertificateStatus.PUBLISHED
    assert not is_erased(FAY)


@pytest.mark.parametrize("person", [Person.OWNER, Person.REVIEWER, Person.CHARLIE, Person.APPLICANT])
def test_others_are_refused(cast: Cast, person: Person) -> None:
    client = cast.client(person)
    assert client.get("/admin/").status_code == 403
    assert client.get(listing(User)).status_code == 403
    assert client.post(listing(ApiToken), {"action": "revoke", "_selected_action": cast.token.pk}).status_code == 403
    cast.token.refresh_from_db()
    assert cast.token.revoked_at is None


def test_it_wants_the_second_factor(cast: Cast) -> None:
    answer = cast.client(Person.BARE_OPERATOR).get("/admin/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(reverse("second-factor"))
    assert cast.client(Person.ANONYMOUS).get("/admin/").headers["Location"] == f"{reverse('login')}?next=/admin/"
    assert cast.client(Person.ANONYMOUS).get("/admin/login/").headers["Location"] == reverse("login")


def test_an_operator_revokes_an_issued_certificate_and_no_other(operator: Client, cast: Cast, now: datetime) -> None:
    facts = {"organization": cast.organization, "profile": "v4-signing", "actor": "user:test", "created_at": now, "shard": 0}
    issued = Issuance.objects.create(address="bills@bank.example.com", status=IssuanceStatus.ISSUED, serial="1a", certificate=b"der", **facts)
    intended = Issuance.objects.create(address="news@bank.example.com", **facts)
    told = act(operator, Issuance, "revoke", issued.pk, intended.pk, reason="key_compromise")
    issued.refresh_from_db()
    intended.refresh_from_db()
    assert (issued.status, issued.revocation_reason) == (IssuanceStatus.REVOKED, "key_compromise")
    assert intended.status == IssuanceStatus.INTENDED
    assert "Done for 1 row" in told
    assert "errorlist" in told or 'class="error"' in told


def test_an_operator_begins_a_refused_issuance_anew(operator: Client, cast: Cast, now: datetime) -> None:
    facts = {"organization": cast.organization, "profile": "v4-signing", "actor": "user:test", "created_at": now}
    refused = Issuance.objects.create(address="new@bank.example.com", status=IssuanceStatus.REFUSED, **facts)
    act(operator, Issuance, "intend_anew", refused.pk)
    (again,) = Issuance.objects.filter(address="new@bank.example.com").exclude(pk=refused.pk)
    assert (again.status, again.actor) == (IssuanceStatus.INTENDED, cast.people[Person.OPERATOR].actor)
    assert "has a signing identity" in act(operator, Issuance, "intend_anew", refused.pk)


def test_an_operator_settles_what_is_unknown_with_a_reason(operator: Client, letter: Letter) -> None:
    row = letter(status=MessageStatus.UNKNOWN)
    assert "Type the reason" in act(operator, Message, "settle_taken", row.pk)
    act(operator, Message, "settle_taken", row.pk, reason="asked the provider")
    row.refresh_from_db()
    assert row.status == MessageStatus.HANDED
    assert "no longer, unknown" in act(operator, Message, "settle_not_taken", row.pk, reason="asked the provider")
