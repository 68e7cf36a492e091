"""Sealing what was claimed: look up, sign, encrypt once to all usable certificates of the recipient, and keep the bytes.

A recipient without a certificate never gets clear text: the message is held, or fails, as its sender chose.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from directory.lookup import encryption_certificates
from directory.models import Organization
from directory.x509.names import EmailAddress
from mailer.claiming import MANY_ATTEMPTS, WORKER, Held, give_back
from mailer.custody import CustodyError, OwnerCipher, cipher_of
from mailer.domain_signing import signed
from mailer.holding import release
from mailer.identities import NoIdentityError
from mailer.inviting import invite
from mailer.letters import context, unpack
from mailer.message_states import Step, move
from mailer.models import MessageStatus, OnMissing, SubjectPolicy
from mailer.recipients import Envelope, Sealable, envelope_for
from mailer.signing_keys import load_signer
from mailer.smime.errors import SmimeError
from mailer.smime.message import seal

logger = logging.getLogger(__name__)


@dataclass
class _Outcome:
    """What becomes of a chunk, gathered so that each outcome is one statement."""

    at: datetime
    our_subject: str
    sealed: list[Step] = field(default_factory=list)
    failed: list[Step] = field(default_factory=list)
    missing: list[Held] = field(default_factory=list)
    left: list[Held] = field(default_factory=list)
    _ciphers: dict[UUID, OwnerCipher] = field(default_factory=dict)

    def cipher(self, owner: UUID) -> OwnerCipher:
        if owner not in self._ciphers:
            self._ciphers[owner] = cipher_of(owner)
        return self._ciphers[owner]


def seal_all(messages: Sequence[Held], *, at: datetime, until: float) -> list[Held]:
    """Seal what can be sealed and commit every outcome; returns the sealed messages, with their bytes, still under their lease.

    What is not reached before `until` (monotonic) is given back.
    """
    if not messages:
        return []
    found = encryption_certificates([message.match for message in messages], at=at)
    outcome = _Outcome(at, neutral_subject())
    try:
        for number, message in enumerate(messages):
            if time.monotonic() > until:
                outcome.left = list(messages[number:])
                break
            _seal_one(message, found[message.match], outcome)
    finally:
        # If one message ends this worker, those before it keep what was done for them.
        moved = move(outcome.sealed, source=MessageStatus.SEALING, target=MessageStatus.SEALED, actor=WORKER)
        move(outcome.failed, source=MessageStatus.SEALING, target=MessageStatus.FAILED, actor=WORKER)
    _missing(outcome.missing, at=at)
    give_back(outcome.left)
    return _with_bytes(messages, outcome.sealed, moved)


def _seal_one(message: Held, certificates: Sequence[Sealable], outcome: _Outcome) -> None:
    if message.attempt > MANY_ATTEMPTS:
        logger.error("ALARM: message %s is sealed for the %dth time", message.id, message.attempt)
    envelope = envelope_for(certificates)
    if not envelope.recipients:
        outcome.missing.append(message)
        return
    try:
        sealed = _sealed(message, envelope, outcome)
    except NoIdentityError:
        outcome.failed.append(Step(message.id, message.lease_token, detail="sender_cannot_sign"))
        return
    except CustodyError:
        # A key was changed or damaged: an operator's matter, and no reason to lose the message. Its lease lapses and it is tried again.
        logger.exception("ALARM: message %s cannot be read or signed with this worker's keys", message.id)
        return
    except SmimeError as error:
        # Neither content nor keys are in these errors' text; for the sender their kind is enough.
        logger.exception("message %s cannot be sealed", message.id)
        outcome.failed.append(Step(message.id, message.lease_token, detail=f"sealing_failed: {error.code}"))
        return
    # The fingerprints name the recipient through the directory, and the log cannot be erased: they stand in the message's row alone.
    receipt = f"{envelope.receipt}; sha256 {sha256(sealed).hexdigest()}"
    first, *others = envelope.fingerprints
    outcome.sealed.append(
        Step(message.id, message.lease_token, detail=receipt, sealed=sealed, certificate=first, further_certificates=" ".join(others))
    )


def _sealed(message: Held, envelope: Envelope, outcome: _Outcome) -> bytes:
    """Raises NoIdentityError, CustodyError, SmimeError."""
    signer = load_signer(message.identity, at=outcome.at)
    content = unpack(outcome.cipher(message.organization).decrypt(message.content or b"", context=context(message.id)))
    is_kept = message.subject_policy == SubjectPolicy.KEEP
    sealed = seal(
        content,
        sender=message.sender,
        sender_name=message.legal_name,
        recipient=message.recipient,
        signer=signer,
        recipients=envelope.recipients,
        message_id=message.message_id,
        at=outcome.at,
        neutral_subject=None if is_kept else message.neutral_subject or outcome.our_subject,
    )
    return signed(sealed, sender=message.sender, at=outcome.at)


def neutral_subject() -> str:
    """What stands outside in place of the subject, which is as confidential as the text, where an organisation has no wording of its own."""
    with translation.override(settings.LANGUAGE_CODE):
        return _("Sealed message")


def _missing(messages: Sequence[Held], *, at: datetime) -> None:
    """Without a certificate: hold, fail, or fail with an invitation."""
    if not messages:
        return
    chosen: dict[str, list[Held]] = {}
    for message in messages:
        chosen.setdefault(message.on_missing, []).append(message)
    organizations = Organization.objects.in_bulk({message.organization for message in messages})
    with transaction.atomic():
        held = _move_missing(chosen.get(OnMissing.HOLD, []), MessageStatus.HELD)
        noticed = _move_missing(chosen.get(OnMissing.NOTICE, []), MessageStatus.FAILED)
        _move_missing(chosen.get(OnMissing.FAIL, []), MessageStatus.FAILED)
        # In one order everywhere: two workers that invite the same mailboxes must not wait for each other.
        for message in sorted((message for message in messages if message.id in held | noticed), key=lambda message: message.match):
            invite(address=EmailAddress.parse(message.recipient), organization=organizations[message.organization], actor=WORKER, at=at)
    # A certificate published after the look-up and before this commit found nothing to release.
    release({message.match for message in messages if message.id in held}, at=at, actor=WORKER)


def _move_missing(messages: Sequence[Held], target: MessageStatus) -> set[UUID]:
    steps = [Step(message.id, message.lease_token, detail="no_certificate") for message in messages]
    return move(steps, source=MessageStatus.SEALING, target=target, actor=WORKER)


def _with_bytes(messages: Sequence[Held], steps: Sequence[Step], moved: set[UUID]) -> list[Held]:
    bytes_of = {step.message: step.sealed for step in steps if step.message in moved}
    sealed = [message for message in messages if message.id in bytes_of]
    for message in sealed:
        message.status, message.sealed, message.content = MessageStatus.SEALED, bytes_of[message.id], None
    return sealed
