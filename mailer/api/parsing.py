"""A send request, parsed at the door: every wrong value is named by its JSON pointer, and one of them refuses the whole request."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import orjson
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from directory.api.parsing import JSONBody
from directory.api.problems import Problem, unprocessable
from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress
from mailer.explanations import explain_refusal
from mailer.message_rows import OutgoingMessage
from mailer.models import OnMissing
from mailer.outbox import HOLD_DAYS, MOST_HOLD_DAYS, MOST_MESSAGES
from mailer.smime import headers
from mailer.smime.entity import Attachment, Content, check
from mailer.smime.errors import SmimeError

MOST_REQUEST_OCTETS = 32 * 1024 * 1024
MOST_REFERENCE = 255
MOST_ERRORS = 100
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LATER: Mapping[str, Promise] = {
    "template": gettext_lazy("Templates come later. Send subject and text."),
    "data": gettext_lazy("Templates come later. Send subject and text."),
    "webhook": gettext_lazy("Webhooks come later. Ask for the message's events."),
    "webhooks": gettext_lazy("Webhooks come later. Ask for the message's events."),
    "sandbox": gettext_lazy("A sandbox comes later. What is accepted is sent."),
}
_MESSAGE_FIELDS = frozenset({"to", "subject", "text", "html", "attachments", "reference"})
_REQUEST_FIELDS = frozenset({"from", "on_missing", "hold_days", "dry_run"})
_ATTACHMENT_FIELDS = frozenset({"filename", "content_type", "content", "content_id"})


class MessagesBody(JSONBody):
    """JSON of at most 32 MB."""

    most_octets = MOST_REQUEST_OCTETS


@dataclass(frozen=True)
class SendRequest:
    sender: EmailAddress
    items: list[OutgoingMessage]
    on_missing: OnMissing
    hold_days: int
    dry_run: bool
    digest: str


@dataclass
class _Faults:
    """What is wrong so far, as pairs of pointer and words."""

    found: list[tuple[str, str]] = field(default_factory=list)

    def add(self, pointer: str, words: str) -> None:
        self.found.append((pointer, words))

    def check(self) -> None:
        if self.found:
            raise Problem(422, _("A value cannot be accepted"), _("Nothing was sent. See the errors."), self.found[:MOST_ERRORS], kind="invalid")


def parse_key(header: str | None) -> str:
    """The Idempotency-Key. Raises Problem 400."""
    if header is None or not _KEY.fullmatch(header):
        detail = _("Send an Idempotency-Key header: 1 to 255 visible ASCII characters, a new one for every new request.")
        raise Problem(400, _("Idempotency-Key is needed"), detail, kind="idempotency-key")
    return header


def parse_send_request(data: object) -> SendRequest:
    """The request of `POST /api/v1/messages`: a list, or a single message without one. Raises Problem 422."""
    if not isinstance(data, dict):
        raise unprocessable("", _("The body is a JSON object."))
    faults = _Faults()
    sender = _address(data.get("from"), "/from", faults)
    on_missing = _on_missing(data.get("on_missing", OnMissing.HOLD), faults)
    hold_days = _hold_days(data.get("hold_days", HOLD_DAYS), faults)
    dry_run = _dry_run(data.get("dry_run", False), faults)
    if "messages" in data:
        _known_fields(data, _REQUEST_FIELDS | {"messages"}, "", faults)
        items = _messages(data["messages"], faults)
    else:
        _known_fields(data, _REQUEST_FIELDS | _MESSAGE_FIELDS, "", faults)
        items = [_message({name: value for name, value in data.items() if name not in _REQUEST_FIELDS}, "", faults)]
    faults.check()
    parsed = [item for item in items if item is not None]
    if sender is None or len(parsed) != len(items):
        raise RuntimeError("a value was refused without a word")
    return SendRequest(sender, parsed, on_missing, hold_days, dry_run, sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest())


def _messages(value: object, faults: _Faults) -> list[OutgoingMessage | None]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_MESSAGES:
        faults.add("/messages", _("A list of 1 to %(most)d messages.") % {"most": MOST_MESSAGES})
        return []
    return [_message(item, f"/messages/{place}", faults) for place, item in enumerate(value)]


def _message(value: object, pointer: str, faults: _Faults) -> OutgoingMessage | None:
    if not isinstance(value, dict):
        faults.add(pointer, _("A message is a JSON object."))
        return None
    before = len(faults.found)
    if pointer:
        _known_fields(value, _MESSAGE_FIELDS, pointer, faults)
    to = _address(value.get("to"), f"{pointer}/to", faults)
    subject = _text(value, "subject", pointer, faults, required=True)
    text = _text(value, "text", pointer, faults, required=True)
    html = _text(value, "html", pointer, faults, required=False)
    reference = _reference(value.get("reference"), f"{pointer}/reference", faults)
    attachments = _attachments(value.get("attachments"), f"{pointer}/attachments", faults)
    if to is None or subject is None or text is None or len(faults.found) > before:
        return None
    content = Content(subject, text, html, attachments)
    try:
        check(content)
    except SmimeError as error:
        faults.add(f"{pointer}/{error.field}", explain_refusal(error))
        return None
    return OutgoingMessage(to, content, reference)


def _known_fields(value: Mapping[str, object], known: frozenset[str], pointer: str, faults: _Faults) -> None:
    for name in value:
        if name in _LATER:
            faults.add(f"{pointer}/{name}", str(_LATER[name]))
        elif name not in known:
            # An unknown name may be a misspelt one, and what it says would be lost.
            faults.add(f"{pointer}/{_escape(name)}", _("There is no such field."))


def _escape(name: str) -> str:
    """RFC 6901 section 3, cut: the name is the caller's."""
    return name[:100].replace("~", "~0").replace("/", "~1")


