"""The look-up's requests and answers as OpenAPI describes them. Nothing is serialized through these: answers are bytes kept ready."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from directory.models import Level, Source
from directory.selection import Reason, Usage

STATUSES = ("found", "none", "malformed")


class ProblemError(serializers.Serializer[object]):
    pointer = serializers.CharField(help_text="JSON pointer (RFC 6901) to the value")
    detail = serializers.CharField()


class ProblemDocument(serializers.Serializer[object]):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = ProblemError(many=True, required=False)  # type: ignore[assignment]  # RFC 9457 names it so; the metaclass takes it off the class


class CertificateIdentity(serializers.Serializer[object]):
    name = serializers.CharField(allow_null=True)
    organization = serializers.CharField(allow_null=True)
    organization_id = serializers.CharField(allow_null=True)
    country = serializers.CharField(allow_null=True)


class CertificateKey(serializers.Serializer[object]):
    type = serializers.ChoiceField(["RSA", "EC"])
    bits = serializers.IntegerField(required=False, help_text="of an RSA key")
    curve = serializers.ChoiceField(["P-256", "P-384"], required=False, help_text="of an EC key")


class PublishedCertificate(serializers.Serializer[object]):
    fingerprint = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="SHA-256 of the DER")
    usage = serializers.ListField(child=serializers.ChoiceField([usage.value for usage in Usage]))
    level = serializers.ChoiceField(Level.values)
    identity = CertificateIdentity()
    issuer = serializers.CharField()
    source = serializers.ChoiceField(Source.values)  # type: ignore[assignment]  # likewise
    key = CertificateKey()
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField()
    selected = serializers.BooleanField(help_text="the one to use")
    der = serializers.CharField(help_text="base64")


class ReceiptLine(serializers.Serializer[object]):
    fingerprint = serializers.RegexField(r"^[0-9a-f]{64}$")
    accepted = serializers.BooleanField()
    reason = serializers.ChoiceField([reason.value for reason in Reason])


class LookupAnswer(serializers.Serializer[object]):
    email = serializers.CharField()
    status = serializers.ChoiceField(STATUSES[:2])
    certificates = PublishedCertificate(many=True)
    receipt = ReceiptLine(many=True, required=False)


class LookupResult(serializers.Serializer[object]):
    email = serializers.CharField()
    status = serializers.ChoiceField(STATUSES, required=False)
    certificates = PublishedCertificate(many=True, required=False)
    invitation = serializers.ChoiceField(["considered"], required=False)


# Made by a call, since a class attribute `fields` would hide the serializer's own.
LookupsRequest = inline_serializer(
    "LookupsRequest",
    fields={
        "emails": serializers.ListField(child=serializers.CharField(), min_length=1, max_length=1000),
        "fields": serializers.ListField(child=serializers.ChoiceField(["status", "certificates"]), required=False),
        "invite": serializers.BooleanField(required=False, help_text="Ask that misses be invited: needs a token with the scope `invite`."),
    },
)


class LookupsAnswer(serializers.Serializer[object]):
    results = LookupResult(many=True)


_PROBLEM = "application/problem+json"


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """The problem documents that an endpoint can answer with, for `extend_schema(responses=...)`."""
    words = {
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
    return {(status, _PROBLEM): OpenApiResponse(ProblemDocument, description=words[status]) for status in statuses}


documented_certificates = extend_schema(
    operation_id="certificates_of_an_address",
    summary="The certificates of one address",
    parameters=[
        OpenApiParameter("email", OpenApiTypes.STR, required=True, description="An exact address."),
        OpenApiParameter(
            "usage", OpenApiTypes.STR, enum=[usage.value for usage in Usage], description="Which certificates: encryption ones where absent."
        ),
        OpenApiParameter("receipt", OpenApiTypes.STR, enum=["1"], description="Also say of each candidate why it was taken or not."),
        OpenApiParameter("at", OpenApiTypes.DATETIME, description="As of a past moment; never what its owner hid or erased since."),
        OpenApiParameter("If-None-Match", OpenApiTypes.STR, location=OpenApiParameter.HEADER, description="The ETag of an answer kept."),
    ],
    responses={
        (200, "application/json"): LookupAnswer,
        (200, "application/pkix-cert"): OpenApiTypes.BINARY,
        304: OpenApiResponse(description="the answer kept still holds"),
        **problems(401, 403, 404, 406, 422, 429),
    },
)
documented_lookups = extend_schema(
    operation_id="certificates_of_addresses",
    summary="The certificates of up to 1000 addresses",
    request=LookupsRequest,
    responses={(200, "application/json"): LookupsAnswer, **problems(400, 401, 403, 406, 411, 413, 415, 422, 429)},
)
