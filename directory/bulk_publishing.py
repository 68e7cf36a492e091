"""Publish thousands of foreign certificates at once, for mailboxes that are new: the same rows as `publishing.publish` leaves, by COPY.

(1) The addresses that the directory does not know yet get mailboxes; two that do the same race for the rows, and the slower one leaves those out.
(2) Certificates, prepared answers, changes for the mailer and events are copied, all in one transaction.
(3) What is left out belongs to mailboxes that are there, and is for `publishing.publish`, which locks them and knows their certificates.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from struct import pack
from typing import Any, NamedTuple, cast

import orjson
from django.db import transaction

from directory import answers
from directory.copying import copy_rows, fetch_bound
from directory.errors import TooManyPublishedError
from directory.events import Verb
from directory.models import Certificate, CertificateStatus, ChangeKind, Level, Source
from directory.publishing import MOST_CHAIN, MOST_PUBLISHED, facts_of, identity_of
from directory.x509.certificate import ParsedCertificate
from directory.x509.names import EmailAddress


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate for one of the addresses that it names; it has passed the gate. `trust` is what the trust store said of it, if it was asked."""

    address: EmailAddress
    parsed: ParsedCertificate
    level: Level = Level.EXTERNAL
    trust: str = ""
    chain: tuple[bytes, ...] = ()


class CertificateRow(NamedTuple):
    """The columns of `directory_certificate`; an answer is prepared from this as from the model."""

    id: int
    mailbox_id: int
    fingerprint: str
    der: bytes
    spki: bytes
    issuer_and_serial: bytes
    smime_capabilities: bytes | None
    issuer: str
    serial: str
    level: str
    source: str
    name: str
    organization_name: str
    organization_identifier: str
    country: str
    can_sign: bool
    can_encrypt: bool
    key_type: str
    key_bits: int
    key_curve: str
    not_before: datetime
    not_after: datetime
    published_at: datetime
    chain: bytes
    trust: str
    judged_at: datetime | None
    status: str = CertificateStatus.PUBLISHED.value
    ended_at: datetime | None = None
    revocation_reason: str = ""

    @property
    def pk(self) -> int:
        """As the model calls it."""
        return self.id


_BY_TYPE = {int: "int8", str: "text", bytes: "bytea", bytes | None: "bytea", bool: "bool", datetime: "timestamptz", datetime | None: "timestamptz"}
# Arrays and JSON are encoded here, ten times as fast as for any value that might come: a binary COPY does not say of what type its octets are.
_CERTIFICATE_COLUMNS = {name: _BY_TYPE[kind] for name, kind in CertificateRow.__annotations__.items()} | {"key_bits": "int4"}
_ANSWER_COLUMNS = {"match": "text", "json": "bytea", "certificates": "bytea", "found": "bool", "etag": "text", "changes_at": "timestamptz"}
_CHANGE_COLUMNS = {"kind": "text", "address": "text", "match": "text", "fingerprint": "text", "actor": "text", "at": "timestamptz"}
_EVENT_COLUMNS = {"at": "timestamptz", "actor": "text", "verb": "text", "subject": "text", "detail": "bytea"}

# In the order of their addresses, so that two imports never wait for each other's.
_NEW_MAILBOXES = """
INSERT INTO directory_mailbox (address, match) SELECT * FROM unnest(%(addresses)b::text[], %(matches)b::text[])
ON CONFLICT DO NOTHING RETURNING match, id
"""
_IDS = "SELECT nextval(pg_get_serial_sequence('directory_certificate', 'id')) FROM generate_series(1, %(count)b::int4)"
_KNOWN_FINGERPRINTS = "SELECT DISTINCT fingerprint FROM directory_certificate WHERE fingerprint = ANY(%(fingerprints)b::text[])"


class Published(NamedTuple):
    """Of the entries, by their places: those `done`, those that are `left` to `publishing.publish`, and those over a mailbox's most."""

    done: list[int]
    left: list[int]
    refused: list[tuple[int, TooManyPublishedError]]


