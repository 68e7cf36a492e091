"""Many mails on many sessions: committed before DATA, each with its own end, whatever the relay does."""

import re
import threading
import time
from collections.abc import Sequence

import pytest

from mailer.smtp.flight import Flight
from mailer.smtp.lane import End, Ended, Lane
from mailer.smtp.opening import open_session
from mailer.smtp.wire import Mail
from tests.mailer.false_relays import END, Answer, FalseRelay, running, say
from tests.mailer.smtp.conftest import FROM, OCTETS, Ledger, fly, mails_to, relay_at

TO, OTHER, CHARLIE = "bob@people.example.org", "dora@people.example.org", "charlie@shop.example.net"
PLAIN: tuple[str, ...] = ("8BITMIME",)
PIPELINED = ("PIPELINING", "8BITMIME")


def many(count: int, domain: str = "people.example.org") -> list[str]:
    return [f"c{number}@{domain}" for number in range(count)]


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
def test_it_hands_over_each_mail_once_as_it_is(extensions: tuple[str, ...], book: Ledger) -> None:
    with running(FalseRelay(extensions=extensions)) as relay:
        fly(relay, mails_to(*many(25)), book, sessions=4)
    assert book.ends == dict.fromkeys(many(25), End.TAKEN)
    assert len(book.ended) == 25
    assert relay.mails == [OCTETS] * 25
    assert len(relay.heard) == 4
    assert book.commits < 25, "one commit is for several sessions"


class Witness(Ledger):
    """Looks at what the relay has heard at each commit."""

    def __init__(self, relay: FalseRelay) -> None:
        super().__init__()
        self.relay = relay

    def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> set[object]:
        if accepted:
            assert self.relay.lines.count("DATA") == len(self.accepted), "DATA comes after the commit"
            assert all(f"RCPT TO:<{mail.recipient}>" in self.relay.lines for mail in accepted), "RCPT before it"
        return super().write(ended, accepted)


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
def test_it_commits_between_rcpt_and_data(extensions: tuple[str, ...]) -> None:
    with running(FalseRelay(extensions=extensions)) as relay:
        book = Witness(relay)
        fly(relay, mails_to(*many(6)), book)
    assert set(book.ends.values()) == {End.TAKEN}


def test_it_offers_the_next_mail_right_behind_the_last_one(book: Ledger) -> None:
    """One commit then tells of both: the end of the one, and that the other is about to be handed over."""
    with running(FalseRelay()) as relay:
        fly(relay, mails_to(*many(9)), book)
    verbs = [line[:4] for line in relay.heard[0]]
    assert verbs == ["EHLO", *["MAIL", "RCPT", "DATA"] * 9, "QUIT"]
    assert book.joint


def test_it_tells_a_mix_of_answers_apart(book: Ledger) -> None:
    """Charlie's refused mails take no other along, and refused recipients never come to DATA."""
    replies = {"gone": b"550 5.1.1 nobody\r\n", "later": b"450 4.2.0 later\r\n", "spam": b"250 ok\r\n", "full": b"250 ok\r\n"}
    last = threading.local()

    def rcpt(line: str) -> bytes:
        last.name = re.sub(r".*<(\w+)@.*", r"\1", line).rstrip("0123456789")
        return replies.get(last.name, b"250 ok\r\n")

    def end(_line: str) -> bytes:
        return {"spam": b"554 no\r\n", "full": b"452 full\r\n"}.get(last.name, b"250 taken\r\n")

    names = [f"{name}{number}@people.example.org" for number in range(5) for name in ("gone", "good", "later", "spam", "full")]
    with running(FalseRelay({"RCPT": rcpt, END: end})) as relay:
        fly(relay, mails_to(*names), book, sessions=3)
    ends = {"gone": End.REFUSED, "later": End.REFUSED, "good": End.TAKEN, "spam": End.DENIED, "full": End.DENIED}
    assert book.ends == {name: ends[re.split(r"\d", name)[0]] for name in names}
    assert len(book.ended) == 25
    assert {name for name in names if name.startswith(("gone", "later"))} & set(book.accepted) == set()
    assert book.words("gone0@people.example.org") == "550 5.1.1 nobody"
    assert book.words("full4@people.example.org") == "452 full"
    assert len(relay.mails) == 5


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
@pytest.mark.parametrize("answer", [None, b"421 closing\r\n", b"nonsense\r\n", b"354 what?\r\n"], ids=["hangs up", "421", "nonsense", "3xx"])
def test_it_offers_again_elsewhere_what_a_session_broke_over(answer: bytes | None, verb: str, extensions: tuple[str, ...], book: Ledger) -> None:
    with running(FalseRelay({verb: say(answer, b"250 ok\r\n")}, extensions)) as relay:
        fly(relay, mails_to(TO, OTHER), book)
    assert book.ends == {TO: End.TAKEN, OTHER: End.TAKEN}
    assert len(relay.mails) == 2


