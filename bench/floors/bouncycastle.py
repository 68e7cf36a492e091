"""Sealing by BouncyCastle on a warm JVM: a process of its own that is kept running and told how many messages to make."""

import base64
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.errors import NotMeasuredError
from portal.running import bootstrap
from tests.pki import Holder

JARS = [f"/usr/share/java/{name}.jar" for name in ("bcprov", "bcutil", "bcpkix", "bcmail")]
PACKAGES = {"default-jdk-headless": "/usr/bin/javac", "libbcmail-java": JARS[-1]}
SOURCE = Path(__file__).with_name("BouncyCastle.java")
# The compiler of the JVM has seen enough of them: after that the rate rises no more.
WARMING = 4000


def install() -> None:
    """Install the JDK and the library if they are not here. Raises NotMeasuredError."""
    missing = [package for package, file in PACKAGES.items() if not Path(file).exists()]
    if missing:
        try:
            bootstrap.install_from_apt(missing)
        except SystemExit as refusal:
            raise NotMeasuredError(str(refusal)) from refusal


class BouncyCastle:
    """One JVM that seals one entity, from one signer to one recipient."""

    def __init__(self, asked: IO[str], answers: IO[str]) -> None:
        self._asked, self._answers = asked, answers

    def _ask(self, request: str) -> str:
        try:
            self._asked.write(request + "\n")
            self._asked.flush()
            answer = self._answers.readline()
        except OSError as error:
            raise NotMeasuredError("BouncyCastle's JVM has ended") from error
        if not answer:
            raise NotMeasuredError("BouncyCastle's JVM has ended")
        return answer

    def seal(self, count: int) -> int:
        """A side of a comparison."""
        self._ask(f"run {count}")
        return count

    def show(self) -> bytes:
        """One envelope, DER."""
        return base64.b64decode(self._ask("show"))


@contextmanager
def bouncycastle(signer: Holder, chain: Sequence[bytes], recipient: Holder, entity: bytes) -> Iterator[BouncyCastle]:
    """Start it with these; `chain` is the one intermediate in DER. Raises NotMeasuredError."""
    key = signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    [issuer] = chain
    given = {"signer.key": key, "signer.crt": signer.der, "chain.crt": issuer, "recipient.crt": recipient.der, "entity": entity}
    with tempfile.TemporaryDirectory(prefix="letterlock-bouncycastle-") as folder:
        for name, content in given.items():
            (Path(folder) / name).write_bytes(content)
        # Java compiles a single source file by itself when it is started with one.
        command = ["java", "-cp", ":".join(JARS), str(SOURCE), folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as java:
            if java.stdin is None or java.stdout is None:
                raise AssertionError("both are pipes")
            yield BouncyCastle(java.stdin, java.stdout)
