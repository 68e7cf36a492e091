"""Is the signer who the message says it is from? One From with one address, and nothing beside it that says otherwise.

Whoever shows a verified mark lets readers believe the From line: so anything by which programs could show another sender takes the mark away.
"""

from collections.abc import Collection, Iterator, Sequence

from . import mailboxes
from .encoded_words import decoded
from .errors import MalformedCms, TooLarge
from .head import MAX_HEAD, Head, split
from .mailboxes import Mailbox, Unclear
from .outcomes import Outcome
from .signer_certificate import match_of

# RFC 5322 section 3.6.
_ONCE = ("sender", "reply-to", "mail-reply-to", "subject", "date", "to", "cc", "message-id")
# Where an answer goes; the second is older than the standard's, and some programs prefer it.
_REPLIES = ("reply-to", "mail-reply-to")
_SENDING = ("from", "sender", *_REPLIES)
_MESSAGES = frozenset({"message/rfc822", "message/global"})
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
# A header and, in a message/rfc822, the one after it.
MOST_LOOKED_AT = 2 * MAX_HEAD + 1024


def judge(message: bytes, inside: Sequence[bytes], signers: Sequence[Sequence[str]], *, encrypted: bool) -> Outcome:
    """VERIFIED, or what is wrong with the sender of `message`; `inside` are the entities in it, `signers` each signer's addresses. Raises nothing.

    Only the first MOST_LOOKED_AT octets of each matter. Each signer must be the sender: signatures do not bind each other, anyone can add one.

    1. The outer header: one From, its address is one of the signer's; Sender and Reply-To are theirs too.
    2. Header fields inside (RFC 9788, or a message/rfc822 by RFC 8551 section 3.1), of whichever layer, say the same.
    """
    try:
        outer = split(message)[0]
        inner = [head for entity in inside for head in _heads_of(entity)]
        if not signers or any(head.odd for head in (outer, *inner)):
            return Outcome.SENDER_UNCLEAR
        outcomes = (_judge_for({match_of(address) for address in addresses}, outer, inner, encrypted=encrypted) for addresses in signers)
        return next((outcome for outcome in outcomes if outcome is not Outcome.VERIFIED), Outcome.VERIFIED)
    except TooLarge:
        return Outcome.TOO_LARGE
    except (MalformedCms, Unclear):
        return Outcome.SENDER_UNCLEAR


def _judge_for(own: Collection[str], outer: Head, inner: Sequence[Head], *, encrypted: bool) -> Outcome:
    # Step 1.
    outcome = _judge_head(outer, own)
    if outcome is not Outcome.VERIFIED:
        return outcome
    # Step 2.
    return Outcome.VERIFIED if all(_agrees(head, outer, own, encrypted=encrypted) for head in inner) else Outcome.HEADERS_DIFFER


def _single(values: Sequence[str]) -> Mailbox | None:
    if len(values) != 1:
        return None
    found = mailboxes.parse(values[0])
    return found[0] if len(found) == 1 else None


def _judge_head(head: Head, own: Collection[str]) -> Outcome:
    values = head.all("from")
    if not values:
        return Outcome.NO_SENDER
    try:
        sender = _single(values)
    except Unclear:
        return Outcome.SENDER_UNCLEAR
    if sender is None:
        return Outcome.SEVERAL_SENDERS
    return next((outcome for outcome, wrong in _doubts(head, sender, own) if wrong), Outcome.VERIFIED)


def _doubts(head: Head, sender: Mailbox, own: Collection[str]) -> Iterator[tuple[Outcome, bool]]:
    yield Outcome.REPEATED_FIELD, any(len(head.all(name)) > 1 for name in _ONCE)
    yield Outcome.OTHER_SENDER, sender.match not in own
    yield Outcome.MISLEADING_NAME, sender.misleads
    yield Outcome.FOREIGN_SENDER_FIELD, not _all_own(head.all("sender"), own)
    yield Outcome.FOREIGN_REPLY_TO, not all(_all_own(head.all(name), own) for name in _REPLIES)


def _all_own(values: Sequence[str], own: Collection[str]) -> bool:
    try:
        return all(mailbox.match in own and not mailbox.misleads for value in values for mailbox in mailboxes.parse(value))
    except Unclear:
        return False


def _heads_of(entity: bytes) -> list[Head]:
    """The header of an entity and, where it is a message itself, that one's. Raises TooLarge, MalformedCms."""
    head, body = split(entity)
    if head.oddly_typed:
        raise MalformedCms("a Content-Type that may be read as another")
    if head.content_type not in _MESSAGES:
        return [head]
    if head.transfer_encoding not in _IDENTITY:
        raise MalformedCms("an encoded message")  # RFC 2046 section 5.2.1: some decode it nevertheless
    return [head, split(body.lstrip(b"\r\n"))[0]]


def _agrees(inner: Head, outer: Head, own: Collection[str], *, encrypted: bool) -> bool:
    """What the inner header says, the outer one says too. Raises MalformedCms, Unclear."""
    if inner.all("from") and (_judge_head(inner, own) is not Outcome.VERIFIED or _addresses(inner, _SENDING) != _addresses(outer, _SENDING)):
        return False
    if any(len(inner.all(name)) > 1 for name in _ONCE):
        return False
    if any(not _all_own(inner.all(name), own) or _addresses(inner, [name]) != _addresses(outer, [name]) for name in _SENDING if inner.all(name)):
        return False
    return _same_subject(inner, outer, encrypted=encrypted)


def _same_subject(inner: Head, outer: Head, *, encrypted: bool) -> bool:
    """Or another one outside that the signer has let be there, to give nothing away (RFC 9788). Raises MalformedCms."""
    if not inner.all("subject") or not outer.all("subject"):
        return True
    written, shown = _plain(inner.first("subject")), _plain(outer.first("subject"))
    if written == shown or not encrypted:
        return written == shown
    # Anyone can encrypt what was signed to be sent in clear, and put a Subject of his own on it.
    told = [_plain(value.partition(":")[2]) for value in inner.all("hp-outer") if value.lower().startswith("subject:")]
    return inner.parameter("hp") != "clear" and (not told or shown in told)


def _plain(subject: str) -> str:
    return " ".join(decoded(subject).split())


def _addresses(head: Head, names: Sequence[str]) -> list[str]:
    """Raises Unclear."""
    return [mailbox.match for name in names for value in head.all(name) for mailbox in mailboxes.parse(value)]
