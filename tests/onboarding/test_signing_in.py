"""Password, second factor, recovery codes: what opens, what was used before, what locks."""

from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings

from onboarding.people import second_factor
from onboarding.people.models import PersonEvent, StaffRole, User
from tests.onboarding.conftest import MONDAY, PASSWORD, code_of

pytestmark = pytest.mark.django_db


def signed_in_by_password(user: User) -> Client:
    client = Client()
    answer = client.post("/accounts/login/", {"email": user.email.upper(), "password": PASSWORD})
    assert answer.headers["Location"] == "/accounts/second-factor/"
    return client


@pytest.fixture
def bare(db: None) -> User:  # noqa: ARG001 - the tables
    """Somebody who has confirmed the address and has no second factor yet."""
    return User.objects.create_user("bob@people.example.com", PASSWORD, name="Bob", email_confirmed_at=MONDAY)


def enrol(client: Client, user: User) -> tuple[TOTPDevice, list[str]]:
    client.get("/accounts/second-factor/")
    device = TOTPDevice.objects.get(user=user)
    page = client.post("/accounts/second-factor/", {"code": code_of(device)})
    device.refresh_from_db()
    return device, page.context["codes"]


def test_it_opens_nothing_by_the_password_alone(alice: User) -> None:
    client = signed_in_by_password(alice)
    for closed in ("/apply/", "/review/", "/accounts/", "/accounts/second-factor/recovery-codes/"):
        assert client.get(closed).headers["Location"].startswith("/accounts/second-factor/")


def test_it_opens_by_password_and_code(alice: User) -> None:
    client = signed_in_by_password(alice)
    answer = client.post("/accounts/second-factor/", {"code": code_of(TOTPDevice.objects.get(user=alice))})
    assert answer.headers["Location"] == "/apply/"
    assert client.get("/apply/").status_code == 200


def test_it_takes_a_code_once(alice: User) -> None:
    code = code_of(TOTPDevice.objects.get(user=alice))
    assert signed_in_by_password(alice).post("/accounts/second-factor/", {"code": code}).status_code == 302
    replayed = signed_in_by_password(alice)
    assert replayed.post("/accounts/second-factor/", {"code": code}).status_code == 422
    assert replayed.get("/apply/").status_code == 302


@pytest.mark.parametrize("steps", [-5, 5])
def test_it_takes_no_code_of_another_time(alice: User, steps: int) -> None:
    client = signed_in_by_password(alice)
    code = code_of(TOTPDevice.objects.get(user=alice), steps=steps)
    assert client.post("/accounts/second-factor/", {"code": code}).status_code == 422


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "-12345", "0x1234", "1e5000", "9" * 5000])
def test_it_takes_no_odd_code(alice: User, code: str) -> None:
    client = signed_in_by_password(alice)
    second_factor.renew_recovery_codes(alice, actor=alice.actor, at=MONDAY)
    assert client.post("/accounts/second-factor/", {"code": code}).status_code == 422
    assert client.get("/apply/").status_code == 302


def test_it_waits_after_wrong_codes(alice: User) -> None:
    client, device = signed_in_by_password(alice), TOTPDevice.objects.get(user=alice)
    for _ in range(3):
        client.post("/accounts/second-factor/", {"code": "000000"})
    refused = client.post("/accounts/second-factor/", {"code": code_of(device)})
    assert refused.status_code == 422
    assert b"Too many wrong codes" in refused.content


def test_it_takes_no_code_of_charlie(alice: User, charlie: User) -> None:
    client = signed_in_by_password(alice)
    assert client.post("/accounts/second-factor/", {"code": code_of(TOTPDevice.objects.get(user=charlie))}).status_code == 422


def test_it_sets_the_second_factor_up(bare: User) -> None:
    client = signed_in_by_password(bare)
    page = client.get("/accounts/second-factor/")
    device = TOTPDevice.objects.get(user=bare)
    assert second_factor.secret_of(device).encode() in page.content
    assert client.get("/accounts/second-factor/").context["secret"] == page.context["secret"]
    picture = client.get("/accounts/second-factor/code.svg")
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert picture.content.startswith(b"<?xml")
    assert "no-store" in picture.headers["Cache-Control"]
    assert client.get("/apply/").status_code == 302
    done = client.post("/accounts/second-factor/", {"code": code_of(device)})
    assert len(done.context["codes"]) == 10
    assert client.get("/apply/").status_code == 200
    assert client.get("/accounts/second-factor/code.svg").status_code == 404, "the secret is shown only until it is used"


def test_it_keeps_a_wrong_first_code_from_switching_it_on(bare: User) -> None:
    client = signed_in_by_password(bare)
    client.get("/accounts/second-factor/")
    assert client.post("/accounts/second-factor/", {"code": "000000"}).status_code == 422
    assert not second_factor.is_enrolled(bare)
    assert client.get("/apply/").status_code == 302


def test_it_sets_no_second_device_beside_the_first(alice: User) -> None:
    with pytest.raises(second_factor.AlreadyEnrolledError):
        second_factor.begin(alice)
    assert signed_in_by_password(alice).get("/accounts/second-factor/code.svg").status_code == 404


def test_it_opens_once_by_a_recovery_code(bare: User) -> None:
    _, codes = enrol(signed_in_by_password(bare), bare)
    lost = signed_in_by_password(bare)
    assert lost.post("/accounts/second-factor/", {"code": codes[0].upper()}).status_code == 302
    assert lost.get("/apply/").status_code == 200
    assert second_factor.codes_left(bare) == 9
    assert signed_in_by_password(bare).post("/accounts/second-factor/", {"code": codes[0]}).status_code == 422
    assert PersonEvent.objects.filter(user=bare, verb="recovery_code_used").count() == 1


