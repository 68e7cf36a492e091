"""What would become of messages if they were sent now: the same look-up and the same choice as sealing makes, and nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from directory.lookup import look_up
from directory.models import Organization
from directory.selection import Usage, Verdict
from directory.x509.names import EmailAddress
from mailer.identities import find_identity
from mailer.message_rows import OutgoingMessage
from mailer.models import OnMissing
from mailer.recipients import envelope_for
from mailer.smime.choice import Choice


class Outlook(StrEnum):
    """What a message would come to."""

    SEAL = "would_seal"
    HOLD = "would_hold"
    FAIL = "would_fail"


@dataclass(frozen=True)
class Rehearsal:
    """One message: what would become of it, and why.

    `certificates` are the fingerprints it would be sealed to, the best first; `choice` the algorithms and their reason, None without a
    certificate. `left_out` are usable all the same: EC beside RSA, and keys that are refused. `receipt` judges every
    candidate. `size` is in octets of text and attachments.
    """

    to: str
    reference: str
    outlook: Outlook
    certificates: tuple[str, ...]
    left_out: tuple[str, ...]
    choice: Choice | None
    receipt: tuple[Verdict, ...]
    size: int


def rehearse(
    *, organization: Organization, sender: EmailAddress, items: Sequence[OutgoingMessage], on_missing: OnMissing, at: datetime
) -> list[Rehearsal]:
    """Say of each message, in order, what sending it at `at` would come to. Nobody is invited.

    Raises NoIdentityError as `outbox.accept` does.
    """
    find_identity(organization=organization, address=sender, at=at)
    missing = Outlook.HOLD if on_missing is OnMissing.HOLD else Outlook.FAIL
    addresses = {item.to.match: item.to for item in items}
    found = {known.address.match: known.selection for known in look_up(list(addresses.values()), usage=Usage.ENCRYPT, at=at)}
    rehearsals = []
    for item in items:
        selection = found[item.to.match]
        envelope = envelope_for(selection.usable)
        rehearsals.append(
            Rehearsal(
                to=item.to.address,
                reference=item.reference,
                outlook=Outlook.SEAL if envelope.recipients else missing,
                certificates=envelope.fingerprints,
                left_out=tuple(usable.fingerprint for usable in selection.usable if usable.fingerprint not in envelope.fingerprints),
                choice=envelope.recipients[0].choice if envelope.recipients else None,
                receipt=selection.receipt,
                size=item.size,
            )
        )
    return rehearsals
