"""Pauses of sending: begun once, ended by name, each with an event that says who and why."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from directory.models import DirectoryEvent, Organization
from mailer.models import SigningIdentity
from mailer.pausing import NotPausedError, active_pauses, pause, resume
from mailer.sending import drain
from portal.running.inbox import InboxServer
from tests.mailer.letters import Desk, letter, publish_for, send

ALICE, CHARLIE = "user:alice", "user:charlie"
TO = "bob@people.example.org"


def verbs() -> list[tuple[str, str, str]]:
    events = DirectoryEvent.objects.filter(verb__startswith="sending.").order_by("id")
    return [(event.verb, event.actor, event.subject) for event in events]


def test_it_leaves_who_and_why(bank: Organization, now: datetime) -> None:
    begun = pause(organization=bank, reason="wrong statements", actor=ALICE, at=now)
    assert (begun.paused_by, begun.reason, begun.paused_at, begun.resumed_at) == (ALICE, "wrong statements", now, None)
    ended = resume(organization=bank, actor=ALICE, at=now + timedelta(hours=1))
    assert (ended.pk, ended.resumed_by, ended.resumed_at) == (begun.pk, ALICE, now + timedelta(hours=1))
    subject = f"organization:{bank.pk}"
    assert verbs() == [("sending.paused", ALICE, subject), ("sending.resumed", ALICE, subject)]


def test_a_second_pause_is_the_first(bank: Organization, now: datetime) -> None:
    begun = pause(organization=bank, reason="first", actor=ALICE, at=now)
    again = pause(organization=bank, reason="second", actor=CHARLIE, at=now)
    assert (again.pk, again.reason) == (begun.pk, "first")
    assert len(verbs()) == 1
    resume(organization=bank, actor=ALICE, at=now)
    assert pause(organization=bank, reason="third", actor=ALICE, at=now).pk != begun.pk


def test_scopes_are_apart(bank: Organization, shop: Organization, now: datetime) -> None:
    """Charlie's pause is not ended with Alice's, nor is everything's."""
    pause(organization=bank, reason="", actor=ALICE, at=now)
    scopes: list[dict[str, Any]] = [
        {"organization": shop},
        {"domain": "people.example.org"},
        {},
        {"organization": bank, "domain": "people.example.org"},
    ]
    for scope in scopes:
        with pytest.raises(NotPausedError):
            resume(actor=CHARLIE, at=now, **scope)
    pause(reason="maintenance", actor="system:operator", at=now + timedelta(seconds=1))
    pause(organization=shop, reason="", actor=CHARLIE, at=now + timedelta(seconds=2))
    assert [begun.paused_by for begun in active_pauses()] == [CHARLIE, "system:operator", ALICE]
    assert [begun.paused_by for begun in active_pauses(bank)] == ["system:operator", ALICE]
    resume(organization=bank, actor=ALICE, at=now)
    assert [begun.paused_by for begun in active_pauses(bank)] == ["system:operator"]


def test_what_was_accepted_meanwhile_goes_out_afterwards(
    bank: Organization, bills: SigningIdentity, desk: Desk, inbox_server: InboxServer, now: datetime
) -> None:
    publish_for(desk.authority.leaf(TO), TO, at=now)
    pause(organization=bank, reason="", actor=ALICE, at=now)
    send(bills, letter(TO), at=now)
    assert drain(at=now) == 0
    assert not inbox_server.inbox.mails()
    resume(organization=bank, actor=ALICE, at=now)
    assert drain(at=now) == 1
    assert len(inbox_server.inbox.mails(TO)) == 1
