"""A ledger row at the signer's door, and the signer's answers read."""

import hashlib
import json
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from directory.models import Organization
from directory.x509.names import EmailAddress
from mailer.ca.ledger import Step, move
from mailer.ca.profiles import PROFILES, last_second, new_serial, whole_second
from mailer.ca.server import Signer
from mailer.issuing import intend
from mailer.models import Issuance
from tests.pki import key_of


def public_bytes(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def assign_row(organization: Organization, address: str, *, at: datetime, spki: bytes = b"", **facts: object) -> Issuance:
    """What a worker does up to step (3), with any key (an EC key of its own where none is given) and any facts."""
    row = intend(organization=organization, address=EmailAddress.parse(address), actor="user:alice", at=at)
    spki = spki or public_bytes(key_of("p256", address).public_key())
    begin = whole_second(at)
    complete: dict[str, object] = {
        "authority_id": "smime-1",
        "serial": f"{new_serial():x}",
        "shard": 0,
        "spki": spki,
        "spki_digest": hashlib.sha256(spki).hexdigest(),
        "not_before": begin,
        "not_after": last_second(begin, PROFILES[row.profile].life),
    }
    move(row.id, Step.ASSIGN, actor="system:worker", at=at, facts=complete | facts)
    row.refresh_from_db()
    return row


def ask(signer: Signer, **request: object) -> dict[str, object]:
    """The signer's reply to one request, as it crosses the socket."""
    reply: dict[str, object] = json.loads(signer.answer(json.dumps(request).encode() + b"\n"))
    return reply


def ask_for(signer: Signer, row: Issuance) -> dict[str, object]:
    return ask(signer, verb="issue", issuance=str(row.id))
