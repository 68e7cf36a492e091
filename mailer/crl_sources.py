"""CRLs of other authorities, fetched from the addresses that the operator named, and from no others: what an upload names is never asked.

1. Fetch, outside any transaction, under `guarded_fetch`'s limits.
2. Read it in a process of its own: it must be whole, in time, and signed by an authority of the trust store.
3. Keep it if it is newer than the one that is kept, of the same issuer and for the same scope: whoever sits on the way could otherwise answer
   with an older one, or another's, and so hide a revocation.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from directory.authorities import keep_list
from directory.models import RevocationSource
from mailer import trust_store
from mailer.guarded_fetch import FetchError, addresses_of, fetch
from mailer.name_server import asked_addresses_of
from mailer.smime import isolated
from mailer.smime.crls import Crl
from mailer.smime.errors import CrlRefused, SmimeError

FETCH_AFTER = timedelta(hours=1)
_MOST_FAULT = 300
_log = logging.getLogger(__name__)


def fetch_due(*, actor: str, at: datetime) -> list[int]:
    """Fetch what was not fetched for an hour; the ids of the sources that have a new list now."""
    due = RevocationSource.objects.filter(Q(fetched_at=None) | Q(fetched_at__lte=at - FETCH_AFTER))
    return [source.pk for source in due.order_by(F("fetched_at").asc(nulls_first=True), "pk") if fetch_source(source, actor=actor, at=at)]


def fetch_source(source: RevocationSource, *, actor: str, at: datetime) -> bool:
    """Whether a new list is kept now. What went wrong otherwise stands in the source's `fault`, and the list before stays."""
    try:
        # Step 1.
        resolve = asked_addresses_of if settings.LETTERLOCK_DNS else addresses_of
        encoding = fetch(source.url, private=settings.LETTERLOCK_PRIVATE_SOURCES, resolve=resolve)
        if source.crl is not None and encoding == bytes(source.crl):
            return _note(source, "", at=at)
        # Step 2.
        found = isolated.read_crl(encoding, trust_store.authorities(), at=at)
        # Step 3.
        with transaction.atomic():
            locked = RevocationSource.objects.select_for_update().filter(pk=source.pk).first()
            if locked is None:  # forgotten in the meantime
                return False
            _check_newer(found, bytes(locked.crl) if locked.crl is not None else None)
            keep_list(source=locked, crl=encoding, number=found.number, actor=actor, at=at)
            return True
    except (FetchError, SmimeError) as error:
        _log.warning("no new CRL from source %s: %s", source.pk, error)
        return _note(source, str(error), at=at)


def issuer_of(source_id: int) -> str | None:
    """Whose list a source has, as RFC 4514 text; None where it has none."""
    source = RevocationSource.objects.filter(pk=source_id, crl__isnull=False).first()
    return None if source is None or source.crl is None else isolated.describe_crl(bytes(source.crl)).issuer


def _check_newer(found: Crl, kept: bytes | None) -> None:
    """Raise CrlRefused unless what was found may take the place of what is kept (RFC 5280 section 5.2.3)."""
    if kept is None:
        return
    before = isolated.describe_crl(kept)
    if (found.issuer, found.scope) != (before.issuer, before.scope):
        raise CrlRefused("it is another list than the one that is kept from there: remove the address and add it again if that is right")
    if found.this_update < before.this_update or (min(found.number, before.number) >= 0 and found.number < before.number):
        raise CrlRefused("it is older than the one that is kept")


def _note(source: RevocationSource, fault: str, *, at: datetime) -> bool:
    RevocationSource.objects.filter(pk=source.pk).update(fetched_at=at, fault=fault[:_MOST_FAULT])
    return False
