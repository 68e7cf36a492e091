"""A real Postfix, with the tests' own sink as its next hop."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.running.servers import free_port
from tests.interop.engine import Requirement, need
from tests.reliability.ground import ROOT
from tests.reliability.postfix import PostfixServer


def need_postfix() -> None:
    """Skip where there is no Postfix or this user may not run it; fail where the other mail programs are required."""
    need("Postfix, run by root,", Requirement(["postfix"], ["/usr/lib/postfix/sbin/master"] if os.geteuid() == 0 else ["/nowhere"]))


@pytest.fixture
def postfix() -> Iterator[PostfixServer]:
    """Sessions are ended after 2 s of silence; `folder/relay/journal.jsonl` is what the next hop took, `folder/relay/mood` its mood."""
    need_postfix()
    folder = Path(tempfile.mkdtemp(prefix="letterlock-postfix-"))
    folder.chmod(0o711)
    (folder / "relay").mkdir()
    hop, port = free_port(), free_port()
    sink = subprocess.Popen([sys.executable, "-m", "tests.reliability.sink", str(hop), str(folder / "relay"), "60", "plain"], cwd=ROOT)
    try:
        with PostfixServer(folder, port, hop) as server:
            yield server
    finally:
        sink.kill()
        sink.wait()
        # Its last children may still be writing.
        for _try in range(20):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.1)
