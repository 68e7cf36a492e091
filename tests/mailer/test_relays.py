"""What relays' records tell: Postfix's log in each of its forms, and what a hostile mail can write into it."""

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from mailer.relays import Folder, Idempotent, Mail, Outcome, Postfix, Silent, relay_answers
from mailer.relays.postfix_log import Clock, LogError, lines, parse
from mailer.relays.postfix_tales import tales

OURS, OTHER = "<4f1c@bank.example.com>", "<9d2e@bank.example.com>"
QUEUE = "4jZ4cG2sgbzLGHb"
IDLE = timedelta(seconds=60)
Style = Callable[[datetime], str]
NOW = datetime.now(UTC).replace(microsecond=0)
HANDING = NOW - timedelta(seconds=90)


def traditional(at: datetime) -> str:
    return f"{at:%b} {at.day:2d} {at:%H:%M:%S} relay postfix/"


def iso(at: datetime) -> str:
    return f"{at.isoformat(timespec='microseconds')} relay postfix/"


def rfc5424(at: datetime) -> str:
    return f"<22>1 {at.isoformat(timespec='milliseconds')} relay postfix/"


def write(path: Path, told: Iterable[tuple[float, str]], style: Style = traditional, *, zone: timedelta = timedelta(0)) -> Path:
    """Lines by seconds after `HANDING`; a first one an hour before it, and the file's time that of the last."""
    at = HANDING
    with path.open("w") as log:
        for seconds, text in [(-3600.0, "master[1]: daemon started -- version 3.7.11"), *told]:
            at = HANDING + timedelta(seconds=seconds)
            program, _bracket, rest = text.partition("[")
            pid, _end, words = rest.partition("]: ")
            line = f"{program} {pid} - - {words}" if style is rfc5424 else text
            log.write(f"{style(at + zone)}{line}\n")
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


BEGUN = [(-1.0, "smtpd[7]: connect from unknown[127.0.0.1]"), (-0.5, f"smtpd[7]: {QUEUE}: client=unknown[127.0.0.1]")]
NAMED = (0.5, f"cleanup[8]: {QUEUE}: message-id={OURS}")
TAKEN = (0.6, f"qmgr[2]: {QUEUE}: from=<bills@bank.example.com>, size=4096, nrcpt=1 (queue active)")
ENDED = (1.0, "smtpd[7]: disconnect from unknown[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5")
LOST = [(1.0, "smtpd[7]: lost connection after DATA from unknown[127.0.0.1]"), ENDED]


def ask(log: Path, spool: Path | None = None, *, message_id: str = OURS, was_offered: bool = True, after: float = 90.0) -> Outcome:
    """So many seconds after it was handed over."""
    return Postfix(log, spool, IDLE, now=lambda: HANDING + timedelta(seconds=after)).outcomes([Mail(message_id, HANDING, HANDING, was_offered)])[
        message_id
    ]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    for queue in ("incoming", "active", "deferred", "hold"):
        (tmp_path / "spool" / queue).mkdir(parents=True)
    return tmp_path / "spool"


@pytest.mark.parametrize("style", [traditional, iso, rfc5424])
def test_it_reads_every_style(style: Style, tmp_path: Path, spool: Path) -> None:
    log = write(tmp_path / "mail.log", [*BEGUN, NAMED, TAKEN, ENDED], style)
    assert ask(log, spool) is Outcome.TAKEN
    assert ask(log, spool, message_id=OTHER, was_offered=False) is Outcome.NOT_TAKEN


@pytest.mark.parametrize("hours", [-11, -5.75, 1, 5.5, 13])
def test_it_finds_the_zone_by_when_the_file_was_changed(hours: float, tmp_path: Path, spool: Path) -> None:
    log = write(tmp_path / "mail.log", [*BEGUN, NAMED, TAKEN, ENDED], zone=timedelta(hours=hours))
    assert ask(log, spool) is Outcome.TAKEN
    assert ask(log, spool, message_id=OTHER, was_offered=False) is Outcome.NOT_TAKEN


def test_it_doubts_times_that_make_no_sense(tmp_path: Path, spool: Path) -> None:
    log = write(tmp_path / "mail.log", [*BEGUN, ENDED])
    odd = (NOW - timedelta(minutes=7)).timestamp()
    os.utime(log, (odd, odd))
    with pytest.raises(LogError):
        list(lines(log, since=HANDING, programs={b"smtpd"}))
    assert ask(log, spool) is Outcome.IN_DOUBT


def test_a_cleanup_line_proves_nothing(tmp_path: Path, spool: Path) -> None:
    log = write(tmp_path / "mail.log", [*BEGUN, NAMED, *LOST])
    assert ask(log, spool) is Outcome.NOT_TAKEN
    assert ask(log, None) is Outcome.IN_DOUBT, "without a look into the queue it may have been completed"


