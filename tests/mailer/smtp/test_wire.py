"""A mail on the line: its commands, its extensions, and dots and line ends that cannot be misread."""

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.smtp.replies import MOST_TEXT, Reply, ReplyReader
from mailer.smtp.wire import Mail, envelope, stuffed

FROM, TO = "bills@bank.example.com", "bob@people.example.org"
INTERNATIONAL = "bücher@people.example.org"


def mail(to: str = TO, octets: bytes = b"x\r\n", sender: str = FROM) -> Mail:
    return Mail(1, sender, to, octets, "people.example.org")


def test_it_says_no_more_than_the_relay_knows() -> None:
    assert envelope(mail(), {}) == (f"MAIL FROM:<{FROM}>\r\n".encode(), f"RCPT TO:<{TO}>\r\n".encode())
    assert envelope(mail(sender=""), {}) == (b"MAIL FROM:<>\r\n", f"RCPT TO:<{TO}>\r\n".encode())


def test_it_says_what_the_relay_asks_for() -> None:
    all_of_them = {"SIZE": "100", "8BITMIME": "", "SMTPUTF8": ""}
    assert envelope(mail(), all_of_them) == (f"MAIL FROM:<{FROM}> SIZE=3\r\n".encode(), f"RCPT TO:<{TO}>\r\n".encode())
    told = envelope(mail(INTERNATIONAL, "ü\r\n".encode()), all_of_them)
    assert told == (f"MAIL FROM:<{FROM}> SIZE=4 BODY=8BITMIME SMTPUTF8\r\n".encode(), f"RCPT TO:<{INTERNATIONAL}>\r\n".encode())


def test_it_asks_nothing_of_a_relay_that_cannot_take_the_mail() -> None:
    assert envelope(mail(INTERNATIONAL), {}) == Reply(550, "the relay does not take international addresses (SMTPUTF8)")
    refused = envelope(mail(octets=b"x" * 101), {"SIZE": "100"})
    assert refused == Reply(552, "the mail has 101 octets and the relay takes 100")


@pytest.mark.parametrize("limit", ["", "0", "-5", "1e3", "9" * 30, "²"])
def test_it_takes_a_size_that_is_none_for_no_limit(limit: str) -> None:
    assert not isinstance(envelope(mail(), {"SIZE": limit}), Reply)


@pytest.mark.parametrize("letter", ["\r", "\n", "\0", " ", "\t", "<", ">", "\x7f"])
@pytest.mark.parametrize("place", ["sender", "recipient"])
def test_it_carries_no_address_that_could_end_a_command(letter: str, place: str) -> None:
    """Charlie's address would be a command of its own."""
    hostile = f"bob{letter}@people.example.org"
    with pytest.raises(ValueError, match="control character"):
        envelope(mail(sender=hostile) if place == "sender" else mail(hostile), {})


@hypothesis.settings(deadline=None)
@given(st.binary(max_size=200) | st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"x"]), max_size=20).map(b"".join))
def test_what_is_stuffed_has_one_end(octets: bytes) -> None:
    """Whatever the mail holds, a relay finds its end at the end alone, and reads back the same lines."""
    body, end = stuffed(octets)
    sent = body + end
    assert sent.endswith(b"\r\n.\r\n") or sent == b".\r\n"
    for lenient_end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n"):
        assert (b"\r\n" + sent).count(lenient_end) == (1 if lenient_end == b"\n.\r\n" else 0)
    assert b"\n" not in sent.replace(b"\r\n", b"")
    assert b"\r" not in sent.replace(b"\r\n", b"")
    read = b"".join(line.removeprefix(b".") for line in sent[: -len(b".\r\n")].splitlines(keepends=True))
    normal = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert read in {normal, normal + b"\r\n"}


def test_it_cuts_and_cleans_what_a_relay_says() -> None:
    (reply,) = ReplyReader().feed("550 \x1b[31m\u202e".encode() + b"\xff" + b"x" * 2000 + b"\r\n")
    assert reply.for_good
    assert len(reply.text) == MOST_TEXT
    assert "\x1b" not in reply.text
    assert "\u202e" not in reply.text


@hypothesis.settings(deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=7)))
def test_it_reads_replies_in_any_pieces(sizes: list[int]) -> None:
    said = b"250-one\r\n250 two\r\n354\r\n550 5.1.1 no\n"
    reader, replies = ReplyReader(), []
    for size in [*sizes, len(said)]:
        replies += reader.feed(said[:size])
        said = said[size:]
    assert replies == [Reply(250, "one two"), Reply(354, ""), Reply(550, "5.1.1 no")]
    assert reader.is_empty
