"""The cast of the pages: Alice's bank and its team, Charlie's shop, and the desk; all but the bare ones with a second factor."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from directory.models import ApiToken, Organization
from directory.organizations import create_organization
from directory.tokens import make_token
from onboarding.models import Membership, Role, StaffRole, StaffRoleName, User

BACKEND = "django.contrib.auth.backends.ModelBackend"


class Person(StrEnum):
    """Alice owns; Bob and others are on her team; Charlie owns another organisation."""

    ANONYMOUS = "anonymous"
    OWNER = "alice"
    ADMIN = "anna"
    DEVELOPER = "bob"
    VIEWER = "vera"
    BARE_OWNER = "bare-alice"
    CHARLIE = "charlie"
    APPLICANT = "app"
    REVIEWER = "rita"
    OPERATOR = "olga"
    BARE_OPERATOR = "bare-olga"


TEAM = {
    Person.OWNER: Role.OWNER,
    Person.ADMIN: Role.ADMIN,
    Person.DEVELOPER: Role.DEVELOPER,
    Person.VIEWER: Role.VIEWER,
    Person.BARE_OWNER: Role.OWNER,
}
DESK = {
    Person.REVIEWER: StaffRoleName.REVIEWER,
    Person.OPERATOR: StaffRoleName.OPERATOR,
    Person.BARE_OPERATOR: StaffRoleName.OPERATOR,
}


@dataclass
class Cast:
    """The people, their organisations, and one token of Alice's with its text."""

    organization: Organization
    charlies: Organization
    people: dict[Person, User]
    token: ApiToken
    secret: str

    def client(self, person: Person, *, enforce_csrf_checks: bool = False) -> Client:
        """A browser in which this person is signed in."""
        client = Client(enforce_csrf_checks=enforce_csrf_checks, raise_request_exception=False)
        if person is Person.ANONYMOUS:
            return client
        user = self.people[person]
        client.force_login(user, BACKEND)
        device = TOTPDevice.objects.filter(user=user).first()
        if device is not None:
            session = client.session
            session[DEVICE_ID_SESSION_KEY] = device.persistent_id
            session.save()
        return client


def assemble(at: datetime) -> Cast:
    """Put the cast into an empty database."""
    bank, shop = (
        create_organization(
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
        for name, number, domain in (("Bank", 1, "bank.example.com"), ("Shop", 2, "shop.example.net"))
    )
    people: dict[Person, User] = {}
    for person in Person:
        if person is Person.ANONYMOUS:
            continue
        staff = DESK.get(person) is StaffRoleName.OPERATOR
        user = User.objects.create_user(f"{person}@people.example.com", None, name=person.value.title(), email_confirmed_at=at, is_staff=staff)
        people[person] = user
        if not person.startswith("bare"):
            TOTPDevice.objects.create(user=user, name="phone", confirmed=True)
        if person in TEAM:
            Membership.objects.create(user=user, organization=bank, role=TEAM[person], created_at=at)
        if person in DESK:
            StaffRole.objects.create(user=user, role=DESK[person])
    Membership.objects.create(user=people[Person.CHARLIE], organization=shop, role=Role.OWNER, created_at=at)
    token, secret = make_token(organization=bank, name="full", scopes=["lookup", "send"], actor=people[Person.OWNER].actor, at=at)
    return Cast(bank, shop, people, token, secret)
