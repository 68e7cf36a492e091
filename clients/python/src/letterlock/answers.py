"""What the directory answers, read from JSON of which nothing is believed before it was looked at."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ._core.directory.x509.certificate import MOST_OCTETS, clean
from ._core.directory.x509.errors import AddressError
from ._core.directory.x509.names import EmailAddress
from .errors import UnusableAnswerError

MOST_CERTIFICATES = 100
_MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the certificate names; None where it does not say."""

    name: str | None
    organization: str | None
    organization_id: str | None
    country: str | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate as the directory describes it. Only that `fingerprint` is the SHA-256 of `der` was checked here."""

    fingerprint: str
    usage: frozenset[str]
    level: str
    identity: Identity
    issuer: str
    source: str
    key: Mapping[str, str | int]
    not_before: datetime
    not_after: datetime
    selected: bool
    der: bytes

    @property
    def pem(self) -> str:
        body = base64.encodebytes(self.der).decode("ascii").replace("\n", "")
        lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
        return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One candidate: accepted, or why not."""

    fingerprint: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """The answer for one address: `status` is found, none or malformed; `json` is what the server sent, for showing."""

    email: str
    status: str
    certificates: tuple[Certificate, ...]
    receipt: tuple[ReceiptLine, ...]
    json: Mapping[str, Any]

    @property
    def selected(self) -> Certificate | None:
        """The directory's choice."""
        return next((certificate for certificate in self.certificates if certificate.selected), None)


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """One message that the portal took: its id there, for whom, and its Message-ID."""

    id: str
    to: str
    message_id: str
    status: str


def malformed(email: str) -> Lookup:
    """The answer for what is not an address; nobody was asked."""
    return Lookup(email, "malformed", (), (), {"email": email, "status": "malformed"})


def read_lookup(value: object, *, asked: EmailAddress) -> Lookup:
    """One answer. Raises UnusableAnswerError, also where it is about another address than `asked`."""
    try:
        found = _mapping(value)
        if EmailAddress.parse(_text(found["email"])).match != asked.match:
            raise UnusableAnswerError("the answer is about another address than was asked for")
        status = _text(found["status"])
        certificates = tuple(_certificate(item) for item in _list(found.get("certificates", [])))
        receipt = tuple(_line(item) for item in _list(found.get("receipt", [])))
    except (KeyError, TypeError, ValueError, AddressError) as error:
        raise UnusableAnswerError("the answer is not one of the directory's API") from error
    if status not in {"found", "none"} or (status == "none" and certificates) or sum(found.selected for found in certificates) > 1:
        raise UnusableAnswerError("the answer contradicts itself")
    return Lookup(asked.address, status, certificates, receipt, found)


def read_lookups(value: object, *, asked: Sequence[EmailAddress]) -> list[Lookup]:
    """The answers of a batch, in its order. Raises UnusableAnswerError."""
    results = value.get("results") if isinstance(value, dict) else None
    if not isinstance(results, list) or len(results) != len(asked):
        raise UnusableAnswerError("the answer has not as many results as addresses were asked for")
    return [read_lookup(result, asked=address) for result, address in zip(results, asked, strict=True)]


def read_accepted(value: object) -> list[AcceptedMessage]:
    """What the portal took to send. Raises UnusableAnswerError."""
    try:
        taken = [_mapping(item) for item in _list(_mapping(value)["messages"], most=1000)]
        return [AcceptedMessage(*(_text(item[name]) for name in ("id", "to", "message_id", "status"))) for item in taken]
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableAnswerError("the answer is not one of the mail API") from error


def written(moment: datetime) -> str:
    """RFC 3339 in UTC, as the API wants it. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _certificate(value: object) -> Certificate:
    found = _mapping(value)
    encoded = _text(found["der"], most=2 * MOST_OCTETS)
    try:
        der = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise UnusableAnswerError("a certificate in the answer is not base64") from error
    if hashlib.sha256(der).hexdigest() != found["fingerprint"]:
        raise UnusableAnswerError("a certificate in the answer has another fingerprint than it says")
    identity = _mapping(found["identity"])
    return Certificate(
        fingerprint=str(found["fingerprint"]),
        usage=frozenset(_text(name) for name in _list(found["usage"])),
        level=_text(found["level"]),
        identity=Identity(*(_optional(identity.get(name)) for name in ("name", "organization", "organization_id", "country"))),
        issuer=_text(found["issuer"]),
        source=_text(found["source"]),
        key={_text(name): part if isinstance(part, int) else _text(part) for name, part in _mapping(found["key"]).items()},
        not_before=_moment(found["not_before"]),
        not_after=_moment(found["not_after"]),
        selected=found["selected"] is True,
        der=der,
    )


def _line(value: object) -> ReceiptLine:
    found = _mapping(value)
    return ReceiptLine(_text(found["fingerprint"]), found["accepted"] is True, _text(found["reason"]))


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _list(value: object, *, most: int = MOST_CERTIFICATES) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise TypeError
    return value


def _text(value: object, *, most: int = _MOST_TEXT) -> str:
    """Without control characters, which could play with a terminal or a log."""
    if not isinstance(value, str) or len(value) > most:
        raise TypeError
    return clean(value, most)


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)
