"""Published certificates from elsewhere, judged anew: each day, and at once where their issuer has a new CRL.

What its issuer has revoked leaves the answers for ever. What has a revoked authority above it leaves them until its owner proves it again, which
works only where that is no longer so. What lost its path, or of which it is no longer known that it is good, stays as
`external` and names nobody. What gained one has the level that its policies name.
"""

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from directory import publishing
from directory.errors import IllegalMoveError
from directory.models import Certificate, CertificateStatus, Source
from directory.x509.errors import CertificateError
from mailer import crl_sources, trust_store
from mailer.smime.outcomes import Outcome

JUDGE_AFTER = timedelta(days=1)
CHUNK = 100
# A task gives its worker back after this long; the next one goes on.
_SECONDS = 10.0
_log = logging.getLogger(__name__)


def rejudge_due(*, actor: str, at: datetime) -> int:
    """Judge those that were not judged for a day, the longest first, for as long as a task may take; how many that were."""
    until, done = time.monotonic() + _SECONDS, 0
    while time.monotonic() < until:
        waiting = _judged_here().filter(Q(judged_at=None) | Q(judged_at__lte=at - JUDGE_AFTER))
        chunk = list(waiting.order_by(F("judged_at").asc(nulls_first=True)).select_related("mailbox", "organization")[:CHUNK])
        if not chunk:
            break
        # What has run out is in no answer any more, and keeps what was said of it while it counted.
        over = [certificate.pk for certificate in chunk if certificate.not_after <= at]
        Certificate.objects.filter(pk__in=over).update(judged_at=at)
        _judge((certificate for certificate in chunk if certificate.not_after > at), actor=actor, at=at)
        done += len(chunk)
    return done


def rejudge_source(source_id: int, *, actor: str, at: datetime) -> int:
    """Judge all whose issuer, or an authority of the store above it, is the one whose list this source has; how many that were."""
    issuer = crl_sources.issuer_of(source_id)
    done = 0
    for name in sorted(trust_store.names_under(issuer)) if issuer is not None else ():
        last = 0
        while chunk := list(_of_issuer(name, at=at).filter(pk__gt=last).order_by("pk").select_related("mailbox", "organization")[:CHUNK]):
            _judge(chunk, actor=actor, at=at)
            done, last = done + len(chunk), chunk[-1].pk
    return done


def rejudge(certificate: Certificate, *, actor: str, at: datetime) -> None:
    """Judge one that is published, and change what the directory says of it accordingly."""
    found = trust_store.judge_foreign(bytes(certificate.der), [bytes(der) for der in certificate.chain], at=at)
    if found.trust == Outcome.REVOKED:
        publishing.revoke(certificate=certificate, reason=found.reason, actor=actor, at=at)
        return
    with transaction.atomic():
        publishing.judge(certificate=certificate, level=found.level, trust=found.trust, actor=actor, at=at)
        if found.trust == trust_store.ISSUER_REVOKED:
            publishing.supersede(certificate=certificate, actor=actor, at=at)


def _judged_here() -> QuerySet[Certificate]:
    return Certificate.objects.filter(status=CertificateStatus.PUBLISHED).exclude(source=Source.ISSUED)


def _of_issuer(name: str, *, at: datetime) -> QuerySet[Certificate]:
    return _judged_here().filter(issuer=name, not_after__gt=at)


def _judge(certificates: Iterable[Certificate], *, actor: str, at: datetime) -> None:
    for certificate in certificates:
        try:
            rejudge(certificate, actor=actor, at=at)
        except IllegalMoveError:
            continue  # revoked, replaced or erased while it was judged
        except CertificateError:
            # One row that cannot be read must not keep the others from being judged.
            _log.exception("certificate %s cannot be read any more", certificate.pk)
            Certificate.objects.filter(pk=certificate.pk).update(judged_at=at)