def _address(value: object, pointer: str, faults: _Faults) -> EmailAddress | None:
    if value is None:
        faults.add(pointer, _("This is needed."))
        return None
    try:
        if isinstance(value, str):
            address = EmailAddress.parse(value)
            headers.address(address.address, field="to")
            return address
    except (MalformedAddressError, SmimeError):
        pass
    faults.add(pointer, _("This is not an address that mail can be sent to or from. It should look like name@example.com."))
    return None


def _text(value: Mapping[str, object], name: str, pointer: str, faults: _Faults, *, required: bool) -> str | None:
    text = value.get(name)
    if isinstance(text, str):
        return text
    if text is not None:
        faults.add(f"{pointer}/{name}", _("This is a string."))
    elif required:
        faults.add(f"{pointer}/{name}", _("This is needed."))
    return None


def _reference(value: object, pointer: str, faults: _Faults) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_REFERENCE or not value.isprintable():
        faults.add(pointer, _("A reference is a string of at most %(most)d printable characters.") % {"most": MOST_REFERENCE})
        return ""
    return value


def _attachments(value: object, pointer: str, faults: _Faults) -> list[Attachment]:
    if value is None:
        return []
    if not isinstance(value, list):
        faults.add(pointer, _("Attachments are a list."))
        return []
    parts = [_attachment(item, f"{pointer}/{place}", faults) for place, item in enumerate(value)]
    return [part for part in parts if part is not None]


def _attachment(value: object, pointer: str, faults: _Faults) -> Attachment | None:
    if not isinstance(value, dict):
        faults.add(pointer, _("An attachment is a JSON object."))
        return None
    _known_fields(value, _ATTACHMENT_FIELDS, pointer, faults)
    filename = _text(value, "filename", pointer, faults, required=True)
    content_type = _text(value, "content_type", pointer, faults, required=True)
    encoded = _text(value, "content", pointer, faults, required=True)
    content_id = _text(value, "content_id", pointer, faults, required=False)
    if filename is None or content_type is None or encoded is None:
        return None
    try:
        return Attachment(filename, content_type, base64.b64decode(encoded, validate=True), content_id or "")
    except (binascii.Error, ValueError):
        faults.add(f"{pointer}/content", _("This is not base64."))
        return None


def _on_missing(value: object, faults: _Faults) -> OnMissing:
    if isinstance(value, str) and value in OnMissing.values:
        return OnMissing(value)
    faults.add("/on_missing", _("This is “hold”, “fail” or “notice”."))
    return OnMissing.HOLD


def _hold_days(value: object, faults: _Faults) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_HOLD_DAYS:
        return value
    faults.add("/hold_days", _("A number of days from 1 to %(most)d.") % {"most": MOST_HOLD_DAYS})
    return HOLD_DAYS


def _dry_run(value: object, faults: _Faults) -> bool:
    if isinstance(value, bool):
        return value
    faults.add("/dry_run", _("True or false."))
    return False
