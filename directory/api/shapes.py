"""What several endpoints answer with, as OpenAPI describes it: problem documents, and the lines of a receipt."""

from collections.abc import Mapping

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from directory.selection import Reason


class ProblemError(serializers.Serializer[object]):
    pointer = serializers.CharField(help_text="JSON pointer (RFC 6901) to the value")
    detail = serializers.CharField()


class ProblemDocument(serializers.Serializer[object]):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = ProblemError(many=True, required=False)  # type: ignore[assignment]  # RFC 9457 names it so; the metaclass takes it off the class


class ReceiptLine(serializers.Serializer[object]):
    fingerprint = serializers.RegexField(r"^[0-9a-f]{64}$")
    accepted = serializers.BooleanField()
    reason = serializers.ChoiceField([reason.value for reason in Reason])


PROBLEM = "application/problem+json"
PROBLEM_WORDS: Mapping[int, str] = {
    400: "the body cannot be read",
    401: "the token is missing or not valid",
    403: "the token lacks a scope",
    404: "there is no such thing, or it is not yours",
    406: "none of the accepted media types is served",
    409: "it is past the point at which this could be done",
    411: "the body came in chunks, without its length",
    413: "the request is too large",
    415: "the media type is not taken",
    422: "a value cannot be accepted",
    429: "too much at once: see Retry-After",
    503: "not now: see Retry-After",
}


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """The problem documents that an endpoint can answer with, for `extend_schema(responses=...)`."""
    return {(status, PROBLEM): OpenApiResponse(ProblemDocument, description=PROBLEM_WORDS[status]) for status in statuses}
