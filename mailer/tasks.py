"""Celery tasks of the mailer: they may run twice and hold no logic. PostgreSQL knows what there is to do."""

from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from directory import publishing
from mailer import (
    changes,
    collecting,
    crl_sources,
    deliveries,
    holding,
    issuing,
    notices,
    nss_roots,
    outbox,
    owner_links,
    proving,
    reconciling,
    rejudging,
    replacing,
    retention,
    reverifying,
    revoking,
    sending,
)
from mailer.claiming import WORKER
from mailer.relays import relay_answers


@shared_task
def drain() -> None:
    notices.deliver_notices(at=timezone.now())
    sending.drain(at=timezone.now())


@shared_task
def reconcile() -> None:
    reconciling.reconcile(relay_answers())
    notices.settle_notices(at=timezone.now())


@shared_task
def read_relay_log() -> None:
    if settings.LETTERLOCK_RELAY_LOG:
        deliveries.read_on(Path(settings.LETTERLOCK_RELAY_LOG), at=timezone.now())


@shared_task
def issue_pending() -> None:
    issuing.issue_pending(at=timezone.now())


@shared_task
def apply_changes() -> None:
    changes.apply_changes(at=timezone.now())


@shared_task
def expire() -> None:
    holding.sweep(at=timezone.now(), actor=WORKER)
    holding.expire_held(at=timezone.now(), actor=WORKER)
    proving.expire_proofs(at=timezone.now())
    collecting.expire_consents(at=timezone.now())
    outbox.forget_keys(at=timezone.now())
    publishing.refresh_answers(at=timezone.now())


@shared_task
def publish_replacements() -> None:
    """Apart from what expires: neither holds the other up."""
    replacing.publish_due(timezone.now())


@shared_task
def renew_crls() -> None:
    revoking.renew_crls(at=timezone.now())


@shared_task
def keep_within_time() -> None:
    retention.keep_within_time(at=timezone.now(), actor=WORKER)


@shared_task
def fetch_revocation_lists() -> None:
    for source_id in crl_sources.fetch_due(actor=WORKER, at=timezone.now()):
        rejudge_source.delay(source_id)


@shared_task
def rejudge_source(source_id: int) -> None:
    rejudging.rejudge_source(source_id, actor=WORKER, at=timezone.now())


@shared_task
def rejudge_due() -> None:
    rejudging.rejudge_due(actor=WORKER, at=timezone.now())


@shared_task
def refresh_roots() -> None:
    nss_roots.refresh_roots(actor=WORKER, at=timezone.now())


@shared_task
def ask_owners_again() -> None:
    reverifying.end_due(at=timezone.now())
    reverifying.remind_due(at=timezone.now())
    reverifying.ask_due(at=timezone.now())
    owner_links.forget_links(at=timezone.now())
