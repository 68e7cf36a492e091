"""A time-stamp authority and an OCSP responder made of OpenSSL's commands, and what its commands find in a signature."""

import re
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.pki import Authority, Holder

_TSA_SETTINGS = """[tsa]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
"""


@dataclass(frozen=True)
class Evidence:
    """Answers and stamps under one authority. A refusal of OpenSSL's is a CalledProcessError."""

    folder: Path
    authority: Authority

    def _run(self, *arguments: str, given: bytes | None = None) -> bytes:
        return subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, input=given, timeout=30).stdout

    def _write(self, **contents: bytes) -> None:
        for name, content in contents.items():
            (self.folder / name).write_bytes(content)

    def _official(self, purpose: x509.ObjectIdentifier) -> Holder:
        """A certificate for one purpose alone, as RFC 3161 section 2.3 asks of a time-stamp authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer, at = self.authority.root, self.authority.at
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Official")]))
            .issuer_name(issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(days=1))
            .not_valid_after(at + timedelta(days=1))
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
            .sign(issuer.key, hashes.SHA256())
        )
        return Holder(certificate, key)

    def stamp(self, value: bytes) -> bytes:
        """TimeStampToken over some octets, by an authority of its own."""
        tsa = self._official(ExtendedKeyUsageOID.TIME_STAMPING)
        settings = _TSA_SETTINGS.format(folder=self.folder).encode()
        self._write(stamped=value, tsa_crt=tsa.pem, tsa_key=tsa.key_pem, tsa_cnf=settings, serial=b"01\n")
        self._run("ts", "-query", "-data", "stamped", "-sha256", "-cert", "-out", "query")
        reply = ("-reply", "-config", "tsa_cnf", "-section", "tsa", "-queryfile", "query", "-signer", "tsa_crt", "-inkey", "tsa_key")
        self._run("ts", *reply, "-token_out", "-out", "token")
        return (self.folder / "token").read_bytes()

    def check_stamp(self, token: bytes, value: bytes) -> None:
        self._write(token=token, stamped=value, root=self.authority.roots_pem)
        self._run("ts", "-verify", "-token_in", "-in", "token", "-data", "stamped", "-CAfile", "root")

    def ocsp(self, holder: Holder, *, revoked: bool = False) -> bytes:
        """OCSPResponse that the holder's certificate is good, or was revoked an hour ago, signed by its issuer."""
        issuer = self.authority.issuer
        serial = f"{holder.certificate.serial_number:X}"
        state, since = ("R", f"{self.authority.at - timedelta(hours=1):%y%m%d%H%M%SZ}") if revoked else ("V", "")
        until = f"{holder.certificate.not_valid_after_utc:%y%m%d%H%M%SZ}"
        line = f"{state}\t{until}\t{since}\t{serial.zfill(len(serial) + len(serial) % 2)}\tunknown\t/CN=x\n"
        self._write(issuer_crt=issuer.pem, issuer_key=issuer.key_pem, holder_crt=holder.pem, index=line.encode())
        self._run("ocsp", "-issuer", "issuer_crt", "-cert", "holder_crt", "-no_nonce", "-reqout", "request")
        signs = ("-index", "index", "-CA", "issuer_crt", "-rsigner", "issuer_crt", "-rkey", "issuer_key", "-ndays", "1")
        self._run("ocsp", *signs, "-reqin", "request", "-respout", "answer")
        return (self.folder / "answer").read_bytes()

    def crl(self) -> bytes:
        """The root's list, in DER: it has revoked nothing."""
        at = self.authority.at
        names = x509.CertificateRevocationListBuilder().issuer_name(self.authority.root.certificate.subject)
        crl = names.last_update(at - timedelta(hours=1)).next_update(at + timedelta(days=1)).sign(self.authority.root.key, hashes.SHA256())
        return crl.public_bytes(Encoding.DER)

    def status(self, answer: bytes, holder: Holder) -> str:
        """What the OCSP answer says of the holder's certificate, its signature checked."""
        self._write(answer=answer, issuer_crt=self.authority.issuer.pem, holder_crt=holder.pem, root=self.authority.roots_pem)
        said = self._run("ocsp", "-respin", "answer", "-issuer", "issuer_crt", "-cert", "holder_crt", "-CAfile", "root", "-no_nonce")
        return said.decode().split("\n", maxsplit=1)[0].removeprefix("holder_crt: ")

    def found(self, signature: bytes, *, after: str, tag: str, nth: int = 0) -> bytes:
        """The first element with `tag` (`SEQUENCE`, `OCTET STRING`) behind the nth object `after`, cut out of a DER ContentInfo by OpenSSL.

        Of an OCTET STRING the contents, of a SEQUENCE the whole.
        """
        self._write(signature=signature)
        lines = self._run("asn1parse", "-inform", "DER", "-in", "signature").decode().splitlines()
        names = [number for number, line in enumerate(lines) if re.search(rf"OBJECT\s+:{re.escape(after)}$", line)]
        offset = next(re.match(r"\s*(\d+):", line) for line in lines[names[nth] :] if f": {tag}" in line)
        assert offset
        self._run("asn1parse", "-inform", "DER", "-in", "signature", "-strparse", offset[1], "-noout", "-out", "cut")
        return (self.folder / "cut").read_bytes()
