"""The cast of the rights matrix: who knocks at every address, and with what in hand."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.test import Client
from django.test.client import ClientHandler
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from directory.models import Organization
from directory.organizations import create_organization, suspend
from directory.tokens import SCOPES, make_token, revoke_token
from onboarding.models import Membership, Role, StaffRole, StaffRoleName, User
from onboarding.states import Status
from tests.portal.rights.possessions import Possessions, possess


class Person(StrEnum):
    """Alice owns; Bob and others are on her team; Charlie owns another organisation. `bare` has no second factor."""

    ANONYMOUS = "anonymous"
    BARE_OWNER = "owner without factor"
    BARE_REVIEWER = "reviewer without factor"
    BARE_OPERATOR = "operator without factor"
    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    APPLICANT = "applicant"
    CHARLIE = "charlie"
    REVIEWER = "reviewer"
    OPERATOR = "operator"


class Bearer(StrEnum):
    """What an API call carries: `full` has each scope, `charlie` is the same for another organisation."""

    NONE = "no token"
    GARBLED = "garbled"
    REVOKED = "revoked token"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    SCOPELESS = "other scopes only"
    FULL = "full token"
    CHARLIE = "charlie's token"


HANDLERS = {checks: ClientHandler(checks) for checks in (False, True)}


@dataclass
class Cast:
    """The people, their organisation and what it owns; `client` and `header` put them at the door."""

    organization: Organization
    charlies: Organization
    owned: Possessions
    people: dict[Person, User]
    bearers: dict[Bearer, str]
    sessions: dict[Person, str]

    def client(self, who: Person | Bearer, *, enforce_csrf_checks: bool = False) -> Client:
        """A new browser with this person's session, or a program with its token."""
        headers = self.header(who) if isinstance(who, Bearer) else {}
        client = Client(enforce_csrf_checks=enforce_csrf_checks, raise_request_exception=False, headers=headers)
        # The middleware is loaded once, not once a browser.
        client.handler = HANDLERS[enforce_csrf_checks]
        if isinstance(who, Person) and who in self.sessions:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[who]
        return client

    def address(self, name: str, groups: Iterable[str]) -> str:
        """The URL of a route, made of what Alice's organisation and the applicant own."""
        owned = self.owned
        # A draft is its applicant's alone, and what was sent is not theirs to change any more.
        status = Status.SUBMITTED if name.startswith("review") else Status.WAITING if name == "application-answer" else Status.DRAFT
        application, document = owned.applications[status]
        known = {
            "organization_id": self.organization.pk, "application_id": application.pk, "token_id": owned.token.pk,
            "message_id": owned.message.pk,
            "evidence_id": document.pk, "publication_id": owned.publication.pk, "contribution_id": owned.contribution.pk,
            "name": "contact", "fingerprint": owned.fingerprint,
            "form": "pem", "secret": "x" * 43, "code": "en", "slug": owned.issuer, "shard": 0,
            "app_label": "directory", "object_id": str(owned.token.pk), "content_type_id": 1, "url": "nowhere",
        }  # fmt: skip
        return reverse(name, kwargs={key: known[key] for key in groups})

    def header(self, bearer: Bearer) -> dict[str, str]:
        text = self.bearers.get(bearer)
        return {} if text is None else {"Authorization": f"Bearer {text}"}


def _sign_in(user: User) -> str:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    session = client.session
    device = TOTPDevice.objects.filter(user=user).first()
    if device is not None:
        session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        session.save()
    return str(session.session_key)


def _organization(name: str, number: int, domain: str, at: datetime) -> Organization:
    return create_organization(
        legal_name=name,
        country="DE",
        organization_identifier=f"NTRDE-DER3306.HRB{number}",
        address="Musterweg 1, 10115 Berlin",
        website=f"https://www.{domain}",
        time_zone="Europe/Berlin",
        domain=domain,
        actor="user:reviewer",
        at=at,
    )


def _person(person: Person, at: datetime) -> User:
    user = User.objects.create_user(f"{person.name.lower()}@people.example.com", None, name=person.value.title(), email_confirmed_at=at)
    if not person.name.startswith("BARE"):
        TOTPDevice.objects.create(user=user, name="phone", confirmed=True)
    return user


def assemble(at: datetime) -> Cast:
    """Put the cast into an empty database."""
    bank, shop, closed = (
        _organization(name, number, domain, at)
        for name, number, domain in (("Bank", 1, "bank.example.com"), ("Shop", 2, "shop.example.net"), ("Closed", 3, "closed.example.org"))
    )
    people: dict[Person, User] = {person: _person(person, at) for person in Person if person is not Person.ANONYMOUS}
    for person, role in ((Person.OWNER, Role.OWNER), (Person.BARE_OWNER, Role.OWNER), (Person.ADMIN, Role.ADMIN),
                         (Person.DEVELOPER, Role.DEVELOPER), (Person.VIEWER, Role.VIEWER)):  # fmt: skip
        Membership.objects.create(user=people[person], organization=bank, role=role, created_at=at)
    Membership.objects.create(user=people[Person.CHARLIE], organization=shop, role=Role.OWNER, created_at=at)
    for person in (Person.REVIEWER, Person.BARE_REVIEWER):
        StaffRole.objects.create(user=people[person], role=StaffRoleName.REVIEWER)
    for person in (Person.OPERATOR, Person.BARE_OPERATOR):
        StaffRole.objects.create(user=people[person], role=StaffRoleName.OPERATOR)
        User.objects.filter(pk=people[person].pk).update(is_staff=True, is_superuser=True)
        people[person].refresh_from_db()
    scopes, bearers = set(SCOPES), {Bearer.GARBLED: "ll_live_garbled"}
    full, bearers[Bearer.FULL] = make_token(organization=bank, name="full", scopes=scopes, actor="user:alice", at=at)
    _, bearers[Bearer.CHARLIE] = make_token(organization=shop, name="charlie", scopes=scopes, actor="user:charlie", at=at)
    _, bearers[Bearer.SCOPELESS] = make_token(organization=bank, name="webhook", scopes={"webhook"}, actor="user:alice", at=at)
    revoked, bearers[Bearer.REVOKED] = make_token(organization=bank, name="revoked", scopes=scopes, actor="user:alice", at=at)
    revoke_token(token=revoked, actor="user:alice", at=at)
    before = at - timedelta(days=2)
    _, bearers[Bearer.EXPIRED] = make_token(organization=bank, name="expired", scopes=scopes, actor="user:alice", at=before, valid_days=1)
    _, bearers[Bearer.SUSPENDED] = make_token(organization=closed, name="suspended", scopes=scopes, actor="user:alice", at=at)
    suspend(organization=closed, reason="test", actor="user:operator", at=at)
    sessions = {person: _sign_in(user) for person, user in people.items()}
    return Cast(bank, shop, possess(bank, people[Person.APPLICANT], full, at), people, bearers, sessions)
