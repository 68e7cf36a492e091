"""`manage.py demo --once`: the main job from an empty state, judged anew by openssl on the files it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal.running.embedded import KEKS
from portal.running.folders import CHECKOUT

SAY = "Rent: 5 $ \"due\" 'now' 您的余额\nsecond line"
FILES = {"chain.pem", "crl.pem", "signer.pem", "story.json"} | {f"{name}.{kind}" for name in ("bob", "carol") for kind in ("crt", "key", "eml")}

pytestmark = pytest.mark.xdist_group("portal")


def demo(state: Path, out: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    mine = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", *KEKS}
    environment = {name: value for name, value in os.environ.items() if name not in mine} | {"LETTERLOCK_STATE": str(state)}
    given = {"LETTERLOCK_DEMO_ONCE": "1", "LETTERLOCK_DEMO_OUT": str(out), "LETTERLOCK_DEMO_SAY": SAY, **extra}
    command = [sys.executable, "manage.py", "demo", "--port", "0", "--die-with-parent"]
    return subprocess.run(command, cwd=CHECKOUT, env=environment | given, capture_output=True, text=True, timeout=280, check=False)


def said(run: subprocess.CompletedProcess[str], folder: Path) -> str:
    """Everything that tells why a run failed."""
    logs = [f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in sorted((folder / "state" / "log").glob("*.log"))]
    return "\n".join([run.stdout, run.stderr, *logs])


def openssl(*words: str | Path, feed: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *map(str, words)], input=feed, capture_output=True, check=True).stdout


def test_it_plays_the_main_job_and_a_second_time_on_the_same_data(open_folder: Path, tmp_path: Path) -> None:
    first = demo(open_folder / "state", tmp_path / "one")
    assert first.returncode == 0, said(first, open_folder)
    assert {path.name for path in (tmp_path / "one").iterdir()} == FILES
    for name in ("bob", "carol"):
        recipient = [tmp_path / "one" / f"{name}.{kind}" for kind in ("eml", "crt", "key")]
        assert SAY.encode() not in recipient[0].read_bytes()
        inner = openssl("cms", "-decrypt", "-in", recipient[0], "-recip", recipient[1], "-inkey", recipient[2])
        content = openssl("cms", "-verify", "-CAfile", tmp_path / "one" / "chain.pem", "-purpose", "smimesign", feed=inner)
        assert SAY.encode() in content.replace(b"\r\n", b"\n")
    kinds = {name: openssl("x509", "-in", tmp_path / "one" / f"{name}.crt", "-noout", "-text").decode() for name in ("bob", "carol")}
    assert "rsaEncryption" in kinds["bob"]
    assert "prime256v1" in kinds["carol"]
    told = json.loads((tmp_path / "one" / "story.json").read_text())
    assert (told["ok"], len(told["steps"])) == (True, 14)
    assert all(step["seconds"] >= 0 for step in told["steps"])

    second = demo(open_folder / "state", tmp_path / "two")
    assert second.returncode == 0, said(second, open_folder)
    again = json.loads((tmp_path / "two" / "story.json").read_text())
    assert set(again["ids"].values()).isdisjoint(told["ids"].values())
    # The CA of the first run is the CA of the second.
    assert (tmp_path / "one" / "chain.pem").read_bytes() == (tmp_path / "two" / "chain.pem").read_bytes()


def test_it_fails_when_openssl_does(open_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    fake = folder / "openssl"
    # A program that verifies nothing; everything else is the real one.
    fake.write_text('#!/bin/sh\ncase "$*" in *-verify*) echo no >&2; exit 4;; esac\nexec /usr/bin/openssl "$@"\n')
    fake.chmod(0o755)
    run = demo(open_folder / "state", tmp_path / "out", PATH=f"{folder}:{os.environ['PATH']}")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "FAILED at step 12" in run.stdout
    assert json.loads((tmp_path / "out" / "story.json").read_text())["ok"] is False
