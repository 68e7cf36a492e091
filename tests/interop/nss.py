"""NSS, the library inside Thunderbird, by `cmsutil`."""

import os
import re
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from tests.interop.engine import SIGNER, Holders, RefusedBy, Requirement, owner, run, words_of
from tests.pki import Holder

REQUIREMENT = Requirement(("libnss3-tools",), ("/usr/bin/cmsutil", "/usr/bin/certutil", "/usr/bin/pk12util"))
_PASSWORD = "nss"
# The form that every version reads.
_OLD_FORM = (
    PrivateFormat.PKCS12.encryption_builder()
    .kdf_rounds(2000)
    .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    .hmac_hash(hashes.SHA1())  # noqa: S303 - the file protects nothing
    .build(_PASSWORD.encode())
)
# `cmsutil -h 1` writes a head of its own before an opaque signature's content: lines that end at the signers' states.
_HEAD = re.compile(rb"SMIME: [^\n]*\n(?:\t[^\n]*\n)*")


def make_profile(folder: Path, person: str, holders: Holders, root: bytes, issuer: bytes) -> None:
    """A certificate database as Thunderbird has one: this person's keys, the others' certificates, one trusted root; for a signer its issuer."""
    (folder / "root.pem").write_bytes(root)
    (folder / "issuer.pem").write_bytes(issuer)
    base = f"sql:{folder}"
    commands = [
        ["certutil", "-N", "-d", base, "--empty-password"],
        ["certutil", "-A", "-d", base, "-n", "root", "-t", "CT,C,C", "-a", "-i", "root.pem"],
    ]
    if person == SIGNER:
        commands.append(["certutil", "-A", "-d", base, "-n", "issuer", "-t", ",,", "-a", "-i", "issuer.pem"])
    for name, holder in holders.items():
        if owner(name) == person:
            (folder / f"{name}.p12").write_bytes(bundle(name, holder))
            commands.append(["pk12util", "-i", f"{name}.p12", "-d", base, "-W", _PASSWORD, "-K", ""])
        else:
            (folder / f"{name}.crt").write_bytes(holder.pem)
            commands.append(["certutil", "-A", "-d", base, "-n", name, "-t", ",,", "-a", "-i", f"{name}.crt"])
    for command in commands:
        ended = run(command, folder=folder, given=b"")
        if ended.returncode:
            raise RefusedBy(f"{command[0]}: {words_of(ended)}")


def bundle(name: str, holder: Holder) -> bytes:
    return pkcs12.serialize_key_and_certificates(name.encode(), holder.key, holder.certificate, None, _OLD_FORM)


class Nss:
    def __init__(self, folder: Path, holders: Holders, root: bytes, issuer: bytes, *, libraries: Path | None = None) -> None:
        """`libraries`: a folder with another build of NSS, such as Thunderbird's own."""
        self._folder, self._holders, self._root, self._issuer = folder, holders, root, issuer
        self._environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)} if libraries else dict(os.environ)
        listed = run(["dpkg-query", "-W", "-f", "${Version}", "libnss3-tools"], folder=folder).stdout.decode()
        self.version = re.sub(r"^\d+:|-.*$", "", listed)

    def opens(self, envelope: bytes, holder: str) -> bytes:
        return self.cmsutil(owner(holder), "-D", "-i", "in.der", **{"in.der": envelope})

    def verifies(self, signature: bytes, content: bytes | None = None) -> bytes:
        """Raises RefusedBy unless it says GoodSignature: its exit code is 0 for bad ones too."""
        files = {"in.der": signature} | ({} if content is None else {"content": content})
        written = self.cmsutil("alice", "-D", "-h", "1", "-i", "in.der", *(() if content is None else ("-c", "content")), **files)
        head = _HEAD.match(written)
        states = re.findall(rb"signer\d+\.status=(\w+)", head[0]) if head else []
        if head is None or states != [b"GoodSignature"]:
            raise RefusedBy(f"signers: {states}")
        return written[head.end() :]

    def cmsutil(self, person: str, *arguments: str, **files: bytes) -> bytes:
        """Any `cmsutil` on one person's profile, which has that person's keys and everybody's certificates; what it wrote."""
        profile = self._folder / person
        if not profile.exists():
            profile.mkdir()
            make_profile(profile, person, self._holders, self._root, self._issuer)
        for name, octets in files.items():
            (profile / name).write_bytes(octets)
        (profile / "out").unlink(missing_ok=True)
        ended = run(["cmsutil", "-d", f"sql:{profile}", *arguments, "-o", "out"], folder=profile, environment=self._environment, given=b"")
        if ended.returncode:
            raise RefusedBy(words_of(ended))
        return (profile / "out").read_bytes()

    def close(self) -> None:
        pass
