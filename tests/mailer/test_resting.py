"""A domain to which the relay says `later` again and again is left alone for a while; the others go on."""

import time
from datetime import UTC, datetime

import pytest
from pytest_django import Settings

from mailer import sending
from mailer.models import Message, MessageStatus, SigningIdentity
from mailer.resting import FIRST_REST, LONGEST_REST, MANY_DEFERRALS, RestingDomains
from mailer.sending import drain
from tests.mailer.false_relays import FalseRelay, running
from tests.mailer.letters import Desk, letter, publish_for, send

SLOW, OTHER = "slow.example.net", "people.example.org"


class Clock:
    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(time, "monotonic", lambda: self.now)


def deferred(domains: RestingDomains, times: int = MANY_DEFERRALS) -> None:
    for _time in range(times):
        domains.deferred(SLOW)


def test_it_rests_after_many_deferrals_in_a_row_and_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, domains = Clock(monkeypatch), RestingDomains()
    deferred(domains, MANY_DEFERRALS - 1)
    assert domains.now() == []
    rest = FIRST_REST
    for _turn in range(8):
        deferred(domains)
        assert domains.now() == [SLOW]
        clock.now += rest + 0.1
        assert domains.now() == []
        rest = min(2 * rest, LONGEST_REST)


def test_one_answer_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large domain always has some full mailboxes."""
    Clock(monkeypatch)
    domains = RestingDomains()
    for _turn in range(10):
        deferred(domains, MANY_DEFERRALS - 1)
        domains.answered(SLOW)
    assert domains.now() == []


def test_it_remembers_so_many_domains_and_no_more() -> None:
    domains = RestingDomains()
    for number in range(10_050):
        domains.deferred(f"{number}.example.org")
    assert len(domains._domains) == 10_000


def test_the_others_go_on(bills: SigningIdentity, desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay refuses a domain for now: its messages are put off, it rests, and mails to others leave meanwhile."""
    monkeypatch.setattr(sending, "resting", RestingDomains())
    at = datetime.now(UTC)
    for domain in (SLOW, OTHER):
        publish_for(desk.authority.leaf(f"bob@{domain}"), f"bob@{domain}", at=at)
    send(bills, *[letter(f"bob@{SLOW}") for _ in range(MANY_DEFERRALS)], at=at)

    def rcpt(line: str) -> bytes:
        return b"451 4.7.1 later\r\n" if SLOW in line else b"250 ok\r\n"

    with running(FalseRelay({"RCPT": rcpt})) as relay:
        settings.LETTERLOCK_SMTP_URL = relay.url
        assert drain(at=at) == MANY_DEFERRALS
        send(bills, letter(f"bob@{SLOW}"), letter(f"bob@{OTHER}"), at=at)
        assert drain(at=at) == 1
    assert set(Message.objects.filter(domain=SLOW).values_list("status", flat=True)) == {MessageStatus.QUEUED}
    assert Message.objects.get(domain=OTHER).status == MessageStatus.HANDED
    assert Message.objects.filter(domain=SLOW, attempt=0).count() == 1
