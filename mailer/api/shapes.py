"""The mailer's requests and answers as OpenAPI describes them. Requests are parsed by `mailer.api.parsing`, which says more of what is wrong."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers

from directory.api.shapes import ReceiptLine, problems
from mailer.models import ConsentStatus, MessageStatus, OnMissing, PublicationStatus
from mailer.outbox import MOST_HOLD_DAYS, MOST_MESSAGES
from mailer.rehearsal import Outlook
from mailer.smime.choice import ContentCipher, KeyManagement


class MessageAttachment(serializers.Serializer[object]):
    filename = serializers.CharField(max_length=255)
    content_type = serializers.CharField(help_text="such as application/pdf")
    content = serializers.CharField(help_text="base64")
    content_id = serializers.CharField(required=False, help_text="of an image that the HTML shows as cid:<content_id>; it is then no attachment")


class MessageToSend(serializers.Serializer[object]):
    to = serializers.CharField()
    subject = serializers.CharField(max_length=998, help_text="sealed with the text; what stands outside is the organisation's choice")
    text = serializers.CharField()
    html = serializers.CharField(required=False, help_text="the text's twin")
    attachments = MessageAttachment(many=True, required=False)
    reference = serializers.CharField(max_length=255, required=False, help_text="your own id; in the send log, not in the mail")


# Made by a call, since `from` is a word of Python's own.
MessagesRequest = inline_serializer(
    "MessagesRequest",
    fields={
        "from": serializers.CharField(help_text="an address with an active signing certificate of your organisation"),
        "messages": serializers.ListField(child=MessageToSend(), min_length=1, max_length=MOST_MESSAGES),
        "on_missing": serializers.ChoiceField(OnMissing.choices, required=False, help_text="without a certificate: hold where absent"),
        "hold_days": serializers.IntegerField(min_value=1, max_value=MOST_HOLD_DAYS, required=False, help_text="14 where absent"),
        "dry_run": serializers.BooleanField(
            required=False, help_text="say what would become of it; nothing is stored, nobody invited, no key needed; counts as look-ups"
        ),
    },
)


class AcceptedMessageShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    to = serializers.CharField()
    message_id = serializers.CharField()
    status = serializers.ChoiceField(["queued"])


class AcceptedBatch(serializers.Serializer[object]):
    batch = serializers.UUIDField()
    messages = AcceptedMessageShape(many=True)


class RehearsedMessage(serializers.Serializer[object]):
    to = serializers.CharField()
    reference = serializers.CharField()
    status = serializers.ChoiceField([outlook.value for outlook in Outlook])
    reason = serializers.CharField(
        allow_null=True, help_text="what the algorithms rest on: default or the recipient's own capabilities; or no_certificate"
    )
    certificate = serializers.CharField(allow_null=True, help_text="fingerprint of the first certificate that it would be sealed to")
    certificates = serializers.ListField(child=serializers.CharField(), help_text="all that it would be sealed to")
    left_out = serializers.ListField(
        child=serializers.CharField(), help_text="usable too, but not sealed to: EC keys beside RSA keys, which more programs open"
    )
    key_management = serializers.ChoiceField([name.value for name in KeyManagement], allow_null=True)
    content_encryption = serializers.ChoiceField([name.value for name in ContentCipher], allow_null=True)
    receipt = ReceiptLine(many=True, help_text="every candidate, and why it was taken or not")
    size = serializers.IntegerField(help_text="octets of text and attachments")


class DryRun(serializers.Serializer[object]):
    dry_run = serializers.BooleanField()
    messages = RehearsedMessage(many=True)


class MessageEventShape(serializers.Serializer[object]):
    at = serializers.DateTimeField()
    event = serializers.CharField()
    detail = serializers.CharField()


class MessageSummary(serializers.Serializer[object]):
    id = serializers.UUIDField()
    batch = serializers.UUIDField()
    to = serializers.CharField(help_text="empty once its recipient was erased")
    message_id = serializers.CharField()
    subject_digest = serializers.CharField(help_text="hex; the same for the same subject within your organisation, and of no use to anybody else")
    reference = serializers.CharField()
    status = serializers.ChoiceField(MessageStatus.values)
    certificate = serializers.CharField(allow_null=True, help_text="fingerprint of the certificate it was sealed to; null again once erased")
    certificates = serializers.ListField(child=serializers.CharField(), help_text="all that it was sealed to")
    accepted_at = serializers.DateTimeField()
    erased_at = serializers.DateTimeField(allow_null=True, help_text="when its recipient was erased; the reference went too")


class MessageWithEvents(MessageSummary):
    events = MessageEventShape(many=True)


class MessagePage(serializers.Serializer[object]):
    messages = MessageSummary(many=True)
    next = serializers.CharField(allow_null=True, help_text="give it as `after` for the next page")


class PublicationShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    email = serializers.CharField(allow_blank=True, help_text="empty once it is refused or expired")
    status = serializers.ChoiceField(PublicationStatus.values)
    challenge = serializers.CharField(
        required=False, help_text="awaiting_possession_proof: the certificate's key signs it; waiting: the keys of those that it replaces may"
    )
    publish_at = serializers.DateTimeField(required=False, help_text="waiting: published then, unless the old holder stops it")
    reason = serializers.CharField(required=False)


class ContributionShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(ConsentStatus.values, help_text="of a mail that was taken nothing is told but a consent that was given")
    reason = serializers.CharField(required=False, help_text="why the mail was not taken, such as not_signed, untrusted, other_sender or dkim_fails")


_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    location=OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters; kept for 30 days. Needed for all but a dry run.",
)

documented_send = extend_schema(
    operation_id="send_messages",
    summary="Send one message or up to 1000",
    parameters=[_KEY],
    request=MessagesRequest,
    responses={
        (202, "application/json"): AcceptedBatch,
        (200, "application/json"): DryRun,
        **problems(400, 401, 403, 406, 411, 413, 415, 422, 429),
    },
)
documented_list = extend_schema(
    operation_id="list_messages",
    summary="The send log, newest first",
    parameters=[
        OpenApiParameter("status", OpenApiTypes.STR, enum=MessageStatus.values),
        OpenApiParameter("to", OpenApiTypes.STR, description="an exact address"),
        OpenApiParameter("reference", OpenApiTypes.STR),
        OpenApiParameter("since", OpenApiTypes.DATETIME, description="accepted then or later"),
        OpenApiParameter("until", OpenApiTypes.DATETIME, description="accepted before then"),
        OpenApiParameter("after", OpenApiTypes.STR, description="`next` of the page before"),
        OpenApiParameter("limit", OpenApiTypes.INT, description="1 to 200; 50 where absent"),
    ],
    responses={(200, "application/json"): MessagePage, **problems(401, 403, 406, 422)},
)
documented_message = extend_schema(
    operation_id="message",
    summary="One message and what became of it",
    responses={(200, "application/json"): MessageWithEvents, **problems(401, 403, 404, 406)},
)
documented_cancel = extend_schema(
    operation_id="cancel_message",
    summary="Take back a message that is queued or held",
    request=None,
    responses={(200, "application/json"): MessageWithEvents, **problems(401, 403, 404, 406, 409, 411)},
)
documented_publish = extend_schema(
    operation_id="publish_certificate",
    summary="Hand in a certificate; its owner gets a mail sealed to it, or in clear where it only signs",
    parameters=[OpenApiParameter("email", OpenApiTypes.STR, description="which address is meant, where the certificate names several")],
    request={
        "application/pkix-cert": OpenApiTypes.BINARY,
        "application/pkcs7-mime": OpenApiTypes.BINARY,
        "application/x-pem-file": OpenApiTypes.BINARY,
        "multipart/form-data": inline_serializer(
            "PublicationForm", fields={"certificate": serializers.FileField(), "email": serializers.CharField(required=False)}
        ),
    },
    responses={(202, "application/json"): PublicationShape, **problems(401, 403, 406, 411, 413, 415, 422, 429)},
)
documented_proof = extend_schema(
    operation_id="prove_publication",
    summary="Prove mailbox and key: with the mailed code, or with a signed answer that begins with the challenge",
    request={
        "application/json": inline_serializer("ProofCode", fields={"code": serializers.CharField(max_length=40)}),
        "message/rfc822": OpenApiTypes.BINARY,
        "application/pkcs7-mime": OpenApiTypes.BINARY,
        "application/pkcs7-signature": OpenApiTypes.BINARY,
        "application/octet-stream": OpenApiTypes.BINARY,
    },
    responses={(200, "application/json"): PublicationShape, **problems(400, 401, 403, 404, 406, 409, 411, 413, 415, 422)},
)
documented_publication = extend_schema(
    operation_id="publication",
    summary="What became of a certificate that was handed in",
    responses={(200, "application/json"): PublicationShape, **problems(401, 403, 404, 406)},
)
documented_contribute = extend_schema(
    operation_id="contribute_mail",
    summary="Hand in a signed mail; its sender is asked whether their certificate may be published",
    request={"message/rfc822": OpenApiTypes.BINARY},
    responses={(202, "application/json"): ContributionShape, **problems(401, 403, 406, 411, 413, 415, 422, 429, 503)},
)
documented_contribution = extend_schema(
    operation_id="contribution",
    summary="What became of a mail that was handed in",
    responses={(200, "application/json"): ContributionShape, **problems(401, 403, 404, 406)},
)
