"""An account comes into being when its mailbox answers: single use, 24 hours, three mails a day, no word about who has one."""

import re
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from django.test import Client
from django.utils import timezone

from mailer.models import Notice
from mailer.notices import deliver_notices
from onboarding.people import registering
from onboarding.people.models import EmailConfirmation, PersonEvent, User
from portal.running.inbox import InboxServer
from tests.onboarding.conftest import PASSWORD

FORM = {"name": "Alice Okafor", "email": "Alice@Bank.example.com", "password": PASSWORD}

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return Client()


def newest(inbox_server: InboxServer, to: str) -> EmailMessage:
    return message_from_bytes(inbox_server.inbox.mails(to)[-1].content, policy=default)


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def link_in(inbox_server: InboxServer, to: str = "alice@bank.example.com") -> str:
    deliver_notices(at=timezone.now())
    links: list[str] = re.findall(r"https?://[^/\s]+(/accounts/confirm/\S+)", text_of(newest(inbox_server, to)))
    return links[0]


def test_it_makes_the_account_when_the_link_is_used(browser: Client, inbox_server: InboxServer) -> None:
    assert browser.post("/accounts/register/", FORM).headers["Location"] == "/accounts/register/sent/"
    assert not User.objects.exists()
    link = link_in(inbox_server)
    page = browser.get(link)
    assert page.status_code == 200
    assert not User.objects.exists(), "a mail filter that follows the link must not make the account"
    assert browser.post(link).headers["Location"] == "/accounts/login/"
    user = User.objects.get()
    assert (user.email, user.check_password(PASSWORD), user.is_staff) == ("alice@bank.example.com", True, False)
    assert PersonEvent.objects.get().verb == "address_confirmed"
    assert user.password.startswith("argon2")


def test_it_takes_a_link_once(browser: Client, inbox_server: InboxServer) -> None:
    browser.post("/accounts/register/", FORM)
    link = link_in(inbox_server)
    browser.post(link)
    for again in (browser.get(link), browser.post(link), Client().post(link, {"password": PASSWORD})):
        assert again.status_code == 410
        assert b"This link was used" in again.content
    assert User.objects.count() == 1


def test_it_takes_a_link_for_24_hours(browser: Client, inbox_server: InboxServer) -> None:
    browser.post("/accounts/register/", FORM)
    link = link_in(inbox_server)
    EmailConfirmation.objects.update(expires_at=timezone.now())
    answer = browser.post(link)
    assert (answer.status_code, User.objects.count()) == (410, 0)
    assert b"too old" in answer.content


def test_it_knows_no_other_link(browser: Client) -> None:
    for secret in ("x", "A" * 43, "%00"):
        assert browser.get(f"/accounts/confirm/{secret}/").status_code == 404
        assert browser.post(f"/accounts/confirm/{secret}/").status_code == 404


def test_it_gives_charlie_no_account_in_alices_mailbox(inbox_server: InboxServer) -> None:
    """Charlie registers Alice's address; Alice follows the mail in her own browser and has not chosen that password."""
    Client().post("/accounts/register/", FORM)
    link, alice = link_in(inbox_server), Client()
    assert b"password" in alice.get(link).content
    for guess in ({}, {"password": "another long password"}):
        assert alice.post(link, guess).status_code == 422
    assert not User.objects.exists()
    assert alice.post(link, {"password": PASSWORD}).status_code == 302


def test_it_says_the_same_of_an_address_that_has_an_account(browser: Client, alice: User, inbox_server: InboxServer) -> None:
    known = browser.post("/accounts/register/", {**FORM, "email": alice.email})
    unknown = Client().post("/accounts/register/", FORM)
    assert (known.status_code, known.headers["Location"]) == (unknown.status_code, unknown.headers["Location"])
    assert Notice.objects.filter(kind="already_registered", match=alice.email).count() == 1
    deliver_notices(at=timezone.now())
    assert "/accounts/login/" in text_of(newest(inbox_server, alice.email))
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert User.objects.count() == 1


@pytest.mark.parametrize("has_account", [True, False])
def test_it_mails_an_address_three_times_a_day(browser: Client, alice: User, *, has_account: bool) -> None:
    form = {**FORM, "email": alice.email if has_account else "new@people.example.com"}
    assert [browser.post("/accounts/register/", form).status_code for _ in range(4)] == [302, 302, 302, 422]
    assert Notice.objects.count() == 3


def test_it_ends_other_links_when_one_is_used(inbox_server: InboxServer) -> None:
    first, second = Client(), Client()
    first.post("/accounts/register/", FORM)
    link = link_in(inbox_server)
    second.post("/accounts/register/", {**FORM, "name": "Somebody Else"})
    other = link_in(inbox_server)
    assert link != other
    first.post(link)
    assert second.post(other).status_code == 410
    assert User.objects.get().name == "Alice Okafor"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "alice"),
        ("email", '"a b"@bank.example.com'),
        ("email", "alice@bank.example.com\r\nBcc: charlie@example.net"),
        ("email", "alice@bank.example.com, charlie@example.net"),
        ("email", f"{'a' * 65}@bank.example.com"),
        ("name", ""),
        ("name", "Alice\u202eretne"),
        ("name", "Alice\r\nBcc: x@example.net"),
        ("name", "A" * 121),
        ("password", "short"),
        ("password", "password1234"),
        ("password", "123456789012"),
        ("password", "alice@bank.example.com"),
    ],
)
def test_it_says_what_is_wrong_with_an_answer(browser: Client, field: str, value: str) -> None:
    page = browser.post("/accounts/register/", {**FORM, field: value})
    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {field}
    assert not EmailConfirmation.objects.exists()
    assert not Notice.objects.exists()


def test_it_mails_no_words_of_whoever_registered(browser: Client, inbox_server: InboxServer) -> None:
    browser.post("/accounts/register/", {**FORM, "name": "You have won at charlie.example.net"})
    link_in(inbox_server)
    assert "charlie" not in newest(inbox_server, "alice@bank.example.com").as_string()


def test_it_forgets_what_was_never_confirmed(browser: Client) -> None:
    browser.post("/accounts/register/", FORM)
    now = timezone.now()
    assert registering.forget_expired(at=now + timedelta(hours=47)) == 0
    assert registering.forget_expired(at=now + timedelta(hours=49)) == 1


def test_it_shows_no_secret_in_the_table(browser: Client, inbox_server: InboxServer) -> None:
    browser.post("/accounts/register/", FORM)
    secret = link_in(inbox_server).strip("/").rpartition("/")[2]
    row = EmailConfirmation.objects.values().get()
    assert secret not in str(row)
    assert PASSWORD not in str(row)