@pytest.mark.parametrize("queue", ["incoming", "active", "deferred/A", "hold"])
def test_a_complete_queue_file_is_taken(queue: str, tmp_path: Path, spool: Path) -> None:
    log = write(tmp_path / "mail.log", [*BEGUN, NAMED, ENDED])
    file = spool / queue / QUEUE
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"CM\nN\x2bMessage-ID: {OURS}")
    file.chmod(0o600)
    assert ask(log, spool) is Outcome.NOT_TAKEN
    file.chmod(0o700)
    assert ask(log, spool) is Outcome.TAKEN
    file.write_text(f"CM\nN\x2bMessage-ID: {OTHER}")
    assert ask(log, spool) is Outcome.NOT_TAKEN, "the name was given to another mail since"


@pytest.mark.parametrize("told", [BEGUN, [*BEGUN, NAMED]], ids=["before DATA", "within DATA"])
def test_it_waits_for_a_session_that_is_open(told: list[tuple[float, str]], tmp_path: Path, spool: Path) -> None:
    """Also one that has told no Message-ID: a relay that was asleep may yet read all of the mail."""
    another = [(5.0, "smtpd[9]: connect from a[127.0.0.1]"), (5.0, "smtpd[9]: disconnect from a[127.0.0.1] commands=0")]
    assert ask(write(tmp_path / "mail.log", [*told, *another]), spool) is Outcome.NOT_YET
    assert ask(write(tmp_path / "mail.log", [*told, *another, (6.0, ENDED[1])]), spool) is Outcome.NOT_TAKEN


def test_a_later_session_is_no_reason_to_wait(tmp_path: Path, spool: Path) -> None:
    later = [(60.0, "smtpd[9]: connect from a[127.0.0.1]"), (61.0, "smtpd[9]: 4jZ4cH0: client=a[127.0.0.1]")]
    assert ask(write(tmp_path / "mail.log", [*BEGUN, *LOST, *later]), spool) is Outcome.NOT_TAKEN


@pytest.mark.parametrize(
    "end",
    [
        "master[1]: warning: process /usr/lib/postfix/sbin/smtpd pid 7 killed by signal 9",
        "smtpd[7]: fatal: unexpected command-line argument",
        "smtpd[7]: 4jZ4cG9zzzzzzz: client=unknown[127.0.0.1]",
    ],
)
def test_a_session_ends_in_other_ways_too(end: str, tmp_path: Path, spool: Path) -> None:
    another = (30.0, "smtpd[9]: disconnect from a[127.0.0.1] commands=0")
    assert ask(write(tmp_path / "mail.log", [*BEGUN, (20.0, end), another]), spool) is Outcome.NOT_TAKEN


def test_a_new_master_does_not_end_what_the_old_one_left_at_once(tmp_path: Path, spool: Path) -> None:
    """Killed alone, it leaves sessions that go on until their clients are silent."""
    started = "master[11]: daemon started -- version 3.7.11"
    log = write(tmp_path / "mail.log", [*BEGUN, NAMED, (10.0, started)])
    assert ask(log, spool, after=10.0 + IDLE.total_seconds()) is Outcome.NOT_YET
    assert ask(log, spool, after=11.0 + IDLE.total_seconds()) is Outcome.NOT_TAKEN


def test_it_waits_for_a_log_that_was_not_written_to_since(tmp_path: Path, spool: Path) -> None:
    log = write(tmp_path / "mail.log", [(-1800.0, "smtpd[7]: disconnect from unknown[127.0.0.1] commands=0")])
    assert ask(log, spool) is Outcome.NOT_YET


def test_it_does_not_believe_another_relays_log(tmp_path: Path, spool: Path) -> None:
    """A wrong path in the settings must not send anything twice: the mail's recipient was accepted, so its session has to be there."""
    log = write(tmp_path / "mail.log", [*BEGUN, NAMED, TAKEN, ENDED])
    assert ask(log, spool, message_id=OTHER) is Outcome.IN_DOUBT
    early = [(-4000.0, BEGUN[1][1]), (-3990.0, ENDED[1])]
    assert ask(write(tmp_path / "mail.log", [*early, *BEGUN, NAMED, TAKEN, ENDED]), spool, message_id=OTHER) is Outcome.IN_DOUBT


def test_it_looks_into_no_queue_that_is_none(tmp_path: Path) -> None:
    log = write(tmp_path / "mail.log", [*BEGUN, NAMED, *LOST])
    assert ask(log, tmp_path / "missing") is Outcome.IN_DOUBT
    assert Postfix(log, tmp_path / "missing", IDLE, now=lambda: NOW).outcomes([]) == {}


