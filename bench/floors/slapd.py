"""The rival of look-ups: OpenLDAP's slapd with the same certificates, set up for nothing but answering searches for an address."""

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import NotMeasuredError
from bench.floors.ldap import BASE, CERTIFICATE
from bench.house import wait_for
from portal.running import bootstrap, folders, servers

PACKAGE, PROGRAM = "slapd", "/usr/sbin/slapd"
# A database in a map of the memory; no log, no limits. Every search looks for referrals too, so that it reads all entries without the first index.
SETTINGS = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
loglevel 0
threads {threads}
sizelimit unlimited
timelimit unlimited
database mdb
suffix {base}
directory {folder}
maxsize {size}
index objectClass,mail eq
dbnosync
"""
THREADS = 4
_MAP = 64 * 2**30


def install() -> None:
    """Install slapd if it is not here. Raises NotMeasuredError."""
    if not Path(PROGRAM).exists():
        try:
            bootstrap.install_from_apt([PACKAGE])
        except SystemExit as refusal:
            raise NotMeasuredError(str(refusal)) from refusal


def ldif(certificates: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Entries of RFC 2798 and RFC 4523 with one certificate each, under the entry that holds them all."""
    yield f"dn: {BASE}\nobjectClass: domain\ndc: example\n\n".encode()
    for number, (address, der) in enumerate(certificates):
        kind = f"objectClass: inetOrgPerson\nobjectClass: pkiUser\ncn: {number}\nsn: {number}\nmail: {address}"
        yield f"dn: cn={number},{BASE}\n{kind}\n{CERTIFICATE}:: {base64.b64encode(der).decode()}\n\n".encode()


@contextmanager
def slapd(certificates: Iterable[tuple[str, bytes]]) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Load addresses with their DER into a folder that goes away afterwards and serve them; the port and the process. Raises NotMeasuredError."""
    install()
    state = Path(tempfile.mkdtemp(prefix="letterlock-slapd-"))
    try:
        state.chmod(0o711)
        data, settings, log = state / "mdb", state / "slapd.conf", state / "slapd.log"
        data.mkdir(mode=0o700)
        settings.write_text(SETTINGS.format(threads=THREADS, base=BASE, folder=data, size=_MAP), encoding="ascii")
        as_user: list[str] = []
        if os.geteuid() == 0:
            folders.hand_to_unprivileged(data)
            as_user = ["-u", folders.UNPRIVILEGED, "-g", "nogroup"]
        _load(settings, certificates, log, user=folders.UNPRIVILEGED if as_user else None)
        port = servers.free_port(0)
        # In the foreground, which its debugging mode is, though at level 0 it tells nothing.
        command = [PROGRAM, "-f", str(settings), "-h", f"ldap://127.0.0.1:{port}/", "-d", "0", *as_user]
        with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd="/") as child:
            try:
                wait_for(port, child)
                yield port, child
            finally:
                child.terminate()
                try:
                    child.wait(15)
                except subprocess.TimeoutExpired:
                    child.kill()
    finally:
        shutil.rmtree(state, ignore_errors=True)


def _load(settings: Path, certificates: Iterable[tuple[str, bytes]], log: Path, *, user: str | None) -> None:
    """By slapadd in its quick mode, which checks no consistency and waits for no disk."""
    command = [PROGRAM, "-T", "add", "-q", "-f", str(settings)]
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd="/", user=user, group="nogroup" if user else None
        ) as child,
    ):
        if child.stdin is None:
            raise AssertionError("it is a pipe")
        try:
            child.stdin.writelines(ldif(certificates))
            child.stdin.close()
        except BrokenPipeError:
            pass  # its status and its log tell why
    if child.returncode:
        raise NotMeasuredError(f"slapadd ended with status {child.returncode}: {log.read_text(errors='replace')[-1500:]}")
