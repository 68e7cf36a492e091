"""The mailer's tables."""

from mailer.models.collecting import Consent, ConsentLink, ConsentStatus
from mailer.models.inviting import Invitation, Suppression
from mailer.models.issuing import (
    Authority,
    CertificateRevocationList,
    Issuance,
    IssuanceStatus,
    LedgerEvent,
    SigningIdentity,
    SigningIdentityStatus,
)
from mailer.models.keys import DataKey
from mailer.models.notices import Notice, NoticeStatus
from mailer.models.outbox import FINAL, Batch, Message, MessageStatus, OnMissing, SendEvent
from mailer.models.owning import ErasedAddress, LinkPurpose, OwnerLink
from mailer.models.pauses import Pause
from mailer.models.policies import SendingPolicy, SubjectPolicy
from mailer.models.proving import Publication, PublicationStatus
from mailer.models.relaying import RelayedMail, RelayLog
from mailer.models.replacing import Replacement, ReplacementStatus

__all__ = [
    "FINAL",
    "Authority",
    "Batch",
    "CertificateRevocationList",
    "Consent",
    "ConsentLink",
    "ConsentStatus",
    "DataKey",
    "ErasedAddress",
    "Invitation",
    "Issuance",
    "IssuanceStatus",
    "LedgerEvent",
    "LinkPurpose",
    "Message",
    "MessageStatus",
    "Notice",
    "NoticeStatus",
    "OnMissing",
    "OwnerLink",
    "Pause",
    "Publication",
    "PublicationStatus",
    "RelayLog",
    "RelayedMail",
    "Replacement",
    "ReplacementStatus",
    "SendEvent",
    "SendingPolicy",
    "SigningIdentity",
    "SigningIdentityStatus",
    "SubjectPolicy",
    "Suppression",
]
