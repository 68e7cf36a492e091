"""The commands themselves, timed in a fresh clone of what is committed: from empty caches, then once more in the same clone."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.errors import NotMeasuredError
from bench.rows import Goal, Row, Sense, of_amount

ROOT = Path(__file__).resolve().parent.parent
# What the demo prints once its first page has been answered.
FIRST_PAGE = b"the first page answers at"
SAY = "This statement was timed."
DEMO_SECONDS, TEST_SECONDS = 300, 1200
LOG_BYTES = 3000

COLD_PAGE, COLD_STORY = "make demo, first page, from an empty cache: seconds", "make demo ONCE=1, end of the story, from an empty cache: seconds"
WARM_PAGE, WARM_STORY = "make demo, first page, warm: seconds", "make demo ONCE=1, end of the story, warm: seconds"
TESTS = "make test in a fresh clone: seconds"
DEMO_GOALS = {
    COLD_PAGE: Goal(Sense.AT_MOST, 20, "seconds"),
    COLD_STORY: Goal(Sense.AT_MOST, 60, "seconds"),
    WARM_PAGE: Goal(Sense.AT_MOST, 5, "seconds"),
    WARM_STORY: Goal(Sense.AT_MOST, 15, "seconds"),
}
TEST_GOALS = {TESTS: Goal(Sense.AT_MOST, 600, "seconds")}

# A clone is not this checkout, and its make is not this one's child; its servers and keys are its own.
_NOT_INHERITED = ("MAKE", "MFLAGS", "LETTERLOCK_", "VIRTUAL_ENV", "PYTHON", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_", "PYTEST_")


class Ran(NamedTuple):
    """`marked` is the seconds to the first line with the mark, `ended` those to the end of the command; `fault` tells how it failed, if it did."""

    marked: float | None
    ended: float
    fault: str


class Clone(NamedTuple):
    folder: Path
    environment: Mapping[str, str]

    def make(self, *arguments: str, mark: bytes = b"", seconds: float) -> Ran:
        """Run `make` in the clone, for at most that long."""
        started, marked, lines = time.monotonic(), None, bytearray()
        process = subprocess.Popen(
            ["make", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timer = threading.Timer(seconds, os.killpg, (process.pid, signal.SIGTERM))
        timer.start()
        try:
            for line in process.stdout or ():
                lines += line
                if mark and marked is None and mark in line:
                    marked = time.monotonic() - started
            status = process.wait()
        finally:
            timer.cancel()
        fault = f"make {' '.join(arguments)} ended with status {status}:\n{lines[-LOG_BYTES:].decode(errors='replace')}" if status else ""
        return Ran(marked, time.monotonic() - started, fault)


@contextmanager
def cloned(*, empty_caches: bool) -> Iterator[Clone]:
    """A clone with a state folder of its own, and package caches of its own if wanted."""
    folder = Path(tempfile.mkdtemp(prefix="letterlock-clone-"))
    folder.chmod(0o711)
    try:
        done = subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "clone")], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotMeasuredError(f"no clone can be made: {done.stderr.strip()}")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        environment["LETTERLOCK_STATE"] = str(folder / "state")
        if empty_caches:
            environment |= {name: str(folder / "cache" / name) for name in ("XDG_CACHE_HOME", "PIP_CACHE_DIR", "UV_CACHE_DIR")}
        yield Clone(folder / "clone", environment)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def demo_rows() -> Iterator[Row]:
    with cloned(empty_caches=True) as clone:
        for page, story in ((COLD_PAGE, COLD_STORY), (WARM_PAGE, WARM_STORY)):
            ran = clone.make("demo", "ONCE=1", f"OUT={clone.folder / 'out'}", f"SAY={SAY}", mark=FIRST_PAGE, seconds=DEMO_SECONDS)
            if ran.marked is not None:
                yield of_amount(page, ran.marked, DEMO_GOALS[page])
            if ran.fault:
                raise NotMeasuredError(ran.fault)
            yield of_amount(story, ran.ended, DEMO_GOALS[story])


def test_rows() -> Iterator[Row]:
    with cloned(empty_caches=False) as clone:
        ran = clone.make("test", seconds=TEST_SECONDS)
        if ran.fault:
            raise NotMeasuredError(ran.fault)
        yield of_amount(TESTS, ran.ended, TEST_GOALS[TESTS])