def test_it_reads_on_in_rotated_logs(tmp_path: Path, spool: Path) -> None:
    log = tmp_path / "mail.log"
    write(tmp_path / "mail.log.1", [*BEGUN, NAMED])
    log.write_text(f"{traditional(HANDING)}{TAKEN[1]}\n{traditional(HANDING)}{ENDED[1]}\n")
    os.utime(log, (HANDING.timestamp() + 1, HANDING.timestamp() + 1))
    assert ask(log, spool) is Outcome.TAKEN
    new = log.rename(tmp_path / "mail.log-20261125")
    assert ask(log, spool) is Outcome.TAKEN, "there is no new log yet"
    new.rename(log)
    (tmp_path / "mail.log.1").unlink()
    assert ask(log, spool) is Outcome.IN_DOUBT, "what is left does not reach back to before it was offered"
    log.unlink()
    assert ask(log, spool) is Outcome.IN_DOUBT


@pytest.mark.parametrize(
    "spoof",
    [
        f"cleanup[8]: 4jZ4cG3xxxzLGHc: message-id=<a@b> postfix/cleanup[8]: {QUEUE}: message-id={OURS}",
        f"cleanup[8]: {QUEUE}: message-id=<a@b>{OURS}",
        f"cleanup[8]: {QUEUE}: warning: header Subject: message-id={OURS}; from=<a@b>",
        f"smtpd[7]: {QUEUE}: message-id={OURS}",
        f"smtpd[7]: NOQUEUE: reject: RCPT from a[1.2.3.4]: helo=<postfix/cleanup[8]: {QUEUE}: message-id={OURS}>",
    ],
)
def test_no_header_of_a_mail_can_speak_for_postfix(spoof: str, tmp_path: Path, spool: Path) -> None:
    log = write(tmp_path / "mail.log", [*BEGUN, (0.5, spoof), TAKEN, ENDED])
    assert ask(log, spool) is not Outcome.TAKEN


def test_it_goes_on_after_anything(tmp_path: Path, spool: Path) -> None:
    log = write(tmp_path / "mail.log", [*BEGUN, NAMED, TAKEN, ENDED])
    good = log.read_bytes()
    log.write_bytes(b"\x00\xff\n\n" + b"x" * 100_000 + b"\nNov 99 99:99:99 relay postfix/qmgr[1]: 0: from=<\n" + good)
    os.utime(log, (HANDING.timestamp() + 1, HANDING.timestamp() + 1))
    assert ask(log, spool) is Outcome.TAKEN


@given(st.binary(max_size=300), st.integers(0, 120), st.integers(0, 40))
def test_no_line_is_more_than_it_can_take(junk: bytes, place: int, cut: int) -> None:
    """A line is one of Postfix's or is left out; what it says of a queue file is text and flags."""
    good = f"{traditional(NOW)}smtp[3]: {QUEUE}: to=<a@b>, relay=c[1.2.3.4]:25, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 ok)\n".encode()
    clock = Clock(NOW)
    found = [parse(line, clock) for raw in (junk, good[:place] + junk + good[place + cut :]) for line in raw.splitlines(keepends=True)]
    for tale in tales(line for line in found if line is not None):
        assert not set(tale.words) & {chr(code) for code in (*range(32), *range(127, 160))}


def test_a_line_without_its_end_is_not_read_yet() -> None:
    clock = Clock(NOW)
    whole = f"{traditional(NOW)}qmgr[2]: {QUEUE}: removed\n".encode()
    assert parse(whole, clock) == (NOW, b"postfix", b"qmgr", b"2", QUEUE.encode(), b"removed")
    assert parse(whole[:-1], clock) is None


def test_a_december_line_read_in_january_is_of_last_year() -> None:
    line = parse(b"Dec 31 23:59:59 relay postfix/qmgr[2]: ABCDEF0123: removed\n", Clock(datetime(2027, 1, 1, tzinfo=UTC)))
    assert line is not None
    assert line.at.year == 2026


def test_the_settings_say_how_the_relay_is_asked(settings: Settings, tmp_path: Path) -> None:
    settings.LETTERLOCK_RELAY_FOLDER = settings.LETTERLOCK_RELAY_LOG = settings.LETTERLOCK_RELAY_SPOOL = ""
    mails = [Mail(OURS, NOW, NOW)]
    assert isinstance(relay_answers(), Silent)
    assert relay_answers().outcomes(mails) == {OURS: Outcome.IN_DOUBT}
    settings.LETTERLOCK_RELAY_IDEMPOTENT = True
    assert isinstance(relay_answers(), Idempotent)
    assert relay_answers().outcomes(mails) == {OURS: Outcome.NOT_TAKEN}
    settings.LETTERLOCK_RELAY_FOLDER = str(tmp_path)
    assert isinstance(relay_answers(), Folder)
    settings.LETTERLOCK_RELAY_LOG = str(tmp_path / "mail.log")
    assert isinstance(relay_answers(), Postfix)
