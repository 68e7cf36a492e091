"""`openssl cms`."""

from pathlib import Path

from tests.interop.engine import Holders, RefusedBy, Requirement, run, words_of

REQUIREMENT = Requirement(("openssl",), ("/usr/bin/openssl",))


class OpenSsl:
    def __init__(self, folder: Path, holders: Holders, root: bytes, issuer: bytes) -> None:
        self._folder = folder
        (folder / "root.pem").write_bytes(root)
        (folder / "issuer.pem").write_bytes(issuer)
        for name, holder in holders.items():
            (folder / f"{name}.crt").write_bytes(holder.pem)
            (folder / f"{name}.key").write_bytes(holder.key_pem)
        self.version = run(["openssl", "version"], folder=folder).stdout.decode().split()[1]

    def opens(self, envelope: bytes, holder: str) -> bytes:
        (self._folder / "envelope.der").write_bytes(envelope)
        return self.cms("-decrypt", "-binary", "-inform", "DER", "-in", "envelope.der", "-recip", f"{holder}.crt", "-inkey", f"{holder}.key")

    def verifies(self, signature: bytes, content: bytes | None = None) -> bytes:
        (self._folder / "signature.der").write_bytes(signature)
        detached: tuple[str, ...] = ()
        if content is not None:
            (self._folder / "content").write_bytes(content)
            detached = ("-content", "content")
        trust = ("-CAfile", "root.pem", "-purpose", "smimesign")
        return self.cms("-verify", "-binary", "-inform", "DER", "-in", "signature.der", *detached, *trust)

    def cms(self, *arguments: str, given: bytes | None = None) -> bytes:
        """Any `openssl cms` in the folder that has each holder's `.crt` and `.key`; what it wrote."""
        (self._folder / "out").unlink(missing_ok=True)
        ended = run(["openssl", "cms", *arguments, "-out", "out"], folder=self._folder, given=given)
        if ended.returncode:
            raise RefusedBy(words_of(ended))
        return (self._folder / "out").read_bytes()

    def close(self) -> None:
        pass
