"""Which authorities, and which addresses of CRLs, the trust store goes by. Each change leaves an event.

A removed authority stays as a row that does not count.
"""

from datetime import datetime
from urllib.parse import urlsplit

from django.db import transaction

from directory.errors import DirectoryError
from directory.events import Verb, record
from directory.models import AuthorityKind, AuthoritySource, RevocationSource, TrustedAuthority
from directory.x509.certificate import MOST_ISSUER_LENGTH

MOST_URL = 500


class UnknownAuthorityError(DirectoryError):
    """The trust store has no such authority, or no such address of a CRL."""

    code = "unknown_authority"


class BadSourceError(DirectoryError):
    """Not an address from which a CRL is fetched."""

    code = "bad_source"


@transaction.atomic
def add_authority(
    *,
    fingerprint: str,
    der: bytes,
    subject: str,
    kind: AuthorityKind,
    source: AuthoritySource,
    distrust_after: datetime | None = None,
    actor: str,
    at: datetime,
) -> bool:
    """Have an authority count; False, and nothing is changed, where it does so in just this way."""
    facts = {"kind": kind, "source": source, "distrust_after": distrust_after}
    TrustedAuthority.objects.bulk_create(
        [TrustedAuthority(fingerprint=fingerprint, der=der, subject=subject[:MOST_ISSUER_LENGTH], added_at=at, removed_at=at, actor=actor, **facts)],
        ignore_conflicts=True,
    )
    row = TrustedAuthority.objects.select_for_update().get(pk=fingerprint)
    if row.removed_at is None and all(getattr(row, name) == value for name, value in facts.items()):
        return False
    TrustedAuthority.objects.filter(pk=fingerprint).update(added_at=at, removed_at=None, actor=actor, **facts)
    detail: dict[str, object] = {"kind": kind, "source": source}
    if distrust_after is not None:
        detail["distrust_after"] = distrust_after.isoformat()
    record(actor=actor, verb=Verb.AUTHORITY_ADDED, subject=f"authority:{fingerprint}", at=at, detail=detail)
    return True


@transaction.atomic
def remove_authority(*, fingerprint: str, source: AuthoritySource, actor: str, at: datetime) -> None:
    """Have an authority count no more, by a decision of `source`. Raises UnknownAuthorityError.

    What the operator removes is the operator's from then on, so that no list brings it back.
    """
    if not TrustedAuthority.objects.filter(pk=fingerprint, removed_at=None).update(removed_at=at, source=source, actor=actor):
        raise UnknownAuthorityError("The trust store has no such authority.")
    record(actor=actor, verb=Verb.AUTHORITY_REMOVED, subject=f"authority:{fingerprint}", at=at, detail={"source": source})


@transaction.atomic
def add_source(*, url: str, actor: str, at: datetime) -> RevocationSource:
    """Name an http or https address of a CRL. Raises BadSourceError."""
    parts = urlsplit(url)
    try:
        port_is_fine = parts.port != 0
    except ValueError:
        port_is_fine = False
    printable = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.fragment or not port_is_fine or not printable:
        raise BadSourceError("A CRL is fetched from an http or https address without a user name or fragment.")
    if len(url) > MOST_URL:
        raise BadSourceError(f"An address has at most {MOST_URL} characters.")
    source, made = RevocationSource.objects.get_or_create(url=url, defaults={"added_at": at, "actor": actor})
    if made:
        record(actor=actor, verb=Verb.REVOCATION_SOURCE_ADDED, subject=f"revocation_source:{source.pk}", at=at, detail={"url": url})
    return source


@transaction.atomic
def remove_source(*, url: str, actor: str, at: datetime) -> None:
    """Forget an address and the list that came from it. Raises UnknownAuthorityError."""
    source = RevocationSource.objects.filter(url=url).first()
    if source is None:
        raise UnknownAuthorityError("No CRL is fetched from this address.")
    record(actor=actor, verb=Verb.REVOCATION_SOURCE_REMOVED, subject=f"revocation_source:{source.pk}", at=at, detail={"url": url})
    source.delete()


@transaction.atomic
def keep_list(*, source: RevocationSource, crl: bytes, number: int, actor: str, at: datetime) -> None:
    """Keep a verified CRL as the newest of its source."""
    RevocationSource.objects.filter(pk=source.pk).update(crl=crl, fetched_at=at, fault="")
    record(actor=actor, verb=Verb.REVOCATION_LIST_KEPT, subject=f"revocation_source:{source.pk}", at=at, detail={"number": number})
