"""Answers kept ready to send: one row an address, written with each change, read by one indexed query and a join of bytes.

A row holds the JSON without the DER, which stands in the certificates' own rows and is put in when the answer is read. One statement reads
both, so that it sees all of a change or nothing of it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString, NamedTuple, Protocol

import orjson
import psycopg
import pybase64
from django.db import connections

from directory import replica
from directory.copying import fetch_bound
from directory.models import Answer, Certificate, CertificateStatus, Mailbox
from directory.selection import Selection, Usage, select, usable

# An answer without a certificate that will ever be usable does not change by itself.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


# Where a DER goes. No JSON text can hold these octets: within one, each quotation mark has a backslash before it.
_CUT = b'"der":"'
# How an answer begins.
FOUND, MISSED = b'"status":"found"', b'"status":"none"'
_FOUND_ALONE, _NONE_ALONE = FOUND + b"}", MISSED + b"}"


class Ready(NamedTuple):
    """What follows the address in the JSON object of an answer, until when that holds, and its entity tag."""

    tail: bytes
    found: bool
    etag: str
    changes_at: datetime

    def octets(self, *, status_only: bool = False) -> bytes:
        """As a batch has it."""
        return self.tail if not status_only else _FOUND_ALONE if self.found else _NONE_ALONE


class AnswerRow(NamedTuple):
    """The columns of one row of answers beside its address: `certificates` are the ids of the rows whose DER goes into `json`, in its order."""

    json: bytes
    certificates: list[int]
    found: bool
    etag: str
    changes_at: datetime


def written(at: datetime) -> str:
    """A time as the API writes it: RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def describe(certificate: Certificate, *, selected: bool) -> dict[str, object]:
    """One certificate as the API shows it, without its DER."""
    usage = [name for name, can in (("encrypt", certificate.can_encrypt), ("sign", certificate.can_sign)) if can]
    key: dict[str, object] = {"type": certificate.key_type}
    key |= {"curve": certificate.key_curve} if certificate.key_curve else {"bits": certificate.key_bits}
    return {
        "fingerprint": certificate.fingerprint,
        "usage": usage,
        "level": certificate.level,
        "identity": {
            "name": certificate.name or None,
            "organization": certificate.organization_name or None,
            "organization_id": certificate.organization_identifier or None,
            "country": certificate.country or None,
        },
        "issuer": certificate.issuer,
        "source": certificate.source,
        "key": key,
        "not_before": written(certificate.not_before),
        "not_after": written(certificate.not_after),
        "selected": selected,
        "der": "",
    }


def render(selection: Selection, *, changes_at: datetime, receipt: bool = False) -> Ready:
    """The answer that a selection makes, with its receipt where that is asked for."""
    json = _told(selection, receipt=receipt)
    return Ready(
        _with_ders(json, [bytes(certificate.der) for certificate in selection.usable]), selection.selected is not None, _etag(json), changes_at
    )


def _told(selection: Selection, *, receipt: bool = False) -> bytes:
    first = selection.selected
    answer: dict[str, object] = {
        "status": "none" if first is None else "found",
        "certificates": [describe(certificate, selected=certificate is first) for certificate in selection.usable],
    }
    if receipt:
        answer["receipt"] = [{"fingerprint": line.fingerprint, "accepted": line.accepted, "reason": line.reason.value} for line in selection.receipt]
    return orjson.dumps(answer)[1:]


def _etag(json: bytes) -> str:
    """Of the content: the JSON names each fingerprint, which stands for the DER."""
    return hashlib.sha256(json).hexdigest()[:32]


def _with_ders(json: bytes, ders: Sequence[bytes]) -> bytes:
    """The JSON with each DER in its place."""
    head, *parts = json.split(_CUT)
    return b"".join((head, *(piece for part, der in zip(parts, ders, strict=True) for piece in (_CUT, pybase64.b64encode(der), part))))


NONE = render(Selection((), ()), changes_at=NEVER)


def changes_at(certificates: Iterable[Certificate], *, at: datetime) -> datetime:
    """The earliest moment after `at` at which the choice among `certificates` can differ though nobody changes anything."""
    live = [certificate for certificate in certificates if certificate.status == CertificateStatus.PUBLISHED]
    edges = (edge for certificate in live for edge in (certificate.not_before, certificate.not_after))
    return min((edge for edge in edges if edge > at), default=NEVER)


def compute(certificates: Sequence[Certificate], *, at: datetime) -> Ready:
    """The answer to "whom can I encrypt to" out of one shown mailbox's certificates."""
    return render(select(certificates, usage=Usage.ENCRYPT, at=at), changes_at=changes_at(certificates, at=at))


def row_of(certificates: Sequence[Certificate], *, at: datetime) -> AnswerRow | None:
    """The row that answers for a shown mailbox with these certificates, which have their ids; None where there is nothing to show, ever."""
    # Another process's clock may be ahead of this one's: what it has ended must not come back, nor what it published be left out.
    done = (moment for certificate in certificates for moment in (certificate.published_at, certificate.ended_at) if moment is not None)
    then = max((at, *done))
    selection, until = Selection(tuple(usable(certificates, usage=Usage.ENCRYPT, at=then)), ()), changes_at(certificates, at=then)
    if selection.selected is None and until == NEVER:
        return None
    json = _told(selection)
    return AnswerRow(json, [certificate.pk for certificate in selection.usable], selection.selected is not None, _etag(json), until)


