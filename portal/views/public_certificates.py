"""One published certificate as everybody may see it: who validated what, and as a file. Hidden, erased and unknown are one 404.

Both draw on the quota of look-ups: whoever has a certificate could else try out whose are published.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from directory.models import Certificate, CertificateStatus, Level
from mailer.views.quotas import over_quota
from portal import validations, vcards

MEDIA_TYPES = {"crt": "application/pkix-cert", "pem": "application/x-pem-file", "vcf": vcards.MEDIA_TYPE}


@dataclass(frozen=True)
class Public:
    """A certificate and the addresses under which it is shown, oldest first."""

    row: Certificate
    addresses: tuple[str, ...]


@require_safe
def certificate(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Who validated what of this certificate, and its facts."""
    now = timezone.now()
    refused = over_quota(request, at=now)
    if refused is not None:
        return refused
    found = _find(fingerprint)
    context = {
        "certificate": found.row,
        "addresses": found.addresses,
        "state": _state(found.row, at=now),
        "identity": found.row.organization_name or found.row.name,
        "checks": validations.checks_of(found.row),
    }
    return render(request, "public/certificate.html", context)


@require_safe
def certificate_file(request: HttpRequest, fingerprint: str, form: str) -> HttpResponse:
    """A published certificate as DER (`crt`), PEM or vCard (`vcf`)."""
    refused = over_quota(request, at=timezone.now())
    if refused is not None:
        return refused
    found = _find(fingerprint)
    response = HttpResponse(_body(found, form), content_type=MEDIA_TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="{fingerprint[:16]}.{form}"'
    return response


def _find(fingerprint: str) -> Public:
    """Raises Http404."""
    shown = Certificate.objects.filter(fingerprint=fingerprint, mailbox__hidden_at=None, mailbox__erased_at=None)
    rows = list(shown.exclude(status=CertificateStatus.ERASED).select_related("mailbox", "organization").order_by("id"))
    if not rows:
        raise Http404
    # Several mailboxes may have it: the page tells of the one under which it is live.
    live = next((row for row in rows if row.status == CertificateStatus.PUBLISHED), rows[0])
    return Public(live, tuple(row.mailbox.address for row in rows))


def _state(row: Certificate, *, at: datetime) -> str:
    if row.status == CertificateStatus.PUBLISHED and row.not_after <= at:
        return "expired"
    if row.status == CertificateStatus.PUBLISHED and row.not_before > at:
        return "not_yet_valid"
    return row.status


def _body(found: Public, form: str) -> bytes:
    row, der = found.row, bytes(found.row.der)
    if form == "crt":
        return der
    if form == "pem":
        return load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    return vcards.vcard(
        name=row.name or row.organization_name or found.addresses[0],
        organization=row.organization_name,
        addresses=found.addresses,
        der=der,
        is_organization=row.level == Level.V4,
        revised_at=row.ended_at or row.published_at,
    )
