"""From the API's 202 to the SMTP sink, as the portal runs, against the slowest of its stages alone in one process."""

import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

import orjson
import psycopg

from bench import house, sealing, sink
from bench.errors import NotMeasuredError
from bench.load import Load, post
from bench.rows import Goal, Row, Sense, of_ratio
from portal.running import servers

RECIPIENTS = 1000
BATCH = 100
MESSAGES = 4000
ROUNDS = 3
WAIT_SECONDS = 120
STAGES = ("look up", "seal", "hand over")

END_TO_END = "end to end, 4 KB: messages/s from acceptance to the SMTP sink, against the slowest stage alone"
GOALS = {END_TO_END: Goal(Sense.AT_LEAST, 0.6)}


def requests(token: str, count: int) -> list[bytes]:
    """Requests of a hundred messages, each with a key of its own."""
    made = []
    for start in range(0, count, BATCH):
        messages = [
            {"to": f"c{number % RECIPIENTS + 1}@example.net", "subject": "Your statement", "text": sealing.TEXT}
            for number in range(start, start + BATCH)
        ]
        body = orjson.dumps({"from": sealing.BANK, "messages": messages, "on_missing": "fail"})
        made.append(post("/api/v1/messages", body, f"Authorization: Bearer {token}\r\nIdempotency-Key: {secrets.token_hex(16)}\r\n"))
    return made


def rows() -> Iterator[Row]:
    with house.opened() as bare, ExitStack() as stack:
        port = servers.free_port(0)
        opened = bare.with_settings({"LETTERLOCK_SMTP_URL": f"smtp://127.0.0.1:{port}"})
        program, arguments = sink.command(port)
        house.wait_for(port, stack.enter_context(opened.process("sink", *arguments, program=program)))
        token = opened.furnish("sending", str(RECIPIENTS))["token"]
        web = stack.enter_context(opened.gunicorn("portal.wsgi")).port
        Load(web, requests(token, BATCH)).run(1)  # the first request loads what the others use
        rates = {"accept": _accept(web, token)} | {stage: _stage(opened, stage) for stage in STAGES}
        for stage, rate in rates.items():
            print(f"  {stage}: {rate:,.0f} messages/s alone, {1e6 / rate:,.0f} us each", flush=True)
        slowest = min(rates, key=lambda stage: rates[stage])
        celery = ("-m", "celery", "-A", "portal")
        alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        stack.enter_context(opened.process("worker", *celery, "worker", "-l", "INFO", "-c", "2", "-O", "fair", *alone))
        stack.enter_context(opened.process("beat", *celery, "beat", "-l", "INFO", "--pidfile", "", "-s", str(opened.state / "beat")))
        _wait(opened)  # what was accepted for the first stage
        pairs = []
        for _ in range(ROUNDS):
            ours = _whole(opened, web, token)
            pairs.append((ours, _accept_nothing_else(opened, web, token) if slowest == "accept" else _stage(opened, slowest)))
        ratio = statistics.median(ours / against for ours, against in pairs)
        ours, against = (statistics.median(side) for side in zip(*pairs, strict=True))
        yield of_ratio(END_TO_END, ours, against, ratio, GOALS[END_TO_END])


def _accept(web: int, token: str) -> float:
    """Requests answered with 202 by one web process, nothing else at work."""
    made = requests(token, MESSAGES)
    started = time.perf_counter()
    Load(web, made).run(len(made))
    return MESSAGES / (time.perf_counter() - started)


def _accept_nothing_else(opened: house.House, web: int, token: str) -> float:
    """The same while the workers run: what they then do is waited for before anything else is timed."""
    rate = _accept(web, token)
    _wait(opened)
    return rate


def _stage(opened: house.House, stage: str) -> float:
    return float(opened.django("bench.stages", stage)["rate"])


def _whole(opened: house.House, web: int, token: str) -> float:
    made = requests(token, MESSAGES)
    started = time.perf_counter()
    Load(web, made).run(len(made))
    _wait(opened)
    return MESSAGES / (time.perf_counter() - started)


# By the queue's own indexes: a count of all messages would take its share of what is measured.
_UNDER_WAY = (
    "SELECT EXISTS (SELECT 1 FROM mailer_message WHERE status = 'queued') "
    "OR EXISTS (SELECT 1 FROM mailer_message WHERE status IN ('sealing', 'sealed', 'handing'))"
)


def _wait(opened: house.House) -> None:
    """Until no message is on its way. Raises NotMeasuredError if one was not handed over, or they take too long."""
    deadline = time.monotonic() + WAIT_SECONDS
    with psycopg.connect(opened.servers.database_url, autocommit=True) as connection:
        while connection.execute(_UNDER_WAY).fetchone() == (True,) and time.monotonic() < deadline:
            time.sleep(0.02)
        counts: dict[str, int] = dict(connection.execute("SELECT status, count(*) FROM mailer_message GROUP BY status").fetchall())
        if set(counts) - {"handed"}:
            raise NotMeasuredError(f"not all messages were handed over: {counts}")
