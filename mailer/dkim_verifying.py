"""Does a domain's DKIM signature hold? (RFC 6376 section 6, RFC 8301, RFC 8463.) Free of Django; the DNS is asked by who calls.

Only signatures of the sender's own domain count here: a mailing list's says nothing of whom the mail is from.

1. The header section and the body, their lines ended by CRLF.
2. Each signature of the sender's domain: its tags, and whether it is for this mail and this time (section 6.1.1).
3. The domain's key (section 6.1.2).
4. The body's hash and the signature (section 6.1.3).
5. One that holds is enough. Else one that could not be looked up leaves the matter open, and one that fails decides it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

import idna
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from mailer.dkim_record import BadTagsError, KeyRecord, is_key_record, octets_of, tags_of, without_blanks, words_of

MOST_HEAD = 256 * 1024
MOST_FIELDS = 1000
MOST_SIGNATURES = 5
MOST_SIGNATURE = 16 * 1024
MOST_NAMES = 200
MOST_RECORDS = 10
# Clocks differ a little.
EARLY = timedelta(hours=1)
_ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_OLD = frozenset({"rsa-sha1"})  # RFC 8301 section 3.1: never valid
_FORMS = frozenset({"simple", "relaxed"})
_DIGITS = re.compile(r"[0-9]{1,12}")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MOST_NAME = 253
_BLANKS = re.compile(rb"[ \t]+")
_BARE_LINE_END = re.compile(rb"(?<!\r)\n")
_VALUE_OF_B = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


class DnsFault(Exception):
    """The DNS gave no answer, which is another thing than that there is none: ask again later."""


class Verdict(StrEnum):
    ABSENT = "absent"  # no signature of the sender's domain that could be judged
    HOLDS = "holds"
    FAILS = "fails"
    LATER = "later"


# The TXT records at a name, each with its strings joined; none where there are none. Raises DnsFault.
Texts = Callable[[str], Sequence[bytes]]
Field = tuple[bytes, bytes]


class _Failed(ValueError):
    """The signature does not hold; the text says why."""


class _Ignored(Exception):
    """To be taken as if it were not there (section 6.1)."""


def verdict(mail: bytes, *, domain: str, texts: Texts, at: datetime) -> tuple[Verdict, str]:
    """What the signatures of `domain`, the From address's in lower-case A-labels, come to at `at`, and why in English. Raises nothing."""
    # Step 1.
    mail = _BARE_LINE_END.sub(b"\r\n", mail)
    head, _gap, body = mail.partition(b"\r\n\r\n")
    fields = _fields(head)
    if len(head) > MOST_HEAD or len(fields) > MOST_FIELDS:
        return Verdict.FAILS, "a header section that is too long"
    signatures = [value for name, value in fields if _named(name) == b"dkim-signature"]
    bodies = _Bodies(body)
    found: dict[Verdict, str] = {}
    for value in _aligned(signatures, domain):
        try:
            _check(_Signature(value, at=at), fields, bodies, texts)
        except _Ignored:
            continue
        except DnsFault:
            found.setdefault(Verdict.LATER, "the domain's key cannot be looked up")
        except (_Failed, BadTagsError) as error:
            found.setdefault(Verdict.FAILS, str(error))
        else:
            return Verdict.HOLDS, ""
    # Step 5.
    return next(((kind, found[kind]) for kind in (Verdict.LATER, Verdict.FAILS) if kind in found), (Verdict.ABSENT, ""))


def _aligned(signatures: Sequence[bytes], domain: str) -> Iterator[bytes]:
    """The first few that claim to be of the domain, of one above or of one below it. One whose claim cannot be read claims nothing."""
    left = MOST_SIGNATURES
    for value in signatures:
        if len(value) > MOST_SIGNATURE:
            continue
        claimed = _claimed(value)
        if claimed and (claimed == domain or domain.endswith("." + claimed) or claimed.endswith("." + domain)):
            yield value
            left -= 1
            if not left:
                return


