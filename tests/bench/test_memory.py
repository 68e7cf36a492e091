"""What is read of a process's memory is that process's."""

import os
import subprocess
import sys
import time

from bench.memory import children, peak

HOLD = "import sys; held = b'x' * 60_000_000; del held; print(flush=True); sys.stdin.read()"


def test_it_tells_the_most_that_ever_was() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert 60_000_000 < peak(child.pid) < 200_000_000
        assert child.pid in children(os.getpid())
        child.communicate()
    assert child.pid not in children(os.getpid())


def test_it_finds_no_children_of_one_that_has_none() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        time.sleep(0.1)
        assert children(child.pid) == []
        child.communicate()
