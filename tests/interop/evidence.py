"""What a certificate authority's services would hand in with a signature: a time stamp by `openssl ts`, and an OCSP answer."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.interop.engine import run, words_of
from tests.pki import Authority, Holder, make_key

_SETTINGS = """[tsa]
serial = serial
signer_cert = tsa.crt
signer_key = tsa.key
default_policy = 1.3.6.1.4.1.32473.1
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
"""


def _stamp_holder(at: datetime) -> Holder:
    """Self-signed, for time stamps alone: no mail program looks for its root."""
    key = make_key("p256")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Stamps")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    )
    return Holder(builder.sign(key, hashes.SHA256()), key)


class StampingAuthority:
    """RFC 3161 by `openssl ts` in a folder of its own."""

    def __init__(self, folder: Path, at: datetime) -> None:
        self._folder = folder
        holder = _stamp_holder(at)
        files = {"tsa.crt": holder.pem, "tsa.key": holder.key_pem, "tsa.cnf": _SETTINGS.encode(), "serial": b"01\n"}
        for name, octets in files.items():
            (folder / name).write_bytes(octets)

    def stamp(self, signature: bytes) -> bytes:
        """The TimeStampToken (a ContentInfo in DER) over a signature's octets."""
        (self._folder / "value").write_bytes(signature)
        self._ts("-query", "-data", "value", "-sha256", "-cert", "-out", "query")
        self._ts("-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", "query", "-token_out", "-out", "token")
        return (self._folder / "token").read_bytes()

    def _ts(self, *arguments: str) -> None:
        ended = run(["openssl", "ts", *arguments], folder=self._folder)
        assert ended.returncode == 0, words_of(ended)


def ocsp_answer(authority: Authority, holder: Holder, at: datetime) -> bytes:
    """OCSPResponse in DER: the certificate is good."""
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=holder.certificate,
        issuer=authority.issuer.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=at,
        next_update=at + timedelta(hours=1),
        revocation_time=None,
        revocation_reason=None,
    )
    answer = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, authority.issuer.certificate).sign(authority.issuer.key, hashes.SHA256())
    return answer.public_bytes(Encoding.DER)
