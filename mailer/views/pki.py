"""`/pki/`: issuers' certificates (RFC 5280 section 4.2.2.1) and CRLs (RFC 2585), out of the database."""

import hashlib
from datetime import timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.http import http_date
from django.utils.translation import gettext as _
from django.views.decorators.http import condition, require_safe

from mailer.ca.shards import Shard, newest
from mailer.models import Authority

# A revocation is to be seen soon, so a list is kept for minutes and not until the next is due.
LIST_KEPT = timedelta(minutes=10)
ISSUER_KEPT = timedelta(days=1)


@require_safe
def issuer_certificate(request: HttpRequest, slug: str) -> HttpResponse:
    """A CA's certificate in DER, application/pkix-cert."""
    found = Authority.objects.filter(pk=slug).values_list("certificate", flat=True).first()
    if found is None:
        raise Http404(_("There is no such certificate authority."))
    return _send(request, bytes(found), "application/pkix-cert", f"{slug}.crt", kept=ISSUER_KEPT)


@require_safe
def revocation_list(request: HttpRequest, slug: str, shard: int) -> HttpResponse:
    """The newest CRL of a shard in DER, application/pkix-crl."""
    found = newest(Shard(slug, shard))
    if found is None:
        raise Http404(_("There is no such revocation list."))
    left = max(found.next_update - timezone.now(), timedelta())
    return _send(request, bytes(found.der), "application/pkix-crl", f"{slug}-{shard}.crl", kept=min(LIST_KEPT, left))


def _send(request: HttpRequest, der: bytes, kind: str, name: str, *, kept: timedelta) -> HttpResponse:
    @condition(etag_func=lambda _request: f'"{hashlib.sha256(der).hexdigest()[:32]}"')
    def answer(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(der, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})

    response: HttpResponse = answer(request)
    seconds = int(kept.total_seconds())
    patch_cache_control(response, public=True, max_age=seconds)
    response["Expires"] = http_date((timezone.now() + kept).timestamp())
    return response
