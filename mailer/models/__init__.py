"""The mailer's tables."""

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
from mailer.models.pauses import Pause
from mailer.models.policies import SendingPolicy, SubjectPolicy
from mailer.models.proving import Publication, PublicationStatus
from mailer.models.relaying import RelayedMail, RelayLog

__all__ = [
    "FINAL",
    "Authority",
    "Batch",
    "CertificateRevocationList",
    "DataKey",
    "Invitation",
    "Issuance",
    "IssuanceStatus",
    "LedgerEvent",
    "Message",
    "MessageStatus",
    "Notice",
    "NoticeStatus",
    "OnMissing",
    "Pause",
    "Publication",
    "PublicationStatus",
    "RelayLog",
    "RelayedMail",
    "SendEvent",
    "SendingPolicy",
    "SigningIdentity",
    "SigningIdentityStatus",
    "SubjectPolicy",
    "Suppression",
]
