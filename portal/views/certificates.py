"""The certificates of an organisation."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from directory.models import CertificateStatus
from mailer.models import SigningIdentity, SigningIdentityStatus
from onboarding.models import Membership
from portal.views.access import member_page, room


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
