"""A backup made while sending, restored after more was sent, on a real Postfix: nothing is sent again."""

import subprocess
import sys
from collections import Counter

import psycopg

from portal.running import servers
from tests.reliability.client import Client
from tests.reliability.conftest import need_postfix
from tests.reliability.ground import ROOT, Ground, open_ground

# Few at a time, so that the backup finds messages in the middle.
SLOWLY = {"LETTERLOCK_DOMAIN_MESSAGES": "8"}


def program(ground: Ground, name: str, *arguments: str) -> None:
    programs = servers._postgres_programs(ground.folder)
    subprocess.run([programs / name, "--dbname", ground.database_url, *arguments], check=True, stdout=subprocess.DEVNULL)


def on_their_way(ground: Ground) -> dict[str, int]:
    found = ground.rows("SELECT status, count(*) FROM mailer_message WHERE status IN ('queued', 'sealing', 'sealed', 'handing') GROUP BY status")
    return {str(status): int(str(count)) for status, count in found}


def back_up(ground: Ground, client: Client) -> str:
    """A dump of a database in which messages are on their way."""
    path = str(ground.folder / "backup.sql")
    client.send(400)
    ground.wait_for(lambda: len(ground.taken()) > 20, "the first mails")
    program(ground, "pg_dump", "--file", path)
    return path


def restore(ground: Ground, path: str) -> None:
    """Into a new database, as on another machine."""
    administration = ground.database_url.replace("/letterlock?", "/postgres?")
    with psycopg.connect(administration, autocommit=True) as connection:
        connection.execute("DROP DATABASE letterlock WITH (FORCE)")
        connection.execute("CREATE DATABASE letterlock")
    program(ground, "psql", "--quiet", "--file", path)


def hold(ground: Ground) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "manage.py", "hold_after_restore", "--actor", "user:operator"]
    return subprocess.run(command, cwd=ROOT, env=ground.environment, capture_output=True, text=True, check=False)


def test_it_goes_on_from_a_backup_without_sending_again() -> None:
    need_postfix()
    with open_ground("postfix", more=SLOWLY) as ground:
        with Client(ground.address, ground.token) as client:
            path = back_up(ground, client)
            saved = len(ground.taken())
            ground.wait_for(lambda: len(ground.taken()) > saved + 40, "mails that the backup knows nothing of")
            for name in ("beat", "worker0", "worker1", "web"):
                ground.children[name].kill()
        taken = Counter(ground.taken())
        assert len(taken) < len(client.accepted) == client.given, "not everything was sent"
        restore(ground, path)
        before = on_their_way(ground)
        assert before.get("queued"), f"the backup holds what was sent after it: {before}"

        said = hold(ground)
        ground.wait_for(lambda: said.returncode == 0 or hold(ground).returncode == 0, f"an answer for all: {said}")
        after = on_their_way(ground)
        assert 0 < after["queued"] < before["queued"], "some were taken since the backup, and some were not"
        for name in ("beat", "worker0", "worker1"):
            ground.children[name].start()
        ground.wait_for(lambda: not on_their_way(ground), "the rest")
        assert Counter(ground.taken()) == ground.counted() == dict.fromkeys(client.accepted.values(), 1)
        ends = {status for (status,) in ground.rows("SELECT DISTINCT status FROM mailer_message")}
        assert ends <= {"handed", "delivered"}
        assert ground.rows("SELECT count(*) FROM mailer_pause WHERE resumed_at IS NULL") == [(0,)]