@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_it_gives_up_offering_what_breaks_every_session(verb: str, book: Ledger) -> None:
    def answer(line: str) -> bytes | None:
        return None if "bad" in line else b"250 ok\r\n"

    mails = [mail._replace(sender=f"{mail.key}") for mail in mails_to("bad@people.example.org", *many(6))]
    with running(FalseRelay({verb: answer})) as relay:
        fly(relay, mails, book, sessions=2)
    assert book.ends == {"bad@people.example.org": End.UNANSWERED, **dict.fromkeys(many(6), End.TAKEN)}


@pytest.mark.parametrize(
    ("answers", "end", "words"),
    [
        ({"DATA": say(None, b"354 go on\r\n")}, End.CUT, "closed the session"),
        ({"DATA": say(b"250 ok\r\n", b"354 go on\r\n")}, End.CUT, "has not seen"),
        ({"DATA": say(b"452 full\r\n", b"354 go on\r\n")}, End.DENIED, "452 full"),
        ({"DATA": say(b"421 bye\r\n", b"354 go on\r\n")}, End.DENIED, "421 bye"),
        ({END: say(None, b"250 taken\r\n")}, End.IN_DOUBT, "closed the session"),
        ({END: say(b"nonsense\r\n", b"250 taken\r\n")}, End.IN_DOUBT, "does not speak SMTP"),
        ({END: say(b"354 more\r\n", b"250 taken\r\n")}, End.IN_DOUBT, "asks"),
        ({END: say(b"421 bye\r\n", b"250 taken\r\n")}, End.DENIED, "421 bye"),
    ],
    ids=["hangs up at DATA", "250 to DATA", "452 to DATA", "421 to DATA", "hangs up", "nonsense", "3xx", "421"],
)
def test_a_session_that_breaks_in_data_takes_its_own_mail_along_alone(answers: dict[str, Answer], end: End, words: str, book: Ledger) -> None:
    with running(FalseRelay(answers)) as relay:
        fly(relay, mails_to(*many(8)), book, sessions=2)
    assert sorted(book.ends.values()) == sorted([end, *[End.TAKEN] * 7])
    (other,) = [one for one in book.ended if one.end is not End.TAKEN]
    assert words in (other.words or str(other.reply))
    assert len(relay.mails) == 7


def test_it_is_not_in_doubt_where_the_end_of_a_mail_was_never_sent(book: Ledger) -> None:
    """The relay hung up in the middle of a mail: it cannot have the whole of it."""
    big = OCTETS + b"x" * 70 + b"\r\n"
    with running(FalseRelay(cut_after=1000)) as relay:
        fly(relay, mails_to(TO, octets=big * 200_000), book)
    assert book.ends == {TO: End.CUT}


