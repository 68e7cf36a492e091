"""The signer's side of CRLs (RFC 5280 section 5): built out of the ledger, linted, signed, stored under the next number."""

import logging
from datetime import datetime, timedelta
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.db import IntegrityError, transaction

from mailer.ca.authorities import OpenAuthority, addresses
from mailer.ca.errors import NotIntendedError, StaleLedgerError
from mailer.ca.ledger import record
from mailer.ca.lint import revocation_list_findings
from mailer.ca.profiles import REVOCATION_LIST_LIFE, ROOT_REVOCATION_LIST_LIFE, Revoked, last_second, revocation_list_builder, whole_second
from mailer.ca.shards import Reason, Shard, newest, shards_in_use
from mailer.ca.signing import sign_revocation_list
from mailer.models import Authority, CertificateRevocationList, Issuance, IssuanceStatus

# An entry stays for one list beyond its certificate's end (RFC 5280 section 3.3).
_KEPT_BEYOND_END = timedelta(days=10)
_log = logging.getLogger(__name__)


def publish_revocation_list(number: int, authority: OpenAuthority, *, actor: str, at: datetime) -> CertificateRevocationList:
    """Sign and store the next list of shard `number`. Raises NotIntendedError for a shard that is not in use, StaleLedgerError when overtaken."""
    slug = authority.issuer.slug
    if number not in shards_in_use(Authority.objects.defer("encrypted_key").get(pk=slug)):
        raise NotIntendedError(f"the CA {slug} has no shard {number}")
    this_update = whole_second(at)
    previous = newest(Shard(slug, number))
    life = ROOT_REVOCATION_LIST_LIFE if authority.is_root else REVOCATION_LIST_LIFE
    revoked = _revoked(slug, number, at=this_update)
    build = partial(
        revocation_list_builder,
        authority.issuer,
        number=previous.number + 1 if previous else 1,
        shard=None if authority.is_root else number,
        this_update=this_update,
        life=life,
        addresses=addresses(),
    )
    signed = sign_revocation_list(
        build(revoked=revoked),
        authority.key,
        sample=build(revoked=list({entry.reason: entry for entry in revoked}.values())),
        lint=lambda der: revocation_list_findings(der, of_root=authority.is_root),
    )
    return _store(slug, number, signed, last_second(this_update, life), actor=actor, at=at)


def _revoked(slug: str, number: int, *, at: datetime) -> list[Revoked]:
    rows = Issuance.objects.filter(authority_id=slug, shard=number, status=IssuanceStatus.REVOKED, not_after__gt=at - _KEPT_BEYOND_END)
    lines = rows.order_by("revoked_at", "id").values_list("serial", "revoked_at", "revocation_reason")
    return [Revoked(int(serial, 16), moment, _flag(reason)) for serial, moment, reason in lines if serial and moment]


def _flag(reason: str) -> x509.ReasonFlags | None:
    return None if reason in {"", Reason.UNSPECIFIED} else x509.ReasonFlags[reason]


def _store(
    slug: str, number: int, signed: x509.CertificateRevocationList, next_update: datetime, *, actor: str, at: datetime
) -> CertificateRevocationList:
    count = signed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    try:
        with transaction.atomic():
            stored = CertificateRevocationList.objects.create(
                authority_id=slug,
                shard=number,
                number=count,
                der=signed.public_bytes(Encoding.DER),
                this_update=signed.last_update_utc,
                next_update=next_update,
            )
            record("crl", authority_slug=slug, actor=actor, at=at, detail=f"shard {number}, number {count}, {len(signed)} entries")
    except IntegrityError as error:
        raise StaleLedgerError("another list was stored under this number") from error
    _log.info("signed the list %s of shard %s of %s with %s entries", count, number, slug, len(signed))
    return stored