def _claimed(value: bytes) -> str:
    """The domain that a signature names, though its tags be otherwise out of order: a `d=` that is there twice claims what the first one does."""
    for part in value.decode("utf-8", "replace").split(";"):
        name, equals, domain = part.partition("=")
        if equals and name.strip(" \t\r\n") == "d":
            return _domain(domain)
    return ""


def _domain(text: str) -> str:
    """A domain name in lower-case A-labels (RFC 8616), empty if it is none."""
    text = without_blanks(text).lower()
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return ""
    return text if len(text) <= _MOST_NAME and _DOMAIN.fullmatch(text) else ""


@dataclass(frozen=True)
class _Lines:
    """A body or header field in its two forms."""

    head: str
    body: str


class _Signature:
    """Step 2: one DKIM-Signature field that is for now. Raises BadTagsError, _Failed, _Ignored."""

    def __init__(self, value: bytes, *, at: datetime) -> None:
        try:
            tags = tags_of(value.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise BadTagsError("a signature that is not text") from error
        missing = {"v", "a", "b", "bh", "d", "h", "s"} - tags.keys()
        if missing:
            raise _Failed("a tag is missing that must be there")
        if tags["v"] != "1":
            raise _Ignored
        self.field = value
        self.algorithm = tags["a"].lower()
        if self.algorithm in _OLD:
            raise _Failed("SHA-1 counts no more")
        if self.algorithm not in _ALGORITHMS:
            raise _Ignored
        self.domain, self.selector = _domain(tags["d"]), _domain(tags["s"])
        if not self.domain or not self.selector:
            raise _Failed("a domain or selector that is no name")
        self.identity = _domain(tags.get("i", "@" + tags["d"]).rpartition("@")[2])
        if self.identity != self.domain and not self.identity.endswith("." + self.domain):
            raise _Failed("the identity is not of the domain")
        self.names = [name.lower().encode() for name in words_of(tags["h"])]
        if b"from" not in self.names or len(self.names) > MOST_NAMES:
            raise _Failed("From is not signed, or more than can be is")
        self.forms = _forms(tags.get("c", "simple/simple"))
        if "q" in tags and "dns/txt" not in words_of(tags["q"].lower()):
            raise _Ignored
        self.length = _number(tags["l"]) if "l" in tags else None
        self._check_time(tags.get("t"), tags.get("x"), at)
        self.body_hash, self.value = octets_of(tags["bh"]), octets_of(tags["b"])

    def _check_time(self, signed: str | None, until: str | None, at: datetime) -> None:
        now = at.timestamp()
        if signed is not None and _number(signed) > now + EARLY.total_seconds():
            raise _Failed("signed in the future")
        if until is None:
            return
        if signed is not None and _number(until) <= _number(signed):
            raise _Failed("it ends before it begins")
        if _number(until) < now:
            raise _Failed("expired")


def _forms(value: str) -> _Lines:
    head, _slash, body = value.lower().partition("/")
    forms = _Lines(head.strip(), body.strip() or "simple")
    if not {forms.head, forms.body} <= _FORMS:
        raise _Ignored
    return forms


def _number(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise _Failed("not a number")
    return int(text)


class _Bodies:
    """The body in its canonical forms (section 3.4), each made once."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._made: dict[str, bytes] = {}

    def form(self, name: str) -> bytes:
        if name not in self._made:
            self._made[name] = _relaxed_body(self._body) if name == "relaxed" else _simple_body(self._body)
        return self._made[name]


def _simple_body(body: bytes) -> bytes:
    """Section 3.4.3: the empty lines at the end are one line's end, and no body is an empty line."""
    return _without_empty_lines(body) + b"\r\n"


def _relaxed_body(body: bytes) -> bytes:
    """Section 3.4.4: blanks run together and gone at the ends of lines, and no body stays none."""
    body = _without_empty_lines(_BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n").removesuffix(b" "))
    return body + b"\r\n" if body else b""


def _without_empty_lines(body: bytes) -> bytes:
    """Without the CRLFs at the end, in one look: a carriage return that ends no line stays."""
    end = len(body.rstrip(b"\r\n"))
    tail = body[end:]
    if tail.endswith(b"\r"):
        return body
    return body[: end + tail.rfind(b"\r\r") + 1]


def _check(signature: _Signature, fields: Sequence[Field], bodies: _Bodies, texts: Texts) -> None:
    """Steps 3 and 4. Raises _Failed, _Ignored, BadTagsError, DnsFault."""
    if sum(_named(name) == b"from" for name, _value in fields) != 1:
        raise _Failed("several From fields")  # section 8.15
    # The cheap before the DNS: what is hashed must be the whole body, or anything could stand behind it (section 8.2).
    body = bodies.form(signature.forms.body)
    if signature.length is not None and signature.length != len(body):
        raise _Failed("only a part of the body is signed")
    if sha256(body).digest() != signature.body_hash:
        raise _Failed("the body was changed")
    # Step 3.
    record = _record(signature, texts)
    try:
        # Step 4.
        _check_value(signature, record, sha256(_covered(signature, fields)).digest())
    except _Failed:
        if record.is_trial:
            raise _Ignored from None  # section 3.6.1: no other than unsigned
        raise


def _record(signature: _Signature, texts: Texts) -> KeyRecord:
    found = [text for text in texts(f"{signature.selector}._domainkey.{signature.domain}")[:MOST_RECORDS] if is_key_record(text)]
    if len(found) != 1:
        raise _Failed("the domain has no such key" if not found else "the domain has several keys at one name")
    record = KeyRecord(found[0])
    if record.kind != _ALGORITHMS[signature.algorithm]:
        raise _Failed("the key is of another kind than the signature")
    if record.is_strict and signature.identity != signature.domain:
        raise _Failed("the key is for the domain itself alone")
    return record


def _check_value(signature: _Signature, record: KeyRecord, digest: bytes) -> None:
    try:
        if isinstance(record.key, rsa.RSAPublicKey):
            record.key.verify(signature.value, digest, padding.PKCS1v15(), Prehashed(SHA256()))
        else:
            record.key.verify(signature.value, digest)  # RFC 8463 section 3: over the digest, as if it were the message
    except (InvalidSignature, ValueError) as error:
        raise _Failed("the signature is not the key's") from error


def _covered(signature: _Signature, fields: Sequence[Field]) -> bytes:
    """Section 3.7: the named fields, each name from the last one upwards, and the signature's own with an empty `b=`."""
    left: dict[bytes, list[Field]] = {}
    for field in fields:
        left.setdefault(_named(field[0]), []).append(field)
    form = _relaxed if signature.forms.head == "relaxed" else _simple
    own_name = next(name for name, value in fields if value == signature.field and _named(name) == b"dkim-signature")
    taken = [form(left[name].pop()) for name in signature.names if left.get(name)]
    own = form((own_name, _VALUE_OF_B.sub(rb"\1", signature.field, count=1)))
    return b"".join(line + b"\r\n" for line in taken) + own


def _simple(field: Field) -> bytes:
    return field[0] + b":" + field[1]


def _relaxed(field: Field) -> bytes:
    return _named(field[0]) + b":" + _BLANKS.sub(b" ", field[1].replace(b"\r\n", b"")).strip(b" \t")


def _named(name: bytes) -> bytes:
    return name.strip(b" \t").lower()


def _fields(head: bytes) -> list[Field]:
    """Names as they stand, and values as they stand with their folds; lines that are no field are none."""
    unfolded: list[list[bytes]] = []
    for line in head.split(b"\r\n"):
        if line[:1] in {b" ", b"\t"} and unfolded:
            unfolded[-1].append(line)
        else:
            unfolded.append([line])
    parted = (b"\r\n".join(lines).partition(b":") for lines in unfolded)
    return [(name, value) for name, colon, value in parted if colon]
