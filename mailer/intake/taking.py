"""What becomes of a mail in one of the house's own mailboxes, told as an SMTP reply: 2yz stored, 5yz the mail's fault, 4yz ours."""

import logging
from collections.abc import Mapping
from uuid import UUID

from django.db import connections
from django.utils import timezone

from mailer.collecting import TooManyContributionsError, contribute
from mailer.contributed import ContributionRefusedError, UndecidedError
from mailer.dsn import NotADsnError, parse_dsn
from mailer.intake.routing import Box, Destination
from mailer.proving import (
    ExpiredProofError,
    ProvingError,
    RefusedAnswerError,
    RefusedProofError,
    UnknownProofError,
    UsedProofError,
    answer_by_mail,
)
from mailer.returned import mark

logger = logging.getLogger(__name__)
ACTOR = "intake"
STORED = "250 2.0.0 Stored"
_OURS = "451 4.3.0 The fault is ours; please try again later"
# Why a signed mail is not collected from, for whoever reads the bounce; others are told by their code.
_REASONS: Mapping[str, str] = {
    "not_signed": "it is not signed by S/MIME",
    "partly_signed": "only a part of it is signed",
    "not_opened": "it is encrypted",
    "signed_inside": "it is not signed on the outside",
    "several_signers": "it has several signers",
    "malformed": "it cannot be read",
    "content_changed": "it was changed after it was signed",
    "signature_wrong": "its signature is wrong",
    "untrusted": "its certificate does not lead to an authority that is trusted here",
    "unknown_revocation": "whether its certificate was revoked is not known here",
    "revoked": "its certificate was revoked",
    "not_valid_then": "its certificate has expired or is not valid yet",
    "other_sender": "its signer is not its sender",
    "encryption_missing": "the certificate that it wants to be encrypted to is not in it",
    "encryption_other_sender": "the certificate that it wants to be encrypted to is somebody else's",
    "dkim_fails": "the DKIM signature of its sender's domain does not hold",
}
_UNPROVEN: Mapping[type[ProvingError], str] = {
    UnknownProofError: "no publication has this number",
    UsedProofError: "this publication needs no proof any more",
    ExpiredProofError: "this proof is over; hand the certificate in again",
    RefusedProofError: "the certificate cannot be published",
    RefusedAnswerError: "the answer is not signed by the certificate's own key, or lacks the line that it must hold",
}


def take(found: Destination, message: bytes) -> str:
    """The reply, once all is committed. Raises nothing; nothing of the mail gets into a log."""
    try:
        if found.box is Box.COLLECT:
            return _collect(message)
        if found.publication is not None:
            return _prove(found.publication, message)
        return _note(message)
    except Exception as error:  # noqa: BLE001 - whatever it is, the mail must be offered again and the server go on
        logger.error("mail to %s could not be taken: %s", found.box, type(error).__name__)  # noqa: TRY400 - a traceback could hold the mail
        return _OURS
    finally:
        # A thread of its own has a connection of its own, and mail comes seldom.
        connections.close_all()


def _collect(message: bytes) -> str:
    try:
        contribute(message, organization=None, actor=ACTOR, at=timezone.now())
    except ContributionRefusedError as refusal:
        return f"550 5.7.1 Not taken: {_REASONS.get(refusal.reason, refusal.reason)}"
    except UndecidedError:
        return "451 4.4.3 The DNS of the sender's domain gives no answer about its DKIM key; please try again later"
    except TooManyContributionsError:
        return "452 4.3.1 So much was handed in within a day; please try again later"
    return STORED


def _prove(publication: UUID, message: bytes) -> str:
    try:
        answer_by_mail(publication, message, at=timezone.now())
    except ProvingError as error:
        return f"550 5.7.1 Not taken: {_UNPROVEN.get(type(error), 'it proves nothing')}"
    return STORED


def _note(message: bytes) -> str:
    """One that is about no mail of ours is taken too: nobody learns here what we have sent."""
    try:
        mark(parse_dsn(message))
    except NotADsnError as error:
        return f"554 5.6.0 Not a delivery status notification: {error}"
    return STORED
