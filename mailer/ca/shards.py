"""Which CRLs there are, which one is served, and which are due. Free of keys, so that web and workers may ask."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from mailer.models import Authority, CertificateRevocationList, Issuance, IssuanceStatus

# So many certificates share a CRL; a list of them all, each revoked, is still fetched in one go.
SHARD_SIZE = 5_000
# RFC 5280 section 5.1.2.5 wants the next list before nextUpdate; the baseline requirements allow 7 days between two.
RENEW_AFTER = timedelta(days=1)
ROOT_RENEW_AFTER = timedelta(days=180)


class Reason(StrEnum):
    """Why a certificate is revoked: the reasons that the baseline requirements allow (RFC 5280 section 5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key_compromise"
    AFFILIATION_CHANGED = "affiliation_changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"
    PRIVILEGE_WITHDRAWN = "privilege_withdrawn"


class Shard(NamedTuple):
    """One CRL of one CA; the root's only list is shard 0."""

    authority: str
    number: int


def shard_of(position: int) -> int:
    """The shard of the certificate that was given the `position`-th serial number, counted from 0."""
    return position // SHARD_SIZE


def shards_in_use(authority: Authority) -> range:
    return range(shard_of(max(authority.assigned - 1, 0)) + 1)


def newest(shard: Shard) -> CertificateRevocationList | None:
    lists = CertificateRevocationList.objects.filter(authority_id=shard.authority, shard=shard.number)
    return lists.order_by("-number").first()


def due(*, at: datetime) -> Iterator[Shard]:
    """Shards without a list, with an old one, or with a revocation that is not in it yet."""
    for authority in Authority.objects.defer("encrypted_key").exclude(encrypted_key=b"").order_by("slug"):
        age = ROOT_RENEW_AFTER if authority.parent_id is None else RENEW_AFTER
        for number in shards_in_use(authority):
            current = newest(Shard(authority.slug, number))
            if current is None or current.this_update + age <= at or _misses_one(authority, number, since=current.this_update):
                yield Shard(authority.slug, number)


def _misses_one(authority: Authority, number: int, *, since: datetime) -> bool:
    # A list's time is cut to the second: one that was revoked within that second may be missing.
    return Issuance.objects.filter(authority=authority, shard=number, status=IssuanceStatus.REVOKED, revoked_at__gte=since).exists()