@pytest.mark.parametrize(("early", "end"), [(b"250 taken\r\n", End.CUT), (b"552 too large\r\n", End.DENIED)], ids=["250", "552"])
def test_an_answer_ahead_of_the_mail_takes_nothing(early: bytes, end: End, book: Ledger) -> None:
    """A relay that is out of step, or Charlie's: whatever it says, it has not seen the mail. Its session ends, the others go on."""
    with running(FalseRelay({"DATA": say(b"354 go on\r\n" + early, b"354 go on\r\n")})) as relay:
        fly(relay, mails_to(*many(4)), book)
    assert sorted(book.ends.values()) == sorted([end, *[End.TAKEN] * 3])
    (other,) = [one for one in book.ended if one.end is not End.TAKEN]
    assert ("has not seen" if end is End.CUT else "552 too large") in (other.words or str(other.reply))
    assert len(relay.heard) == 2


def test_it_waits_no_longer_than_it_may(book: Ledger) -> None:
    """A relay that has the mail and says nothing leaves it in doubt; one that says nothing to RCPT has nothing."""
    with running(FalseRelay({END: say(b"", b"250 taken\r\n")})) as relay:
        fly(relay, mails_to(TO, OTHER), book, sessions=2, seconds=0.3)
    assert sorted(book.ends.values()) == [End.IN_DOUBT, End.TAKEN]


def test_it_goes_on_while_a_recipient_is_not_answered(book: Ledger) -> None:
    def rcpt(line: str) -> bytes:
        return b"" if "slow" in line else b"250 ok\r\n"

    with running(FalseRelay({"RCPT": rcpt})) as relay:
        fly(relay, mails_to("slow@slow.example.net", *many(8)), book, sessions=2, seconds=0.3)
    assert book.ends == {"slow@slow.example.net": End.UNANSWERED, **dict.fromkeys(many(8), End.TAKEN)}
    assert "in time" in book.words("slow@slow.example.net")


def test_a_reply_that_drips_is_waited_for_no_longer_than_another(book: Ledger) -> None:
    """Each octet comes in good time; all of them would take for ever."""
    with running(FalseRelay({END: say(b"250 " + b"x" * 1000)}, drip_seconds=0.1)) as relay:
        fly(relay, mails_to(TO), book, seconds=0.5)
    assert book.ends == {TO: End.IN_DOUBT}


@pytest.mark.parametrize("reply", [b"250-" + b"x" * 5000, b"250-x\r\n" * 200, b"2" * 100_000, b"9\r\n", b"\x00\r\n", b"250\x85ok"])
def test_it_reads_no_reply_without_bounds(reply: bytes, book: Ledger) -> None:
    with running(FalseRelay({END: say(reply, b"250 taken\r\n")})) as relay:
        fly(relay, mails_to(TO, OTHER), book, seconds=1.0)
    assert sorted(book.ends.values()) == [End.IN_DOUBT, End.TAKEN]


def test_it_does_not_send_what_the_book_does_not_allow(book: Ledger) -> None:
    """Another worker has it by now."""
    book.refused = {OTHER}
    with running(FalseRelay()) as relay:
        fly(relay, mails_to(OTHER, TO), book)
    assert book.ends == {TO: End.TAKEN}
    assert len(relay.mails) == 1
    assert [line[:4] for line in relay.heard[0]] == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]


def test_it_begins_nothing_when_the_time_is_over(book: Ledger) -> None:
    with running(FalseRelay()) as relay:
        now = time.monotonic()
        flight = Flight(mails_to(TO, OTHER), book, seconds=5, begins_by=now - 1, ends_by=now + 5)
        (connection,) = flight.fly([open_session(relay_at(relay))])
        connection.quit()
    assert [mail.key for mail in flight.left] == [TO, OTHER]
    assert (relay.mails, book.commits) == ([], 0)


def test_it_holds_back_what_was_committed_too_late() -> None:
    """The commit took so long that the lease could end within DATA: nothing is sent, and that is known."""

    class Slow(Ledger):
        def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> set[object]:
            if accepted:
                time.sleep(0.6)
            return super().write(ended, accepted)

    book = Slow()
    with running(FalseRelay()) as relay:
        now = time.monotonic()
        flight = Flight(mails_to(TO, OTHER), book, seconds=5, begins_by=now + 0.5, ends_by=now + 5)
        for connection in flight.fly([open_session(relay_at(relay))]):
            connection.quit()
    assert book.ends == {TO: End.HELD_BACK}
    assert [mail.key for mail in flight.left] == [OTHER]
    assert relay.mails == []


