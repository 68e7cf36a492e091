"""The memory of a worker that drains a deep outbox: of all its processes together, and the most that any of them ever had resident.

Together is the sum of their proportional set sizes (PSS), in which a page that several have counts once. It is looked at as often as the outbox
is, and the highest seen counts; the kernel keeps the highest resident set of each process by itself.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg

from bench import house, sink
from bench.errors import NotMeasuredError
from bench.rows import Goal, Row, Sense, of_amount
from portal.running import servers

QUEUED = 100_000
RECIPIENTS = 1000
# What is handed over before the worker counts as warm, with most still queued.
HANDED = 20_000
WAIT_SECONDS = 300

WORKER = f"memory: MB of a worker, parent and 2 children together (PSS), {QUEUED:,} messages queued"
LARGEST = f"memory: MB of a worker's largest process (RSS), {QUEUED:,} messages queued"
GOALS = {name: Goal(Sense.AT_MOST, 200, "MB") for name in (WORKER, LARGEST)}


def rows() -> Iterator[Row]:
    with house.opened() as bare, ExitStack() as stack:
        port = servers.free_port(0)
        opened = bare.with_settings({"LETTERLOCK_SMTP_URL": f"smtp://127.0.0.1:{port}", "LETTERLOCK_OUTBOX_DEPTH": str(2 * QUEUED)})
        program, arguments = sink.command(port)
        house.wait_for(port, stack.enter_context(opened.process("sink", *arguments, program=program)))
        opened.furnish("sending", str(RECIPIENTS))
        opened.django("bench.queueing", str(QUEUED), str(RECIPIENTS))
        celery = ("-m", "celery", "-A", "portal")
        alone = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        worker = stack.enter_context(opened.process("worker", *celery, "worker", "-l", "INFO", "-c", "2", "-O", "fair", *alone))
        stack.enter_context(opened.process("beat", *celery, "beat", "-l", "INFO", "--pidfile", "", "-s", str(opened.state / "beat")))
        together = max(sum(map(proportional, [worker.pid, *children(worker.pid)])) for _look in _until_handed(opened))
        yield of_amount(WORKER, together / 1e6, GOALS[WORKER])
        yield of_amount(LARGEST, max(peak(pid) for pid in [worker.pid, *children(worker.pid)]) / 1e6, GOALS[LARGEST])


def peak(pid: int) -> int:
    """The most octets a process ever had resident."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def proportional(pid: int) -> int:
    """The octets a process has resident now, of shared pages its share."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def _until_handed(opened: house.House) -> Iterator[None]:
    """Each look at the outbox until enough was handed over."""
    deadline = time.monotonic() + WAIT_SECONDS
    with psycopg.connect(opened.servers.database_url, autocommit=True) as connection:
        while True:
            counts: dict[str, int] = dict(connection.execute("SELECT status, count(*) FROM mailer_message GROUP BY status").fetchall())
            if counts.get("handed", 0) >= HANDED:
                return
            if {"failed", "unknown", "held"} & set(counts) or time.monotonic() > deadline:
                raise NotMeasuredError(f"not enough messages were handed over: {counts}")
            time.sleep(0.2)
            yield
