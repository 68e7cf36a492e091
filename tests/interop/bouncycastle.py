"""BouncyCastle, in one Java process that answers a line for each line it is given."""

import os
import subprocess
from pathlib import Path

from tests.interop.engine import Holders, RefusedBy, Requirement

_JARS = [f"/usr/share/java/{name}.jar" for name in ("bcprov", "bcutil", "bcpkix", "bcmail")]
REQUIREMENT = Requirement(("default-jdk-headless", "libbcmail-java"), ("/usr/bin/javac", *_JARS))
_SOURCE = Path(__file__).with_name("BouncyCastle.java")


class BouncyCastle:
    def __init__(self, folder: Path, holders: Holders, root: bytes, issuer: bytes) -> None:
        self._folder = folder
        (folder / "root.pem").write_bytes(root)
        (folder / "issuer.pem").write_bytes(issuer)
        for name, holder in holders.items():
            (folder / f"{name}.crt").write_bytes(holder.pem)
            (folder / f"{name}.key").write_bytes(holder.key_pem)
        # Java compiles a single source file by itself when it is started with one.
        command = ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", ":".join(_JARS), str(_SOURCE)]
        self._errors = (folder / "errors").open("wb")
        self._java = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, encoding="utf-8")
        self.version = Path(os.path.realpath(_JARS[0])).stem.partition("-")[2]

    def opens(self, envelope: bytes, holder: str) -> bytes:
        return self.answers("open", envelope, f"{holder}.key", f"{holder}.crt")

    def verifies(self, signature: bytes, content: bytes | None = None) -> bytes:
        if content is not None:
            (self._folder / "content").write_bytes(content)
        return self.answers("verify", signature, "" if content is None else "content", "root.pem")

    def answers(self, verb: str, given: bytes, *words: str) -> bytes:
        """Ask for anything that BouncyCastle.java can do, with file names as it takes them; what it wrote."""
        (self._folder / "in").write_bytes(given)
        if self._java.stdin is None or self._java.stdout is None:
            raise AssertionError("both are pipes")
        self._java.stdin.write("\t".join((verb, "in", "out", *words)) + "\n")
        self._java.stdin.flush()
        answer = self._java.stdout.readline().rstrip("\n")
        if not answer:
            raise RuntimeError((self._folder / "errors").read_text(encoding="utf-8"))
        if answer != "ok":
            raise RefusedBy(answer)
        return (self._folder / "out").read_bytes()

    def close(self) -> None:
        if self._java.stdin:
            self._java.stdin.close()
        self._java.wait(timeout=30)
        if self._java.stdout:
            self._java.stdout.close()
        self._errors.close()
