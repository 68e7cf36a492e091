"""A Postfix of the test's own: its queue, data, settings, log and port are private, and it hands everything on to one next hop."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from portal.running.leash import leashed

DAEMONS = Path("/usr/lib/postfix/sbin")
PATIENCE = 30
_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}/log
syslog_name = postfix-kills
myhostname = relay.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_timeout = {idle}s
smtpd_error_sleep_time = 0
enable_long_queue_ids = yes
relayhost = [127.0.0.1]:{next_hop}
smtp_dns_support_level = disabled
smtp_host_lookup = native
local_recipient_maps =
alias_maps =
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
smtp_connection_cache_on_demand = no
{more}
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def is_installed() -> bool:
    """Whether there is a Postfix that this user may run: its master refuses all but root."""
    return (DAEMONS / "master").exists() and os.geteuid() == 0


@dataclass
class PostfixServer:
    """A context manager. `folder` has to be one that every user may enter."""

    folder: Path
    port: int
    next_hop: int
    idle: int = 2
    more: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def log(self) -> Path:
        return self.folder / "log" / "mail.log"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        owner = pwd.getpwnam("postfix")
        for name in ("spool", "data", "log", "settings"):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o755)
        os.chown(self.folder / "data", owner.pw_uid, owner.pw_gid)
        more = "\n".join(f"{name} = {value}" for name, value in self.more.items())
        main = _MAIN.format(folder=self.folder, daemons=DAEMONS, idle=self.idle, next_hop=self.next_hop, more=more)
        (self.folder / "settings" / "main.cf").write_text(main)
        (self.folder / "settings" / "master.cf").write_text(_MASTER.format(port=self.port))
        self._run("check")
        # A log that has just begun would not reach back to before what is sent at once.
        before = datetime.now().astimezone() - timedelta(hours=1)
        self.log.write_text(f"{before:%b} {before.day:2d} {before:%H:%M:%S} relay postfix-kills/master[1]: terminating on signal 15\n")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        command = leashed([str(DAEMONS / "master"), "-c", str(self.folder / "settings"), "-d"], ending=signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        # What an old master left may hold its lock for a moment.
        while True:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            while self.process.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                except OSError:
                    assert time.monotonic() < deadline, self.log.read_text()
                    time.sleep(0.05)
                else:
                    return
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        """SIGKILL to the master and to all that it forked."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def rotate(self) -> None:
        """As logrotate does: move the log away and have a new one opened."""
        self.log.rename(self.log.with_name("mail.log.1"))
        self._run("reload")

    def rename(self, *, long: bool) -> None:
        """Give queue files long names, or short ones that come again."""
        assert self.process is not None
        self._run("stop")
        self.process.wait()
        settings = self.folder / "settings" / "main.cf"
        settings.write_text(f"{settings.read_text()}\nenable_long_queue_ids = {'yes' if long else 'no'}\n")
        self.start()

    def is_empty(self) -> bool:
        """Whether all that it took has been handed on; what it was killed over before it had all of it stays, in mode 0600, and is no mail."""
        # Deferred mail becomes active, and the other way round, but not both within a second.
        return not any(
            entry.st_mode & 0o700 == 0o700
            for queue in ("deferred", "incoming", "active", "deferred")
            for path in (self.spool / queue).rglob("*")
            if (entry := _stat(path)) is not None and stat.S_ISREG(entry.st_mode)
        )

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _run(self, what: str) -> None:
        subprocess.run([shutil.which("postfix") or "/usr/sbin/postfix", "-c", str(self.folder / "settings"), what], check=True, capture_output=True)


def _stat(path: Path) -> os.stat_result | None:
    with contextlib.suppress(FileNotFoundError):
        return path.stat()
    return None
