"""What is read of a process's memory is that process's."""

import os
import subprocess
import sys
import time

from bench.memory import children, peak, proportional

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


def test_it_counts_once_what_two_processes_share() -> None:
    """A fork has all its parent's pages resident, and half of them for its share."""
    forked = "import os, sys; held = b'x' * 60_000_000; os.fork(); os.write(1, b'%d\\n' % os.getpid()); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", forked], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        both = [int(child.stdout.readline()), int(child.stdout.readline())]
        shares = [proportional(pid) for pid in both]
        assert all(30_000_000 < share < 60_000_000 for share in shares), shares
        assert 60_000_000 < sum(shares) < 100_000_000
        child.communicate()
