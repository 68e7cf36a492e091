"""Bounces that come back by mail: read with bounds, believed as far as a stranger's word goes."""

import contextlib
import io
import sys
from datetime import datetime

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from mailer.dsn import LARGEST, MOST_RECIPIENTS, Action, NotADsnError, parse_dsn
from mailer.models import Message, MessageStatus, SendEvent, SigningIdentity
from mailer.returned import mark
from tests.mailer.letters import history, letter, send

TO = "bob@people.example.org"
DSN = """\
From: MAILER-DAEMON@mx.example.org
To: bills@bank.example.com
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_b1"

This is a MIME-encapsulated message.

--=_b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--=_b1
Content-Type: {kind}

Reporting-MTA: dns; mx.example.org
Arrival-Date: Wed, 25 Nov 2026 12:00:00 +0000

Final-Recipient: {final}
Original-Recipient: rfc822;bob@people.example.org
Action: {action}
Status: 5.1.1
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 <bob@people.example.org>:
 no such user

--=_b1
Content-Type: {returned}

Return-Path: <bills@bank.example.com>
Message-ID: {message_id}
Subject: Sealed message

body
--=_b1--
"""


def dsn(message_id: str = "<a@bank.example.com>", **other: str) -> bytes:
    fields = {"kind": "message/delivery-status", "final": "rfc822; bob@people.example.org", "action": "failed", "returned": "message/rfc822"}
    return DSN.format(**(fields | {"message_id": message_id} | other)).encode()


@pytest.fixture
def handed(bills: SigningIdentity, now: datetime) -> Message:
    send(bills, letter(TO), at=now)
    Message.objects.update(content=None, status=MessageStatus.HANDED)
    return Message.objects.get()


@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers", "message/global-headers"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_it_reads_what_mail_programs_write(returned: str, ends: bytes) -> None:
    status = parse_dsn(dsn(returned=returned).replace(b"\n", ends))
    assert status.message_id == "<a@bank.example.com>"
    (verdict,) = status.verdicts
    assert verdict.action is Action.FAILED
    assert verdict.addresses == {"bob@people.example.org"}
    assert verdict.words == "5.1.1 550 5.1.1 <bob@people.example.org>: no such user"


def test_it_reads_international_ones() -> None:
    status = parse_dsn(dsn(kind="message/global-delivery-status", final="utf-8; bob@people.example.org"))
    assert status.verdicts[0].addresses == {"bob@people.example.org"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00" * 100,
        dsn().replace(b"multipart/report", b"multipart/mixed"),
        dsn().replace(b"report-type=delivery-status", b"report-type=disposition-notification"),
        dsn().replace(b'; boundary="=_b1"', b""),
        dsn().replace(b"Message-ID", b"X-Message-ID"),
        dsn("<a@b>\n <c@d>"),
        dsn("a@b"),
        dsn(action="exploded"),
        dsn(kind="text/plain"),
        dsn(final="x400; bob").replace(b"Original-Recipient", b"X"),
        dsn().replace(b"--=_b1\n", b"--=_b2\n"),
        dsn() + b"x" * LARGEST,
    ],
)
def test_it_says_what_is_none(raw: bytes) -> None:
    with pytest.raises(NotADsnError):
        parse_dsn(raw)


@given(st.binary(max_size=2000), st.integers(0, len(dsn())), st.integers(0, 50))
def test_it_has_one_error_for_all_that_is_hostile(junk: bytes, place: int, cut: int) -> None:
    raw = dsn()
    for hostile in (junk, raw[:place] + junk + raw[place + cut :]):
        with contextlib.suppress(NotADsnError):
            parse_dsn(hostile)


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=a\n\n" + b"--a\n" * (LARGEST // 8),
        b"Content-Type: " + b"(" * (LARGEST // 2),
        b"Content-Type: multipart/report; " + b"a*0=b; " * 5000 + b"report-type=delivery-status\n\n",
        dsn().replace(b"Action: failed", b"Action: failed\n\n" + b"Final-Recipient: rfc822; a@b\nAction: failed\n\n" * 10_000),
        dsn().replace(b"body", b"Content-Type: multipart/mixed; boundary=x\n\n--x\n" * 10_000),
    ],
    ids=["parts", "comments", "parameters", "recipients", "nesting"],
)
def test_it_takes_little_of_what_is_huge(raw: bytes) -> None:
    with contextlib.suppress(NotADsnError):
        assert len(parse_dsn(raw[:LARGEST]).verdicts) <= MOST_RECIPIENTS + 1


def test_a_failure_is_marked_with_its_source(handed: Message) -> None:
    marked = mark(parse_dsn(dsn(handed.message_id)))
    assert marked is not None
    assert marked.event == "bounced"
    handed.refresh_from_db()
    assert handed.status == MessageStatus.BOUNCED
    event = SendEvent.objects.get(event="bounced")
    assert event.actor == "system:dsn"
    assert event.detail == "said by mail, unproven: 5.1.1 550 5.1.1 <***>: no such user"


def test_what_is_said_again_is_written_once_more_and_then_no_more(handed: Message) -> None:
    for _time in range(3):
        mark(parse_dsn(dsn(handed.message_id)))
    assert history(handed) == ["accepted", "bounced", "dsn_failed"]


@pytest.mark.parametrize(("action", "event"), [("delayed", "delayed"), ("relayed", "relayed"), ("expanded", "expanded"), ("delivered", "delivered")])
def test_other_actions_are_told_too(action: str, event: str, handed: Message) -> None:
    mark(parse_dsn(dsn(handed.message_id, action=action)))
    assert history(handed)[-1] == event
    handed.refresh_from_db()
    assert handed.status == (MessageStatus.DELIVERED if action == "delivered" else MessageStatus.HANDED)


def test_it_does_not_overturn_our_relays_log(handed: Message) -> None:
    Message.objects.update(status=MessageStatus.DELIVERED)
    mark(parse_dsn(dsn(handed.message_id)))
    handed.refresh_from_db()
    assert handed.status == MessageStatus.DELIVERED
    assert history(handed)[-1] == "dsn_failed"


@pytest.mark.parametrize("status", [MessageStatus.QUEUED, MessageStatus.SEALED, MessageStatus.HANDING, MessageStatus.UNKNOWN])
def test_it_never_makes_us_send(status: MessageStatus, handed: Message) -> None:
    content = {"content": b"x"} if status == MessageStatus.QUEUED else {"sealed": b"x"}
    Message.objects.update(status=status, **content)
    mark(parse_dsn(dsn(handed.message_id)))
    handed.refresh_from_db()
    assert handed.status == status


def test_charlies_forgeries_miss(handed: Message) -> None:
    """He knows neither a Message-ID nor, if he does, whom it was for."""
    assert mark(parse_dsn(dsn("<guess@bank.example.com>"))) is None
    other = dsn(handed.message_id, final="rfc822; carol@people.example.org").replace(b"Original-Recipient", b"X-Original")
    assert mark(parse_dsn(other)) is None
    assert history(handed) == ["accepted"]


def test_an_erased_recipient_cannot_be_compared(handed: Message) -> None:
    Message.objects.update(match="", recipient="")
    assert mark(parse_dsn(dsn(handed.message_id))) is None


def test_the_command_reads_one_from_standard_input(handed: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(raw: bytes) -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        said = io.StringIO()
        call_command("read_dsn", stdout=said)
        return said.getvalue()

    assert read(b"Subject: hello\n\nhello") == "Not read: not a multipart/report of report-type delivery-status.\n"
    assert read(dsn()) == "It is about no message of ours.\n"
    assert read(dsn(handed.message_id)) == f"{handed.id}: bounced.\n"