@transaction.atomic
def publish_new(entries: Sequence[Entry], *, source: Source, actor: str, at: datetime) -> Published:
    """Publish entries, no two alike in address and certificate, for mailboxes that are not there yet.

    A certificate that the directory has under another mailbox is left: it may have been revoked.
    """
    known = {fingerprint for (fingerprint,) in fetch_bound(_KNOWN_FINGERPRINTS, {"fingerprints": [entry.parsed.fingerprint for entry in entries]})}
    # (1) the mailboxes
    wanted = {entry.address.match: entry.address.address for entry in entries if entry.parsed.fingerprint not in known}
    matches = sorted(wanted)
    mailboxes: dict[str, int] = dict(fetch_bound(_NEW_MAILBOXES, {"addresses": [wanted[match] for match in matches], "matches": matches}))
    found = Published([], [], [])
    for place, entry in enumerate(entries):
        ours = entry.address.match in mailboxes and entry.parsed.fingerprint not in known
        (found.done if ours else found.left).append(place)
    _refuse_too_many(entries, found)
    # (2) their rows
    ids = [number for (number,) in fetch_bound(_IDS, {"count": len(found.done)})]
    rows: dict[str, list[CertificateRow]] = defaultdict(list)
    for number, place in zip(ids, found.done, strict=True):
        entry = entries[place]
        rows[entry.address.match].append(_row(number, mailboxes[entry.address.match], entry, source=source, at=at))
    _copy(rows, wanted, source=source, actor=actor, at=at)
    return found


def _refuse_too_many(entries: Sequence[Entry], found: Published) -> None:
    counts: dict[str, int] = defaultdict(int)
    within = []
    for place in found.done:
        counts[entries[place].address.match] += 1
        if counts[entries[place].address.match] > MOST_PUBLISHED:
            found.refused.append((place, TooManyPublishedError(f"A mailbox has at most {MOST_PUBLISHED} published certificates.")))
        else:
            within.append(place)
    found.done[:] = within


def _row(number: int, mailbox: int, entry: Entry, *, source: Source, at: datetime) -> CertificateRow:
    facts: dict[str, Any] = facts_of(entry.parsed) | identity_of(entry.parsed, entry.level)
    return CertificateRow(
        id=number,
        mailbox_id=mailbox,
        level=entry.level.value,
        source=source.value,
        published_at=at,
        chain=_array(_BYTEA, entry.chain[:MOST_CHAIN]) if entry.chain else _NO_CHAIN,
        trust=entry.trust,
        judged_at=at if entry.trust else None,
        **facts,
    )


def _copy(rows: Mapping[str, Sequence[CertificateRow]], addresses: Mapping[str, str], *, source: Source, actor: str, at: datetime) -> None:
    every = [(match, row) for match, of_mailbox in rows.items() for row in of_mailbox]
    copy_rows("directory_certificate", _CERTIFICATE_COLUMNS, (row for _match, row in every))
    copy_rows("directory_answer", _ANSWER_COLUMNS, _answers(rows, at=at))
    kind, verb = ChangeKind.PUBLISHED.value, Verb.CERTIFICATE_PUBLISHED.value
    copy_rows("directory_change", _CHANGE_COLUMNS, ((kind, addresses[match], match, row.fingerprint, actor, at) for match, row in every))
    details = {level.value: b"\x01" + orjson.dumps({"level": level.value, "source": source.value}) for level in Level}
    events = ((at, actor, verb, f"certificate:{row.fingerprint}", details[row.level]) for _match, row in every)
    copy_rows("directory_directoryevent", _EVENT_COLUMNS, events)


def _array(oid: int, elements: Sequence[bytes]) -> bytes:
    """A one-dimensional array in PostgreSQL's binary format: dimensions, no NULLs, the elements' type, their number and the first index."""
    head = (1, 0, oid, len(elements), 1) if elements else (0, 0, oid)
    return b"".join((pack(f"!{len(head)}i", *head), *(pack("!i", len(element)) + element for element in elements)))


_BYTEA, _INT8 = 17, 20
_NO_CHAIN = _array(_BYTEA, ())


def _answers(rows: Mapping[str, Sequence[CertificateRow]], *, at: datetime) -> Iterable[tuple[Any, ...]]:
    for match, of_mailbox in rows.items():
        # The rows have the columns of the model, and the answer is made of nothing else.
        answer = answers.row_of(cast("Sequence[Certificate]", of_mailbox), at=at)
        if answer is not None:
            ids = _array(_INT8, [pack("!q", number) for number in answer.certificates])
            yield (match, answer.json, ids, answer.found, answer.etag, answer.changes_at)
