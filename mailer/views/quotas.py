"""Pages that answer questions about addresses or send mail draw on the quota that the API has for callers without a token."""

from datetime import datetime
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from directory.api import quotas
from directory.errors import OverQuotaError
from directory.explanations import explain


def over_quota(request: HttpRequest, *, at: datetime) -> HttpResponse | None:
    """Take one look-up out of the caller's quota; a page with 429 and Retry-After where there is none left."""
    try:
        quotas.take(token=None, meta=request.META, cost=1, at=at)
    except OverQuotaError as error:
        response = render(request, "public/over_quota.html", {"advice": explain(error)}, status=HTTPStatus.TOO_MANY_REQUESTS)
        response["Retry-After"] = str(error.retry_after)
        return response
    return None
