"""The foreign program: `openssl` makes the recipients' keys, opens their mails and judges the signer."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60


class OpensslError(Exception):
    """openssl refused; the text holds the command and what it said."""


def openssl(*arguments: str | Path, feed: bytes = b"") -> bytes:
    """Run one command; its output. Raises OpensslError."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=feed, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise OpensslError(f"openssl {' '.join(map(str, arguments))} failed:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


@dataclass(frozen=True)
class Recipient:
    """A person with a key and a self-made certificate of their own."""

    address: str
    folder: Path
    name: str

    @property
    def key(self) -> Path:
        return self.folder / f"{self.name}.key"

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.name}.crt"

    @property
    def mail(self) -> Path:
        return self.folder / f"{self.name}.eml"

    def make_key(self, *, curve: str | None = None) -> None:
        """An RSA key of 2048 bits, or an EC key on `curve`, and a certificate for encryption to it."""
        kind = ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}"] if curve else ["-newkey", "rsa:2048"]
        usage = "digitalSignature,keyAgreement" if curve else "digitalSignature,keyEncipherment"
        extensions = [f"subjectAltName=email:{self.address}", f"keyUsage=critical,{usage}", "extendedKeyUsage=emailProtection"]
        added = [word for extension in extensions for word in ("-addext", extension)]
        names = ["-subj", f"/CN={self.name.title()}", "-days", "365", *added, "-addext", "basicConstraints=critical,CA:FALSE"]
        # Without a configuration of its own openssl would add its default extensions, which contradict these.
        plain = self.folder / f".{self.name}.cnf"
        plain.write_text("[req]\ndistinguished_name=dn\n[dn]\n", encoding="ascii")
        openssl("req", "-x509", "-config", plain, *kind, "-nodes", "-keyout", self.key, "-out", self.certificate, *names)
        plain.unlink()
        self.key.chmod(0o600)

    def decrypted(self, content: bytes) -> bytes:
        """What a mail sealed to this recipient holds."""
        return openssl("cms", "-decrypt", "-recip", self.certificate, "-inkey", self.key, feed=content)

    def opened(self, chain: Path, signer: Path) -> bytes:
        """Decrypt the received mail and verify the signature inside up to `chain`; the signed content. The signer's certificate goes to `signer`."""
        inner = self.decrypted(self.mail.read_bytes())
        return openssl("cms", "-verify", "-CAfile", chain, "-purpose", "smimesign", "-signer", signer, feed=inner)


def pem_of_certificate(der: bytes) -> bytes:
    return openssl("x509", "-inform", "DER", feed=der)


def pem_of_crl(der: bytes) -> bytes:
    return openssl("crl", "-inform", "DER", feed=der)


def accepts(signer: Path, chain: Path, crl: Path) -> None:
    """Judge the signer strictly and against the CRL. Raises OpensslError."""
    openssl("verify", "-x509_strict", "-crl_check_all", "-purpose", "smimesign", "-CAfile", chain, "-CRLfile", crl, signer)
