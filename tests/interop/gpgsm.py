"""gpgsm, in a home of its own under a short path: its agent's socket must fit into 108 bytes."""

import os
import shutil
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate, load_pem_x509_certificate

from tests.interop.engine import SIGNER, Holders, RefusedBy, Requirement, owner, run, words_of
from tests.pki import PrivateKey

REQUIREMENT = Requirement(("gpg-agent", "gpgsm"), ("/usr/bin/gpgsm", "/usr/bin/gpg-agent"))
_CURVES = {"secp256r1": b"NIST P-256", "secp384r1": b"NIST P-384"}


class _Home:
    """One person's: that person's keys, the others' certificates, and one trusted root; for a signer its issuer."""

    def __init__(self, person: str, holders: Holders, root: bytes, issuer: bytes) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ll-gpg-"))
        self._environment = {**os.environ, "GNUPGHOME": str(self.folder)}
        (self.folder / "gpgsm.conf").write_text("disable-crl-checks\ndisable-dirmngr\nno-secmem-warning\n", encoding="ascii")
        (self.folder / "private-keys-v1.d").mkdir(mode=0o700)
        known = [root, *(holder.pem for holder in holders.values()), *([issuer] if person == SIGNER else [])]
        self.gpgsm("--import", given=b"".join(known))
        (self.folder / "trustlist.txt").write_text(f"{_name(load_pem_x509_certificate(root))} S relax\n", encoding="ascii")
        for name, holder in holders.items():
            if owner(name) == person:
                found = self.gpgsm("--with-colons", "--with-keygrip", "-k", f"0x{_name(holder.certificate)}")
                grip = next(line.split(":")[9] for line in found.splitlines() if line.startswith("grp:"))
                (self.folder / "private-keys-v1.d" / f"{grip}.key").write_bytes(_private_key(holder.key))

    def gpgsm(self, *arguments: str, given: bytes | None = None) -> str:
        """What it said on standard output."""
        ended = run(["gpgsm", "--batch", "--yes", *arguments], folder=self.folder, environment=self._environment, given=given)
        # It ends with 2 also where it had no key for the first of several recipients and then opened with the second's.
        if ended.returncode and b"DECRYPTION_OKAY" not in ended.stdout:
            raise RefusedBy(words_of(ended))
        return ended.stdout.decode(errors="replace")

    def close(self) -> None:
        run(["gpgconf", "--kill", "all"], folder=self.folder, environment=self._environment)
        shutil.rmtree(self.folder, ignore_errors=True)


class Gpgsm:
    def __init__(self, folder: Path, holders: Holders, root: bytes, issuer: bytes) -> None:
        self._holders, self._root, self._issuer = holders, root, issuer
        self._homes: dict[str, _Home] = {}
        self.version = run(["gpgsm", "--version"], folder=folder).stdout.decode().split("\n")[0].split()[-1]

    def opens(self, envelope: bytes, holder: str) -> bytes:
        return self.writes(owner(holder), "--decrypt", "in.der", **{"in.der": envelope})[0]

    def verifies(self, signature: bytes, content: bytes | None = None) -> bytes:
        files = {"in.der": signature} | ({} if content is None else {"content": content})
        written, said = self.writes("alice", "--verify", *files, **files)
        if "GOODSIG" not in said or "TRUST_FULLY" not in said:
            raise RefusedBy(said)
        return written if content is None else content

    def fingerprint(self, holder: str) -> str:
        """How a command names the certificate."""
        return f"0x{_name(self._holders[holder].certificate)}"

    def writes(self, person: str, *arguments: str, **files: bytes) -> tuple[bytes, str]:
        """Any `gpgsm` in one person's home: what it wrote, and its status lines."""
        home = self._homes.get(person) or self._homes.setdefault(person, _Home(person, self._holders, self._root, self._issuer))
        for name, octets in files.items():
            (home.folder / name).write_bytes(octets)
        out = home.folder / "out"
        out.unlink(missing_ok=True)
        said = home.gpgsm("--status-fd", "1", *(() if "content" in files else ("--output", "out")), *arguments)
        return out.read_bytes() if out.exists() else b"", said

    def close(self) -> None:
        for home in self._homes.values():
            home.close()


def _name(certificate: Certificate) -> str:
    """gpgsm knows certificates by this and no other digest."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303


def _private_key(key: PrivateKey) -> bytes:
    """A key as the agent stores it, an S-expression without protection: a `.p12` with an EC key makes gpgsm 2.2 end at once."""
    if isinstance(key, rsa.RSAPrivateKey):
        private, public = key.private_numbers(), key.public_key().public_numbers()
        p, q = sorted((private.p, private.q))
        numbers = {b"n": public.n, b"e": public.e, b"d": private.d, b"p": p, b"q": q, b"u": pow(p, -1, q)}
        inner = _list(b"rsa", *(_list(name, _atom(_number(value))) for name, value in numbers.items()))
    else:
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        values = {b"curve": _CURVES[key.curve.name], b"q": point, b"d": _number(key.private_numbers().private_value)}
        inner = _list(b"ecc", *(_list(name, _atom(value)) for name, value in values.items()))
    return _list(b"private-key", inner)


def _list(name: bytes, *members: bytes) -> bytes:
    return b"".join((b"(", _atom(name), *members, b")"))


def _atom(octets: bytes) -> bytes:
    return b"%d:%s" % (len(octets), octets)


def _number(value: int) -> bytes:
    """Big-endian, and never with the sign's bit set."""
    return value.to_bytes(value.bit_length() // 8 + 1, "big")