# That two do it at once is ruled out by the mailbox's lock.
_WRITE = """
INSERT INTO directory_answer (match, json, certificates, found, etag, changes_at)
VALUES (%(match)b, %(json)b, %(certificates)b::bigint[], %(found)b, %(etag)b, %(changes_at)b)
ON CONFLICT (match) DO UPDATE SET json = excluded.json, certificates = excluded.certificates, found = excluded.found, etag = excluded.etag,
    changes_at = excluded.changes_at
RETURNING match
"""


def prepare(mailbox: Mailbox, certificates: Iterable[Certificate] | None = None, *, at: datetime) -> None:
    """Write the mailbox's answer anew. Call in the transaction of the change, with the mailbox's row locked.

    `certificates` are all that it has, if the caller knows them; else they are read.
    """
    row = None
    if mailbox.hidden_at is None and mailbox.erased_at is None:
        every = mailbox.certificates.all() if certificates is None else certificates
        row = row_of([certificate for certificate in every if certificate.status != CertificateStatus.ERASED], at=at)
    if row is None:
        Answer.objects.filter(match=mailbox.match).delete()
    else:
        fetch_bound(_WRITE, {"match": mailbox.match, **row._asdict()})


class Fetch(Protocol):
    """Runs one prepared query and gives its rows, read in binary."""

    def __call__(self, query: LiteralString, parameters: Sequence[object], /) -> list[tuple[Any, ...]]: ...


def through_django(query: LiteralString, parameters: Sequence[object], /) -> list[tuple[Any, ...]]:
    """By Django's connection, so within its transaction. In binary: Django's own cursor binds on the client's side and has bytes as hexadecimal."""
    connection = connections[replica.alias()]
    # What Django does for its own cursors: so that a connection that PostgreSQL dropped is opened anew, and one that fails is not kept.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(query, parameters, prepare=True, binary=True).fetchall()


# One row a certificate. In a batch nothing is kept by the caller, so that no entity tag is read; its addresses come as one text, which no
# address holds a line's end of, since a list costs a regular expression each. `place` is from 1, and 0 past the answer's change.
_ONE = """
SELECT a.json, a.etag, a.changes_at, array_position(a.certificates, c.id), c.der
FROM directory_answer a LEFT JOIN directory_certificate c ON c.id = ANY(a.certificates) WHERE a.match = %s
"""
_MANY = """
SELECT a.match, a.json, CASE WHEN a.changes_at > %s THEN array_position(a.certificates, c.id) ELSE 0 END, c.der
FROM directory_answer a LEFT JOIN directory_certificate c ON c.id = ANY(a.certificates)
WHERE a.match = ANY(string_to_array(%s, E'\n'))
"""
_MANY_STATUSES = "SELECT match, found, changes_at <= %s FROM directory_answer WHERE match = ANY(string_to_array(%s, E'\\n'))"
# As an answer that is past its change: one whose certificates are not all there, for somebody deleted a row by hand.
_BROKEN = Ready(b"", found=False, etag="", changes_at=datetime.min.replace(tzinfo=UTC))


def read_one(match: str, *, fetch: Fetch = through_django) -> Ready:
    """The prepared answer of one folded address, or NONE. It may be past its `changes_at`."""
    rows = fetch(_ONE, (match,))
    if not rows:
        return NONE
    json, etag, until, place, der = rows[0]
    found = json.startswith(FOUND)
    if len(rows) == 1 and place == 1 and der and len(parts := json.split(_CUT)) == 2:  # noqa: PLR2004 - one certificate, as nearly all have
        return Ready(b'%b"der":"%b%b' % (parts[0], pybase64.b64encode(der), parts[1]), found, etag, until)
    tail = _whole(json, [row[3:] for row in rows])
    return _BROKEN if tail is None else Ready(tail, found, etag, until)


def read_many(matches: Sequence[str], *, at: datetime, status_only: bool = False, fetch: Fetch = through_django) -> dict[str, bytes | None]:
    """The octets of the prepared answers of these folded addresses; who has none is missing, and what is past its change is None.

    With `status_only` no certificates are read, and the octets say no more than the status.
    """
    asked = (at, "\n".join(matches))
    if status_only:
        return {match: None if over else _FOUND_ALONE if found else _NONE_ALONE for match, found, over in fetch(_MANY_STATUSES, asked)}
    ready: dict[str, bytes | None] = {}
    several: dict[str, list[tuple[Any, ...]]] = {}
    encode = pybase64.b64encode
    for row in fetch(_MANY, asked):
        match, json, place, der = row
        parts = json.split(_CUT)
        if place == 1 and der and len(parts) == 2:  # noqa: PLR2004 - one certificate, as nearly all have
            ready[match] = b'%b"der":"%b%b' % (parts[0], encode(der), parts[1])
        elif place == 0:
            ready[match] = None
        else:
            several.setdefault(match, []).append(row)
    for match, rows in several.items():
        ready[match] = _whole(rows[0][1], [row[2:] for row in rows])
    return ready


def _whole(json: bytes, placed: Sequence[tuple[Any, ...]]) -> bytes | None:
    """The answer out of the rows that were read of it: pairs of a place, from 1, and a DER. None if one is not there."""
    ders = {place: der for place, der in placed if der}
    wanted = json.count(_CUT)
    return _with_ders(json, [ders[place] for place in range(1, wanted + 1)]) if len(ders) == wanted else None
