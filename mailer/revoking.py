"""Revoking what was issued, and keeping the CRLs current."""

import logging
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.db import transaction

from directory.models import CertificateStatus
from directory.publishing import revoke as revoke_published
from mailer import identities
from mailer.ca import shards
from mailer.ca.client import SignerClient
from mailer.ca.errors import AuthorityError, SignerUnavailableError
from mailer.ca.ledger import Step, move
from mailer.ca.shards import Reason
from mailer.models import Issuance, SigningIdentity, SigningIdentityStatus
from mailer.waking import wake

TASK = "mailer.tasks.renew_crls"
_log = logging.getLogger(__name__)


def revoke(*, issuance_id: UUID, reason: Reason, actor: str, at: datetime) -> None:
    """Revoke one issued certificate: ledger, directory and identity in one transaction; the next CRL, which is asked for at once, names it.

    Raises StaleLedgerError where it is not issued, or revoked already.
    """
    with transaction.atomic():
        move(issuance_id, Step.REVOKE, actor=actor, at=at, reason=reason, facts={"revoked_at": at, "revocation_reason": reason})
        issuance = Issuance.objects.select_related("identity__certificate").get(pk=issuance_id)
        identity = issuance.identity
        if identity is not None and identity.certificate is not None and _names(identity, issuance):
            if identity.certificate.status != CertificateStatus.REVOKED:
                revoke_published(certificate=identity.certificate, reason=reason, actor=actor, at=at)
            identities.move(identity.id, SigningIdentityStatus.RETIRED, actor=actor, at=at, reason=reason, facts={"encrypted_key": None})
        wake(TASK)


def renew_crls(*, at: datetime) -> int:
    """Ask the signer for every CRL that is due; the number that was signed."""
    signed = 0
    with SignerClient(settings.LETTERLOCK_SIGNER_SOCKET) as signer:
        for shard in list(shards.due(at=at)):
            try:
                signer.revocation_list(shard)
            except SignerUnavailableError as error:
                _log.warning("CRLs wait: %s", error)
                break
            except AuthorityError:
                # An alarm; the others are not held up.
                _log.exception("the CRL %s of %s is not renewed", shard.number, shard.authority)
            else:
                signed += 1
    return signed


def _names(identity: SigningIdentity, issuance: Issuance) -> bool:
    """Whether the identity's certificate is the one of this issuance: it may have been renewed since. Its DER is gone where it was erased."""
    issued = sha256(bytes(issuance.certificate or b"")).hexdigest()
    return identity.certificate is not None and identity.certificate.fingerprint == issued
