"""Find the certificates of one address or of a thousand."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from directory import answers
from directory.answers import Ready
from directory.models import Certificate, CertificateStatus
from directory.selection import Selection, Usage, select
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
    return [
        Found(address, select(shown[address.match], usage=usage, at=at), answers.changes_at(shown[address.match], at=at)) for address in addresses
    ]


def read_answers(addresses: Sequence[EmailAddress], *, at: datetime, status_only: bool = False) -> list[Ready]:
    """The answer ready to send to each address, in their order: as `look_up` for encryption, by one read of prepared bytes.

    With `status_only` the bytes are not read, and `found` alone counts.
    """
    prepared = answers.read([address.match for address in addresses], status_only=status_only)
    overdue = [match for match, answer in prepared.items() if answer.changes_at <= at]
    if overdue:
        shown = _shown_certificates(overdue)
        prepared = {**prepared, **{match: answers.compute(shown[match], at=at) for match in overdue}}
    return [prepared.get(address.match, answers.NONE) for address in addresses]


def encryption_certificates(matches: Sequence[str], *, at: datetime) -> dict[str, list[Certificate]]:
    """For sealing: the usable encryption certificates of each folded address, the selected one first; a miss has an empty list."""
    shown = _shown_certificates(matches)
    return {match: list(select(shown[match], usage=Usage.ENCRYPT, at=at).usable) for match in matches}


def _shown_certificates(matches: Sequence[str]) -> defaultdict[str, list[Certificate]]:
    found: defaultdict[str, list[Certificate]] = defaultdict(list)
    rows = Certificate.objects.filter(mailbox__match__in=matches, mailbox__hidden_at=None, mailbox__erased_at=None)
    for certificate in rows.exclude(status=CertificateStatus.ERASED).select_related("mailbox"):
        found[certificate.mailbox.match].append(certificate)
    return found
