"""The certificates of an organisation, and one certificate as a file."""

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from directory.models import Certificate, CertificateStatus
from mailer.models import SigningIdentity, SigningIdentityStatus
from onboarding.models import Membership
from portal.views.access import member_page, room

MEDIA_TYPES = {"crt": "application/pkix-cert", "pem": "application/x-pem-file"}


@require_safe
@member_page()
def certificate(request: HttpRequest, membership: Membership) -> HttpResponse:
    """What this organisation signs with, what was validated, and every certificate that names it."""
    organization = membership.organization
    identities = SigningIdentity.objects.filter(organization=organization).exclude(status=SigningIdentityStatus.RETIRED)
    context = room(
        membership,
        "certificate",
        domains=organization.domains.order_by("domain"),
        identities=identities.select_related("certificate").order_by("address"),
        certificates=organization.certificates.exclude(status=CertificateStatus.ERASED).select_related("mailbox").order_by("-published_at"),
    )
    return render(request, "organisation/certificate.html", context)


@require_safe
def certificate_file(_request: HttpRequest, fingerprint: str, form: str) -> HttpResponse:
    """A published certificate as DER (`crt`) or PEM; 404 for one that is unknown, hidden or erased."""
    row = (
        Certificate.objects.filter(fingerprint=fingerprint, mailbox__hidden_at=None, mailbox__erased_at=None)
        .exclude(status=CertificateStatus.ERASED)
        .first()
    )
    if row is None:
        raise Http404
    der = bytes(row.der)
    body = der if form == "crt" else load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    response = HttpResponse(body, content_type=MEDIA_TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="{fingerprint[:16]}.{form}"'
    return response