def test_it_sends_nothing_after_sleeping_through_its_lease(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process stood still after DATA: the relay's word has come, and its session is open, but the mail may be somebody else's by now."""
    begin = Lane.begin

    def begin_and_sleep(lane: Lane, *, now: float) -> None:
        begin(lane, now=now)
        lane.connection.flush()
        time.sleep(1.0)

    monkeypatch.setattr(Lane, "begin", begin_and_sleep)
    with running(FalseRelay()) as relay:
        now = time.monotonic()
        flight = Flight(mails_to(TO), book, seconds=5, begins_by=now + 0.8, ends_by=now + 0.9)
        flight.fly([open_session(relay_at(relay))])
    assert book.ends == {TO: End.CUT}
    assert relay.mails == []


def test_a_slow_domain_leaves_sessions_to_the_others() -> None:
    """It answers only once all mails to other domains have been handed over."""
    others = [*many(30), *many(30, "shop.example.net")]
    through = threading.Event()

    class Counting(Ledger):
        def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> set[object]:
            allowed = super().write(ended, accepted)
            if {key for key, end in self.ends.items() if end is End.TAKEN} >= set(others):
                through.set()
            return allowed

    def rcpt(line: str) -> bytes:
        if "slow.example.com" in line:
            assert through.wait(20)
        return b"250 ok\r\n"

    book = Counting()
    slow = many(30, "slow.example.com")
    with running(FalseRelay({"RCPT": rcpt})) as relay:
        fly(relay, mails_to(*slow, *others), book, sessions=4, seconds=20)
    assert book.ends == dict.fromkeys([*slow, *others], End.TAKEN)


@pytest.mark.parametrize("extensions", [PLAIN, PIPELINED], ids=["plain", "pipelined"])
def test_it_leaves_a_session_clean_for_the_next(extensions: tuple[str, ...], book: Ledger) -> None:
    """After a refused recipient the relay has an open mail: RSET comes before the next one's MAIL."""
    with running(FalseRelay({"RCPT": say(b"550 nobody\r\n", b"250 ok\r\n")}, extensions)) as relay:
        now = time.monotonic()
        connections = [open_session(relay_at(relay))]
        for to in (TO, OTHER):
            connections = Flight(mails_to(to), book, seconds=5, begins_by=now + 60, ends_by=now + 90).fly(connections)
        connections[0].quit()
    assert [line[:4] for line in relay.heard[0]] == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]
    assert book.ends == {TO: End.REFUSED, OTHER: End.TAKEN}


def test_it_closes_every_session_where_the_commit_fails() -> None:
    """Nothing is known to be committed then, so nothing may be sent."""

    class Broken(Ledger):
        def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> set[object]:
            raise ConnectionError(f"the database is away, with {len(ended)} ended and {len(accepted)} accepted")

    with running(FalseRelay()) as relay:
        now = time.monotonic()
        connections = [open_session(relay_at(relay)) for _ in range(2)]
        with pytest.raises(ConnectionError):
            Flight(mails_to(TO, OTHER), Broken(), seconds=5, begins_by=now + 60, ends_by=now + 90).fly(connections)
        assert [connection.fileno() for connection in connections] == [-1, -1]
    assert "DATA" not in relay.lines
    assert relay.mails == []


def test_it_refuses_an_address_that_would_be_a_command(book: Ledger) -> None:
    with running(FalseRelay()) as relay, pytest.raises(ValueError, match="control character"):
        fly(relay, [Mail(1, FROM, "bob@x.example>\r\nRCPT TO:<charlie@shop.example.net", OCTETS, "x.example")], book)
    assert CHARLIE not in "".join(relay.lines)
