"""A signed answer to a challenge: whoever makes it has the private key of one certificate.

1. A challenge belongs to one publication or replacement and to one purpose. It is mailed and shown; nobody can work it out.
2. The answer is an S/MIME mail, or a bare CMS (RFC 5652 section 5) with its content inside, in DER or PEM.
3. One of its signatures holds, and is by exactly the certificate in question, not by another of the same name or key. Its chain says nothing here.
4. The challenge is the first line of what was signed, and not quoted: whoever signed wrote it. A reply that only quotes somebody's question about
   it, as mail programs do by themselves, agrees to nothing.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from mailer.custody import cipher_of
from mailer.notices import PORTAL
from mailer.smime import isolated
from mailer.smime.outcomes import Outcome
from mailer.smime.trust import Revocation, Trust

MOST_OCTETS = 1024 * 1024
_CHALLENGE_DIGITS = 32
# The signature holds, and the certificate may sign mail, is valid now, and is not revoked by what came along.
_ENOUGH = frozenset({Outcome.VERIFIED, Outcome.UNTRUSTED, Outcome.UNKNOWN_REVOCATION})
_SEQUENCE = b"\x30"
_PEM = re.compile(rb"-----BEGIN (CMS|PKCS7)-----([A-Za-z0-9+/=\s]*)-----END \1-----\s*\Z")
_HEAD = b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")
_FIELD = re.compile(rb"(?i)content-[a-z-]+[ \t]*:|mime-version[ \t]*:")
_DELIMITER = re.compile(rb"(?m)^--[^\r\n]+\r?$")
_MOST_NESTED = 8


class Purpose(StrEnum):
    PUBLISH = "publish"
    REPLACE = "replace"


class AnswerError(Exception):
    """The answer proves nothing; `outcome` says what is wrong with its signature, or is one of the class's own words."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


OTHER_SIGNER = "other_signer"
NO_CHALLENGE = "no_challenge"


def challenge_of(purpose: Purpose, subject: UUID) -> str:
    """(1) What a signed answer about this publication or replacement must hold. Raises MissingKeyError."""
    return f"letterlock-{purpose}-" + cipher_of(PORTAL).digest(str(subject), context=f"challenge:{purpose}")[:_CHALLENGE_DIGITS]


def read_answer(message_or_cms: bytes, *, challenge: str, certificate_der: bytes, at: datetime) -> None:
    """(2) to (4); raises AnswerError. `certificate_der` need not be in the answer: it is at hand."""
    if len(message_or_cms) > MOST_OCTETS:
        raise AnswerError(Outcome.TOO_LARGE)
    trust = Trust((), intermediates=(certificate_der,), revocation=Revocation.IF_GIVEN)
    verification = isolated.verify(_entity(message_or_cms), at=at, trust=trust)
    _check_signer([(signature.certificate, signature.outcome) for signature in verification.signatures], verification.outcome, certificate_der)
    if _first_text(verification.content).lstrip().split(b"\n", 1)[0].strip() != challenge.encode("ascii"):
        raise AnswerError(NO_CHALLENGE)


def _entity(answer: bytes) -> bytes:
    """(2) As one MIME entity."""
    stripped = answer.strip()
    if answer[:1] == _SEQUENCE:
        return _HEAD + base64.encodebytes(answer)
    armoured = _PEM.match(stripped)
    return _HEAD + armoured[2].strip() + b"\r\n" if armoured else answer


def _check_signer(signatures: Sequence[tuple[bytes, Outcome]], outcome: Outcome, certificate_der: bytes) -> None:
    """(3) Of the certificates that signed, each with its outcome, and the outcome where there are none."""
    if not signatures:
        raise AnswerError(outcome)
    by_it = [found for certificate, found in signatures if certificate == certificate_der]
    if not by_it:
        first = signatures[0][1]
        raise AnswerError(OTHER_SIGNER if first in _ENOUGH else first)
    for found in by_it:
        if found not in _ENOUGH:
            raise AnswerError(found)


def _first_text(content: bytes) -> bytes:
    """(4) What a reader sees first of the signed entity: its text, or the first of its parts (RFC 2046 section 5.1), without a transfer encoding."""
    rest = content.lstrip()
    for _ in range(_MOST_NESTED):
        if not _FIELD.match(rest):
            return rest
        head, *body = _BLANK_LINE.split(rest, maxsplit=1)
        rest = body[0] if body else b""
        fields = head.lower()
        if b"multipart/" not in fields:
            return _decoded(rest, fields)
        rest = _DELIMITER.split(rest, maxsplit=1)[-1].lstrip()
    return b""


def _decoded(body: bytes, fields: bytes) -> bytes:
    """RFC 2045 section 6; what is no base64 says nothing."""
    if b"quoted-printable" in fields:
        return binascii.a2b_qp(body)
    if b"base64" in fields:
        block = _BLANK_LINE.split(_DELIMITER.split(body, maxsplit=1)[0].strip(), maxsplit=1)[0]
        try:
            return base64.b64decode(b"".join(block.split()), validate=True)
        except binascii.Error:
            return b""
    return body
