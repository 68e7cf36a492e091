"""Answers kept ready to send: one row an address, written with each change, read by one indexed query and a join of bytes."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
import psycopg
import pybase64
from django.db import connection

from directory.models import Answer, Certificate, CertificateStatus, Mailbox
from directory.selection import Selection, Usage, select

# An answer without a certificate that will ever be usable does not change by itself.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)


class Ready(NamedTuple):
    """What follows the address in the JSON object of an answer, until when that holds, and its entity tag."""

    tail: bytes
    found: bool
    etag: str
    changes_at: datetime


def written(at: datetime) -> str:
    """A time as the API writes it: RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def describe(certificate: Certificate, *, selected: bool) -> dict[str, object]:
    """One certificate as the API shows it."""
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
        "der": pybase64.b64encode(certificate.der).decode("ascii"),
    }


def render(selection: Selection, *, changes_at: datetime, receipt: bool = False) -> Ready:
    """The answer that a selection makes, with its receipt where that is asked for."""
    first = selection.selected
    answer: dict[str, object] = {
        "status": "none" if first is None else "found",
        "certificates": [describe(certificate, selected=certificate is first) for certificate in selection.usable],
    }
    if receipt:
        answer["receipt"] = [{"fingerprint": line.fingerprint, "accepted": line.accepted, "reason": line.reason.value} for line in selection.receipt]
    tail = orjson.dumps(answer)[1:]
    return Ready(tail, first is not None, hashlib.sha256(tail).hexdigest()[:32], changes_at)


NONE = render(Selection((), ()), changes_at=NEVER)


def changes_at(certificates: Iterable[Certificate], *, at: datetime) -> datetime:
    """The earliest moment after `at` at which the choice among `certificates` can differ though nobody changes anything."""
    live = [certificate for certificate in certificates if certificate.status == CertificateStatus.PUBLISHED]
    edges = (edge for certificate in live for edge in (certificate.not_before, certificate.not_after))
    return min((edge for edge in edges if edge > at), default=NEVER)


def compute(certificates: Sequence[Certificate], *, at: datetime) -> Ready:
    """The answer to "whom can I encrypt to" out of one shown mailbox's certificates."""
    return render(select(certificates, usage=Usage.ENCRYPT, at=at), changes_at=changes_at(certificates, at=at))


def prepare(mailbox: Mailbox, *, at: datetime) -> None:
    """Write the mailbox's answer anew. Call in the transaction of the change, with the mailbox's row locked."""
    shown = mailbox.hidden_at is None and mailbox.erased_at is None
    certificates = list(mailbox.certificates.exclude(status=CertificateStatus.ERASED)) if shown else []
    # Another process's clock may be ahead of this one's: what it has ended must not come back, nor what it published be left out.
    done = (moment for certificate in certificates for moment in (certificate.published_at, certificate.ended_at) if moment is not None)
    answer = compute(certificates, at=max((at, *done)))
    if not answer.found and answer.changes_at == NEVER:
        Answer.objects.filter(match=mailbox.match).delete()
        return
    row = {"body": answer.tail, "found": answer.found, "etag": answer.etag, "changes_at": answer.changes_at}
    Answer.objects.update_or_create(match=mailbox.match, defaults=row)


_READ = "SELECT match, body, found, etag, changes_at FROM directory_answer WHERE match = ANY(%s)"
_READ_STATUS = "SELECT match, ''::bytea, found, ''::text, changes_at FROM directory_answer WHERE match = ANY(%s)"


def read(matches: Sequence[str], *, status_only: bool = False) -> Mapping[str, Ready]:
    """The prepared answers of these folded addresses; who has none is missing. They may be past their `changes_at`.

    Through a cursor of psycopg's own, prepared and in binary: Django's binds on the client's side, and bytes come as hexadecimal text.
    """
    # What Django does for its own cursors: so that a connection that PostgreSQL dropped is opened anew, and one that fails is not kept.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_READ_STATUS if status_only else _READ, [list(matches)], prepare=True, binary=True)
        return {match: Ready(body, found, etag, until) for match, body, found, etag, until in cursor}