def test_it_keeps_no_recovery_code_that_could_be_read(bare: User) -> None:
    _, codes = enrol(signed_in_by_password(bare), bare)
    kept = set(StaticToken.objects.values_list("token", flat=True))
    assert kept.isdisjoint(code.replace("-", "") for code in codes)


def test_it_ends_old_recovery_codes_with_new_ones(bare: User) -> None:
    client = signed_in_by_password(bare)
    _, codes = enrol(client, bare)
    fresh = client.post("/accounts/second-factor/recovery-codes/").context["codes"]
    assert not set(fresh) & set(codes)
    assert client.get("/accounts/second-factor/recovery-codes/").context["codes"] == []
    with pytest.raises(second_factor.WrongCodeError):
        second_factor.check(bare, codes[1], at=timezone.now())


def test_it_locks_after_ten_wrong_passwords(alice: User, charlie: User) -> None:
    client = Client()
    answers = [client.post("/accounts/login/", {"email": alice.email, "password": f"guess number {n}"}).status_code for n in range(10)]
    assert answers == [*[422] * 9, 429]
    right = client.post("/accounts/login/", {"email": alice.email, "password": PASSWORD})
    assert right.status_code == 429
    assert b"Too many attempts" in right.content
    assert client.post("/accounts/login/", {"email": charlie.email, "password": PASSWORD}).status_code == 302


def test_it_locks_out_nobody_else_behind_the_same_proxy(alice: User, settings: Settings) -> None:
    settings.LETTERLOCK_BEHIND_PROXY = True
    guesser, owner = (Client(headers={"x-forwarded-for": f"198.51.100.9, {address}"}) for address in ("192.0.2.1", "192.0.2.2"))
    for n in range(10):
        last = guesser.post("/accounts/login/", {"email": alice.email, "password": f"guess number {n}"})
    assert last.status_code == 429
    assert owner.post("/accounts/login/", {"email": alice.email, "password": PASSWORD}).status_code == 302
    nobody = Client(headers={"x-forwarded-for": "no address"})
    assert nobody.post("/accounts/login/", {"email": alice.email, "password": "wrong"}).status_code == 422


def test_it_says_the_same_of_wrong_passwords_and_unknown_people(alice: User) -> None:
    pages = [
        Client().post("/accounts/login/", {"email": email, "password": "a wrong and long password"}).context["form"].errors
        for email in (alice.email, "nobody@people.example.com")
    ]
    assert pages[0] == pages[1]


def test_it_lets_nobody_in_whose_account_is_closed(alice: User, enter: Callable[..., Client]) -> None:
    client = enter(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert client.get("/apply/").headers["Location"].startswith("/accounts/login/")
    assert Client().post("/accounts/login/", {"email": alice.email, "password": PASSWORD}).status_code == 422


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/accounts/", "/accounts/"),
        ("https://charlie.example.net/", "/apply/"),
        ("//charlie.example.net/", "/apply/"),
        ("javascript:alert(1)", "/apply/"),
    ],
)
def test_it_leads_on_only_within_the_site(alice: User, wanted: str, reached: str) -> None:
    client = Client()
    client.post("/accounts/login/", {"email": alice.email, "password": PASSWORD, "next": wanted})
    answer = client.post("/accounts/second-factor/", {"code": code_of(TOTPDevice.objects.get(user=alice)), "next": wanted})
    assert answer.headers["Location"] == reached


def test_it_changes_the_session_with_each_step(alice: User) -> None:
    client = Client()
    client.get("/accounts/login/")
    client.post("/accounts/register/", {})
    first = signed_in_by_password(alice)
    before = first.session.session_key
    first.post("/accounts/second-factor/", {"code": code_of(TOTPDevice.objects.get(user=alice))})
    assert first.session.session_key != before


def test_it_signs_out_by_post_alone(alice: User, enter: Callable[..., Client]) -> None:
    client = enter(alice)
    assert client.get("/accounts/logout/").status_code == 405
    client.post("/accounts/logout/")
    assert client.get("/apply/").headers["Location"].startswith("/accounts/login/")


def test_it_makes_the_first_operator(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_operator", "ops@portal.example.org", "--name", "Odette", "--generate-password")
    printed = capsys.readouterr().out
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (True, True)
    assert second_factor.secret_of(TOTPDevice.objects.get(user=user)) in printed
    with pytest.raises(CommandError, match="already"):
        call_command("create_operator", "OPS@portal.example.org", "--name", "Odette", "--generate-password")


def test_it_makes_reviewers_without_further_rights(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETTERLOCK_OPERATOR_PASSWORD", PASSWORD)
    call_command("create_operator", "ruth@portal.example.org", "--name", "Ruth", "--role", "reviewer")
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert list(StaffRole.objects.values_list("role", flat=True)) == ["reviewer"]
    assert PASSWORD not in capsys.readouterr().out
    assert user.check_password(PASSWORD)


def test_it_takes_no_weak_password_for_an_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETTERLOCK_OPERATOR_PASSWORD", "short")
    with pytest.raises(CommandError, match="too short"):
        call_command("create_operator", "ops@portal.example.org", "--name", "Odette")
    assert not User.objects.exists()
