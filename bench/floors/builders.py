"""The full wire message as one would build it from what is at hand: `email.message` and cryptography's PKCS#7 builders.

The certificates are parsed and the keys loaded beforehand, so that only a message's own work is counted.
"""

from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options, PKCS7SignatureBuilder


def builders(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    certificate: x509.Certificate,
    chain: list[x509.Certificate],
    recipient: x509.Certificate,
    *,
    text: str,
    at: datetime,
) -> Callable[[], object]:
    """One message of `text`, signed and encrypted to an RSA recipient."""

    def once() -> bytes:
        inner = EmailMessage(policy=SMTP)
        inner.set_content(text)
        signature = PKCS7SignatureBuilder().set_data(inner.as_bytes()).add_signer(certificate, key, hashes.SHA256())
        for authority in chain:
            signature = signature.add_certificate(authority)
        signed = signature.sign(Encoding.SMIME, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])
        envelope = PKCS7EnvelopeBuilder().set_data(signed).set_content_encryption_algorithm(AES256).add_recipient(recipient)
        message = EmailMessage(policy=SMTP)
        message["From"] = "bills@bank.example.com"
        message["To"] = "alice@example.net"
        message["Subject"] = "Your statement"
        message["Date"] = at
        message["Message-ID"] = "<statement@bank.example.com>"
        message.set_content(
            envelope.encrypt(Encoding.DER, [PKCS7Options.Binary]),
            maintype="application",
            subtype="pkcs7-mime",
            filename="smime.p7m",
            params={"smime-type": "enveloped-data", "name": "smime.p7m"},
        )
        return message.as_bytes()

    return once
