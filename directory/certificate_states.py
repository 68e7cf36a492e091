"""The states of a published certificate."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from directory.errors import IllegalMoveError
from directory.events import Verb, record
from directory.models import Certificate, CertificateStatus

_P, _S, _R, _E = CertificateStatus.PUBLISHED, CertificateStatus.SUPERSEDED, CertificateStatus.REVOKED, CertificateStatus.ERASED

# A revoked certificate never comes back; a superseded one does when its holder proves it again. What was erased can still be revoked.
TRANSITIONS: Mapping[CertificateStatus, Mapping[CertificateStatus, Verb]] = {
    _P: {_S: Verb.CERTIFICATE_SUPERSEDED, _R: Verb.CERTIFICATE_REVOKED, _E: Verb.CERTIFICATE_ERASED},
    _S: {_P: Verb.CERTIFICATE_PUBLISHED, _R: Verb.CERTIFICATE_REVOKED, _E: Verb.CERTIFICATE_ERASED},
    _R: {_E: Verb.CERTIFICATE_ERASED},
    _E: {_R: Verb.CERTIFICATE_REVOKED},
}


@transaction.atomic
def move(certificate: Certificate, to: CertificateStatus, *, actor: str, at: datetime, facts: Mapping[str, object], reason: str = "") -> None:
    """Change the status, and the columns in `facts` with it, by compare-and-set, and leave an event; raises IllegalMoveError."""
    before = CertificateStatus(certificate.status)
    verb = TRANSITIONS[before].get(to)
    if verb is None or not Certificate.objects.filter(pk=certificate.pk, status=before).update(status=to, **facts):
        raise IllegalMoveError(f"A certificate cannot go from {before} to {to}.")
    for name, value in {"status": to, **facts}.items():
        setattr(certificate, name, value)
    record(
        actor=actor,
        verb=verb,
        subject=f"certificate:{certificate.fingerprint}",
        at=at,
        organization=certificate.organization,
        detail={"reason": reason} if reason else {},
    )
