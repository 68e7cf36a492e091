"""Parsing in a process of its own: what a hostile upload can do there, and cannot."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from directory.isolation import Cell, IsolationError, ParseCrashed, ParseTimeout, ParseTooBig

TASKS = "tests.directory.isolated_tasks"


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    cell = Cell(TASKS, seconds=0.5)
    yield cell
    cell.close()


def test_it_gives_back_what_the_task_found(cell: Cell) -> None:
    assert cell.run(f"{TASKS}:echo", {"a": [1, None, "ä"]}, b"x", b"", bytes(2_000_000)) == ({"a": [1, None, "ä"]}, [b"x", b"", bytes(2_000_000)])


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ("spin", ParseTimeout),
        ("sleep", ParseTimeout),
        ("eat", ParseTooBig),
        ("crash", ParseCrashed),
        ("fail", ParseCrashed),
        ("open_file", ParseCrashed),
        ("open_socket", ParseCrashed),
        ("no_such_task", ParseCrashed),
    ],
)
def test_it_names_what_became_of_a_bad_parse_and_goes_on(cell: Cell, task: str, error: type[IsolationError]) -> None:
    with pytest.raises(error):
        cell.run(f"{TASKS}:{task}", "4711")
    assert cell.run(f"{TASKS}:echo", 1) == (1, [])


def test_it_says_nothing_of_what_was_parsed(cell: Cell) -> None:
    with pytest.raises(ParseCrashed) as raised:
        cell.run(f"{TASKS}:fail", "4711")
    assert "4711" not in str(raised.value)


def test_it_takes_no_secrets_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "canary")
    another = Cell(TASKS)
    try:
        environment, _ = another.run(f"{TASKS}:environment", None)
    finally:
        another.close()
    assert not [name for name, value in environment.items() if value == "canary" or "KEK" in name or "DATABASE" in name]


def test_it_keeps_nothing_of_one_upload_for_the_next(cell: Cell) -> None:
    """Charlie's upload leaves nothing behind in the process that reads Alice's."""
    assert cell.run(f"{TASKS}:remember", "charlie")[0] == ["charlie"]
    assert cell.run(f"{TASKS}:remember", "alice")[0] == ["alice"]


def test_it_refuses_more_than_it_takes(cell: Cell) -> None:
    with pytest.raises(ParseTooBig):
        cell.run(f"{TASKS}:echo", None, bytes(65 * 1024 * 1024))


def test_it_parses_for_many_threads_at_once(cell: Cell) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: cell.run(f"{TASKS}:echo", number, bytes(number))[0], range(100)))
    assert found == list(range(100))


def test_it_starts_again_when_the_helper_was_killed(cell: Cell) -> None:
    cell.run(f"{TASKS}:echo", 1)
    helper = cell.helper_id
    assert helper is not None
    os.kill(helper, signal.SIGKILL)
    assert cell.run(f"{TASKS}:echo", 2) == (2, [])
    assert cell.helper_id != helper


def test_it_works_after_a_fork_and_ends_with_its_owner() -> None:
    """As under gunicorn and Celery, which fork workers that may each be killed."""
    program = f"""
import os
from directory.isolation import Cell
cell = Cell({TASKS!r})
assert cell.run("{TASKS}:echo", 1) == (1, [])
first = cell.helper_id
worker = os.fork()
if not worker:
    assert cell.run("{TASKS}:echo", 2) == (2, [])
    assert cell.helper_id not in (None, first)
    print(cell.helper_id, flush=True)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0
assert cell.run("{TASKS}:echo", 3) == (3, [])
print(first, flush=True)
os.kill(os.getpid(), 9)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    helpers = [int(line) for line in ran.stdout.split()]
    assert len(helpers) == 2, ran.stderr
    for helper in helpers:
        _wait_for_end(helper)


def _wait_for_end(process: int) -> None:
    for _ in range(200):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except FileNotFoundError:
            return
        time.sleep(0.05)
    pytest.fail("the helper outlives its owner")
