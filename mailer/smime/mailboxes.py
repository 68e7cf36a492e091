"""Mailboxes in From, Sender and Reply-To, read in one way or not at all (RFC 5322 section 3.4).

Mail programs differ over comments, quoted local parts, groups and encoded words in addresses; what they could differ over is `Unclear`.
"""

import re
import unicodedata
from typing import NamedTuple

from .encoded_words import ENCODED, decoded
from .signer_certificate import match_of

_MAX_FIELD = 8000
_MAX_COMMENT_DEPTH = 4
_TOKEN = re.compile(r'[ \t]+|"(?:[^"\\]|\\.)*"|[<>@,]|[^ \t()<>@,;:\\"\[\]]+')
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.UNICODE)
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)*", re.UNICODE)
_LIKE_AN_ADDRESS = re.compile(r"[^\s<>()\"',;:@]+@[^\s<>()\"',;:@]+\.[^\s<>()\"',;:@]+")
# Line ends, direction marks, joiners of no width, what is nothing by any standard, and octets that are not UTF-8.
_HIDING = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
# Letters, marks and symbols by their category, and yet nothing to be seen.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_VARIATIONS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # choose a picture, as emoji do
_AROUND_AT = re.compile(r"\s*@\s*")
_SPACE = " \t"
_MAX_LOCAL, _MAX_ADDRESS = 64, 254


class Unclear(ValueError):
    """Not to be read in one way only."""


class Mailbox(NamedTuple):
    """`name` is the display name with its comments, decoded for showing; `split` says that some programs take part of it for an address."""

    address: str
    name: str
    split: bool = False

    @property
    def match(self) -> str:
        return match_of(self.address)

    @property
    def misleads(self) -> bool:
        """The name shows another address, or has characters that are not seen, or encoded words that some programs decode and this does not."""
        if self.split or ENCODED in self.name or any(unicodedata.category(character) in _HIDING or character in _BLANK for character in self.name):
            return True
        shown = unicodedata.normalize("NFKC", _VARIATIONS.sub("", self.name)).replace("\u3002", ".")
        return any(match_of(found.rstrip(".")) != self.match for found in _LIKE_AN_ADDRESS.findall(_AROUND_AT.sub("@", shown)))


def parse(field: str) -> list[Mailbox]:
    """The mailboxes of a field, in order. Raises Unclear."""
    if len(field) > _MAX_FIELD:
        raise Unclear("too long")
    found: list[Mailbox] = []
    tokens: list[str] = []
    comments: list[str] = []
    at = 0
    while at < len(field):
        if field[at] == "(":
            end = _comment_end(field, at)
            comments.append(field[at + 1 : end - 1])
            tokens.append(" ")
        else:
            token = _TOKEN.match(field, at)
            if token is None:
                raise Unclear("a character that does not belong there")
            end = token.end()
            if token[0] == ",":
                found.append(_mailbox(tokens, comments))
                tokens, comments = [], []
            else:
                tokens.append(token[0])
        at = end
    found.append(_mailbox(tokens, comments))
    return found


def _comment_end(field: str, start: int) -> int:
    depth, at = 0, start
    while at < len(field):
        if field[at] == "\\":
            at += 1
        elif field[at] == "(":
            depth += 1
            if depth > _MAX_COMMENT_DEPTH:
                break
        elif field[at] == ")":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    raise Unclear("a comment that does not end")


def _mailbox(tokens: list[str], comments: list[str]) -> Mailbox:
    """Either `words <local@domain>` or a bare `local@domain`."""
    if "<" in tokens:
        start = tokens.index("<")
        words, inner, rest = tokens[:start], tokens[start + 1 :], []
        if ">" not in inner:
            raise Unclear("an angle bracket that does not close")
        end = inner.index(">")
        inner, rest = inner[:end], inner[end + 1 :]
        if "".join(rest).strip() or ">" in words:
            raise Unclear("text behind the address")
    else:
        words, inner = [], tokens
        while inner and inner[0].isspace():
            inner = inner[1:]
        while inner and inner[-1].isspace():
            inner = inner[:-1]
    address = _address(inner)
    # An at sign outside quotes begins an address in some programs, and makes two senders, unless it is this very one.
    split = "@" in words and match_of("".join(words).strip(_SPACE)) != match_of(address)
    return Mailbox(address, _shown(words, comments), split)


def _address(tokens: list[str]) -> str:
    if len(tokens) != 3 or tokens[1] != "@":  # noqa: PLR2004 - local part, at sign, domain
        raise Unclear("not one address")
    local, domain = tokens[0], tokens[2]
    address = f"{local}@{domain}"
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain) or ("=?" in local and "?=" in local):
        raise Unclear("an address in an odd form")
    if len(local) > _MAX_LOCAL or len(address) > _MAX_ADDRESS:
        raise Unclear("an address that is too long")
    return address


def _shown(words: list[str], comments: list[str]) -> str:
    texts = [re.sub(r"\\(.)", r"\1", word[1:-1]) if word[:1] == '"' else word for word in words]
    return " ".join(decoded(text.strip(_SPACE)) for text in ("".join(texts), *comments) if text.strip(_SPACE)).strip(_SPACE)
