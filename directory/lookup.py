"""Find the certificates of one address or of a thousand."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from directory import answers, past_levels, replica
from directory.answers import Ready
from directory.models import Certificate, CertificateStatus
from directory.selection import Selection, Usage, select, usable
from directory.x509.names import EmailAddress


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of one address: the usable certificates, best first, and the receipt of the choice."""

    address: EmailAddress
    selection: Selection
    changes_at: datetime

    @property
    def status(self) -> str:
        return "none" if self.selection.selected is None else "found"

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        return self.selection.usable

    @property
    def selected(self) -> Certificate | None:
        return self.selection.selected


def look_up(addresses: Sequence[EmailAddress], *, usage: Usage, at: datetime) -> list[Found]:
    """What the directory held of each address at the moment `at`, in their order; never what its owner has hidden or erased since."""
    shown = _shown_certificates([address.match for address in addresses])
    past_levels.set_back((certificate for rows in shown.values() for certificate in rows), at=at)
    return [
        Found(address, select(shown[address.match], usage=usage, at=at), answers.changes_at(shown[address.match], at=at)) for address in addresses
    ]


def read_answer(address: EmailAddress, *, at: datetime) -> Ready:
    """The answer ready to send to one address: as `look_up` for encryption, by one read of prepared bytes."""
    ready = answers.read_one(address.match)
    # Past its change it is computed afresh.
    return ready if ready.changes_at > at else answers.compute(_shown_certificates([address.match])[address.match], at=at)


def read_answers(addresses: Sequence[EmailAddress], *, at: datetime, status_only: bool = False) -> list[bytes]:
    """The octets of the answers to several addresses, in their order; with `status_only` they say no more than the status."""
    ready = answers.read_many([address.match for address in addresses], at=at, status_only=status_only)
    overdue = [match for match, octets in ready.items() if octets is None]
    if overdue:
        shown = _shown_certificates(overdue)
        ready.update((match, answers.compute(shown[match], at=at).octets(status_only=status_only)) for match in overdue)
    none = answers.NONE.octets(status_only=status_only)
    return [ready.get(address.match) or none for address in addresses]


class SealingParts(NamedTuple):
    """Of one certificate what a choice goes by, and what a sealed mail is made of: both in DER, cut out of it when it was published."""

    fingerprint: str
    level: str
    status: str
    can_encrypt: bool
    can_sign: bool
    not_before: datetime
    not_after: datetime
    published_at: datetime
    ended_at: datetime | None
    issuer_and_serial: bytes
    spki: bytes
    smime_capabilities: bytes | None


# Rows as they are, in one order for all workers: a worker looks up thousands in a second.
_SEALING_PARTS = """
SELECT m.match, c.fingerprint, c.level, c.status, c.can_encrypt, c.can_sign, c.not_before, c.not_after, c.published_at, c.ended_at,
    c.issuer_and_serial, c.spki, c.smime_capabilities
FROM directory_mailbox m JOIN directory_certificate c ON c.mailbox_id = m.id
WHERE m.match = ANY(%s) AND m.hidden_at IS NULL AND m.erased_at IS NULL AND c.status <> %s
"""


def encryption_certificates(matches: Sequence[str], *, at: datetime) -> dict[str, list[SealingParts]]:
    """For sealing: the usable encryption certificates of each folded address, the selected one first; a miss has an empty list."""
    shown: dict[str, list[SealingParts]] = {match: [] for match in matches}
    with connection.cursor() as cursor:
        cursor.execute(_SEALING_PARTS, [list(shown), CertificateStatus.ERASED.value])
        for match, *parts in cursor.fetchall():
            shown[match].append(SealingParts(*parts))
    return {match: usable(found, usage=Usage.ENCRYPT, at=at) for match, found in shown.items()}


def _shown_certificates(matches: Sequence[str]) -> defaultdict[str, list[Certificate]]:
    found: defaultdict[str, list[Certificate]] = defaultdict(list)
    rows = Certificate.objects.using(replica.alias()).filter(mailbox__match__in=matches, mailbox__hidden_at=None, mailbox__erased_at=None)
    for certificate in rows.exclude(status=CertificateStatus.ERASED).select_related("mailbox"):
        if certificate.der:  # else somebody emptied it by hand
            found[certificate.mailbox.match].append(certificate)
    return found
