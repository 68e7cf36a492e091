"""The cast of this room: Alice applies, Ruth and Tomas review, Bob is a colleague, Charlie is a stranger."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from onboarding import applying, evidence
from onboarding.applications import Application
from onboarding.people.models import StaffRole, StaffRoleName, User
from tests.onboarding.files import PDF

# A Monday, 10:00 in Berlin.
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PASSWORD = "a long and honest password"
ANSWERS = {
    "legal_name": "Lindenhain Bank AG",
    "country": "DE",
    "region": "BE",
    "scheme": "NTR",
    "register_number": "DER3306.HRB12345",
    "address": "Lindenallee 1\n10115 Berlin",
    "website": "https://www.bank.example.com",
    "time_zone": "Europe/Berlin",
    "domain": "bank.example.com",
    "sending_address": "bills@bank.example.com",
    "contact_name": "Alice Okafor",
    "contact_role": "Head of billing",
    "contact_phone": "+49 30 901820",
}


@cache
def hashed() -> str:
    # Slow on purpose, so once is enough.
    return make_password(PASSWORD)


def person(name: str, *roles: StaffRoleName) -> User:
    user = User.objects.create(email=f"{name.lower()}@people.example.com", password=hashed(), name=name, email_confirmed_at=MONDAY)
    TOTPDevice.objects.create(user=user, name="phone", confirmed=True)
    StaffRole.objects.bulk_create(StaffRole(user=user, role=role) for role in roles)
    return user


@pytest.fixture
def alice(db: None) -> User:  # noqa: ARG001 - the tables
    return person("Alice")


@pytest.fixture
def charlie(db: None) -> User:  # noqa: ARG001
    return person("Charlie")


@pytest.fixture
def ruth(db: None) -> User:  # noqa: ARG001
    return person("Ruth", StaffRoleName.REVIEWER)


@pytest.fixture
def tomas(db: None) -> User:  # noqa: ARG001
    return person("Tomas", StaffRoleName.REVIEWER)


@pytest.fixture
def enter() -> Callable[..., Client]:
    """A browser in which a person is signed in, with or without the second factor."""

    def signed_in(user: User, *, second_factor: bool = True) -> Client:
        client = Client()
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
        if second_factor:
            session = client.session
            session[DEVICE_ID_SESSION_KEY] = TOTPDevice.objects.get(user=user).persistent_id
            session.save()
        return client

    return signed_in


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    """What the person's authenticator shows, or showed or will show some steps of 30 s away."""
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
    totp.time = time.time() + steps * device.step
    return f"{totp.token():06d}"


@pytest.fixture
def draft(alice: User) -> Application:
    """Alice's draft, complete but for the agreement."""
    application = applying.start(applicant=alice, at=MONDAY)
    applying.edit(application, changes=ANSWERS, actor=alice, at=MONDAY)
    Application.objects.filter(pk=application.pk).update(domain_proven_at=MONDAY)
    application.refresh_from_db()
    evidence.add(application, filename="extract.pdf", content=PDF, actor=alice, at=MONDAY)
    return application


@pytest.fixture
def sent(draft: Application, alice: User) -> Application:
    """Alice's application, with the reviewers since Monday 10:00."""
    applying.submit(draft, agreed=True, actor=alice, at=MONDAY)
    return draft
