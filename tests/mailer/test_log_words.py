"""The send log cannot be erased, so no address may get into it, whoever writes."""

from datetime import datetime

import pytest
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st

from mailer.message_states import Step, move, note
from mailer.models import Message, MessageStatus, SendEvent, SigningIdentity
from mailer.sending import drain
from mailer.words import MOST, without_addresses
from portal.running.inbox import InboxServer
from tests.mailer.letters import Desk, letter, publish_for, send

TO = "Dora.Frost@people.example.net"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("250 2.0.0 Ok: queued as 4F2A1", "250 2.0.0 Ok: queued as 4F2A1"),
        ("550 5.1.1 <dora@example.net>: unknown", "550 5.1.1 <***>: unknown"),
        ('550 "odd name"@example.net, gone', '550 "odd name"***, gone'),
        ("RCPT TO:<dora@example.net> rejected; dora+x@EXAMPLE.net, too", "RCPT TO:<***> rejected; ***, too"),
        ("rfc822;dörte@bücher.example", "rfc822;***"),
        ("bounce+dora=example.net@relay.example", "***"),
        ("@", "***"),
        ("", ""),
    ],
)
def test_it_masks_addresses_and_nothing_else(words: str, kept: str) -> None:
    assert without_addresses(words) == kept


@given(st.text(max_size=200) | st.text("a@:;<> \n\"'.é", max_size=60))
def test_it_lets_no_address_through(words: str) -> None:
    assert "@" not in without_addresses(words)


@pytest.mark.parametrize("words", ["@ " + "a" * 500_000, "a" * 500_000 + "@", "@" * 500_000, "a:" * 250_000 + "@", ("a" * 999 + " ") * 500 + "@"])
def test_it_reads_what_a_hostile_relay_says_once(words: str) -> None:
    """Read again from each character, half a million of them would take hours."""
    kept = without_addresses(words)
    assert len(kept) <= MOST
    assert "@" not in kept


def test_it_leaves_no_half_of_an_address_at_the_cut() -> None:
    assert without_addresses("x" * (MOST - 5) + " dora.frost@example.net").endswith("x ***")


@pytest.mark.parametrize("words", [f"<{TO}>: Recipient address rejected", "user dora.frost has moved (DORA.FROST)", f"no {TO.lower()}"])
def test_it_masks_what_the_relay_repeats(words: str, bills: SigningIdentity, inbox_server: InboxServer, now: datetime, desk: Desk) -> None:
    publish_for(desk.authority.leaf(TO), TO, at=now)
    for code, event in (("550", "failed"), ("451", "deferred")):
        inbox_server.room.refusals[TO] = f"{code} {words}"
        accepted = send(bills, letter(TO), at=now)
        drain(at=now)
        detail = SendEvent.objects.get(event=event).detail
        assert detail.startswith(f"{code} ")
        assert "***" in detail
        assert "dora" not in detail.lower()
        # The relay's own words are kept where they can be erased.
        assert Message.objects.get(pk=accepted.messages[0].id).relay_reply == f"{code} {words}"


def test_it_takes_no_word_apart_for_a_part_that_is_somebodys_name(bills: SigningIdentity, now: datetime) -> None:
    for name, words, kept in (("unknown", "550 unknowns", "550 unknowns"), ("ok", "250 ok", "250 ok"), ("x.y", "550 xay x.y", "550 xay ***")):
        accepted = send(bills, letter(f"{name}@example.net"), at=now)
        move([Step(accepted.messages[0].id, detail=words)], source=MessageStatus.QUEUED, target=MessageStatus.CANCELLED, actor="user:alice")
        assert SendEvent.objects.get(message=accepted.messages[0].id, event="cancelled").detail == kept


def test_it_masks_notes(bills: SigningIdentity, now: datetime) -> None:
    accepted = send(bills, letter(TO), at=now)
    note([accepted.messages[0].id], event="in_doubt", detail=f"closed after <{TO}>", actor="system:worker")
    assert SendEvent.objects.get(event="in_doubt").detail == "closed after <***>"
    note([accepted.messages[0].id], event="delayed", detail="mailbox of Dora.Frost is full", actor="system:relay")
    assert SendEvent.objects.get(event="delayed").detail == "mailbox of *** is full"


def test_it_is_held_by_the_database(bills: SigningIdentity, now: datetime) -> None:
    accepted = send(bills, letter(TO), at=now)
    with pytest.raises(DatabaseError, match="no_address_in_the_log"), transaction.atomic():
        SendEvent.objects.create(message_id=accepted.messages[0].id, organization=bills.organization, event="x", detail=TO, actor="x")
