"""Is the signer who the message says it is from? One From with one address, and nothing beside it that says otherwise.

Whoever shows a verified mark lets readers believe the From line: so anything by which programs could show another sender takes the mark away.
"""

from collections.abc import Collection, Iterator, Sequence

from . import mailboxes
from .errors import MalformedCms, TooLarge
from .head import Head, split
from .mailboxes import Mailbox, Unclear
from .outcomes import Outcome
from .signer_certificate import match_of

# RFC 5322 section 3.6.
_ONCE = ("sender", "reply-to", "subject", "date", "to", "cc", "message-id")


def judge(message: bytes, signed: bytes, addresses: Sequence[str], *, encrypted: bool) -> Outcome:
    """VERIFIED, or what is wrong with the sender of `message`, in which the entity `signed` is by a holder of `addresses`. Raises nothing.

    1. The outer header: one From, its address is one of the signer's; Sender and Reply-To are theirs too.
    2. Header fields inside the signature (RFC 9788, or a message/rfc822 by RFC 8551 section 3.1) say the same.
    """
    try:
        outer, inner = split(message)[0], _inner(signed)
    except TooLarge:
        return Outcome.TOO_LARGE
    except MalformedCms:
        return Outcome.SENDER_UNCLEAR
    if outer.odd or inner.odd:
        return Outcome.SENDER_UNCLEAR
    own = {match_of(address) for address in addresses}
    # Step 1.
    outcome = _judge_head(outer, own)
    if outcome is not Outcome.VERIFIED:
        return outcome
    # Step 2.
    return _judge_inner(outer, inner, own, encrypted=encrypted)


def sender_of(message: bytes) -> str:
    """The From address, empty unless there is exactly one. Raises nothing."""
    try:
        found = _single(split(message)[0].all("from"))
    except (TooLarge, MalformedCms, Unclear):
        return ""
    return found.address if found else ""


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
    yield Outcome.FOREIGN_REPLY_TO, not _all_own(head.all("reply-to"), own)


def _all_own(values: Sequence[str], own: Collection[str]) -> bool:
    try:
        return all(mailbox.match in own and not mailbox.misleads for value in values for mailbox in mailboxes.parse(value))
    except Unclear:
        return False


def _inner(signed: bytes) -> Head:
    head, body = split(signed)
    return split(body.lstrip(b"\r\n"))[0] if head.content_type == "message/rfc822" else head


def _judge_inner(outer: Head, inner: Head, own: Collection[str], *, encrypted: bool) -> Outcome:
    if not inner.all("from"):
        return Outcome.VERIFIED
    if _judge_head(inner, own) is not Outcome.VERIFIED or _addresses(inner) != _addresses(outer):
        return Outcome.HEADERS_DIFFER
    # An encrypted message may show another Subject outside, to give nothing away; a signed one has no reason to.
    subjects = {" ".join(mailboxes.decoded(head.first("subject")).split()) for head in (outer, inner) if head.all("subject")}
    if not encrypted and inner.parameter("hp") != "cipher" and inner.all("subject") and len(subjects) > 1:
        return Outcome.HEADERS_DIFFER
    return Outcome.VERIFIED


def _addresses(head: Head) -> list[str]:
    """Both heads have been judged: each field can be read."""
    return [mailbox.match for name in ("from", "sender", "reply-to") for value in head.all(name) for mailbox in mailboxes.parse(value)]
