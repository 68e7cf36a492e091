"""E-mail addresses and domains, parsed once at the edge.

An address is shown as given and matched folded. The rule is narrower than RFC 5321's: no quoted local parts, no address literals, no
routing characters.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import idna

from .errors import MalformedAddressError, MalformedDomainError

MOST_LOCAL_OCTETS = 64  # RFC 5321 section 4.5.3.1.1
MOST_ADDRESS_OCTETS = 254  # RFC 5321 section 4.5.3.1.3: a path of 256 with its angle brackets
MOST_DOMAIN_OCTETS = 253

# RFC 5322 section 3.2.3 dot-atom without `%` and `!`, with which old relays route mail on.
_ATEXT = r"A-Za-z0-9#$&'*+/=?^_`{|}~\-"
_ASCII_LOCAL = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*\Z")
_INTERNATIONAL_LOCAL = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]+(?:\.[{_ATEXT}\u0080-\U0010ffff]+)*\Z")
_A_LABEL_PREFIX = "xn--"
_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490 section 3.1
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}\Z")
# Letters, marks, digits, punctuation and symbols; no controls, formats, surrogates, private use, unassigned, or separators.
_REFUSED_CATEGORIES = frozenset("CZ")


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """A parsed address: `address` as given with its domain as lower-case A-label, `match` folded for comparison."""

    address: str
    match: str
    local: str
    domain: str

    @classmethod
    def parse(cls, text: str, *, a_labels_only: bool = False) -> Self:
        """Parse `text`; raises MalformedAddressError. With `a_labels_only` a U-label is refused (RFC 9598 section 3)."""
        local, at, domain = text.rpartition("@")
        if not at or not local or not domain:
            raise MalformedAddressError("An address has a local part, an @ and a domain.")
        _check_local(local)
        try:
            domain = _ascii_domain(domain) if a_labels_only else parse_domain(domain)
        except MalformedDomainError as error:
            raise MalformedAddressError(str(error)) from error
        address = f"{local}@{domain}"
        if len(address.encode()) > MOST_ADDRESS_OCTETS:
            raise MalformedAddressError(f"An address has at most {MOST_ADDRESS_OCTETS} octets.")
        return cls(address, f"{fold(local)}@{domain}", local, domain)

    def __str__(self) -> str:
        return self.address


# The plainest addresses, which are nearly all: their own folded form. Without a double hyphen there is no A-label to be checked, and what is no
# longer than a local part may be has no label that is too long.
_PLAIN_LOCAL = r"[a-z0-9_+-]++(?:\.[a-z0-9_+-]++)*+"
_PLAIN_DOMAIN = r"(?:[a-z0-9]++(?:-[a-z0-9]++)*+\.)++[a-z]{2,63}"
_PLAIN = re.compile(rf"{_PLAIN_LOCAL}@{_PLAIN_DOMAIN}\Z")
_ALL_PLAIN = re.compile(rf"(?:{_PLAIN_LOCAL}@{_PLAIN_DOMAIN}\n)++\Z")


def is_plain(text: str) -> bool:
    """Whether `text` is an address that `EmailAddress.parse` gives back as it is, folded too; False may be said of such a one."""
    return len(text) <= MOST_LOCAL_OCTETS and _PLAIN.match(text) is not None


def all_plain(texts: Sequence[str]) -> bool:
    """Whether each text is plain, by one regular expression for all: of a thousand addresses a batch has no time to parse each."""
    lines = "\n".join((*texts, ""))
    return max(map(len, texts)) <= MOST_LOCAL_OCTETS and lines.count("\n") == len(texts) and _ALL_PLAIN.match(lines) is not None


def fold(local: str) -> str:
    """A local part in the form in which it is compared.

    Lower case and not full case folding: that would make one mailbox of `ß` and `ss`, which providers keep apart.
    """
    return local.lower() if local.isascii() else unicodedata.normalize("NFC", local.lower())


def parse_domain(text: str) -> str:
    """A domain of two labels or more as lower-case A-labels (RFC 5890); raises MalformedDomainError."""
    if text.isascii():
        return _ascii_domain(text)
    # RFC 3492 section 6.3: an A-label is no shorter than its U-label, and has its prefix besides. IDNA takes its time with many labels.
    if len(text) + len(_A_LABEL_PREFIX) * sum(not label.isascii() for label in _DOTS.split(text)) > MOST_DOMAIN_OCTETS:
        raise MalformedDomainError("The domain is too long.")
    try:
        return _ascii_domain(idna.encode(text, uts46=True, std3_rules=True).decode("ascii"))
    except idna.IDNAError as error:
        raise MalformedDomainError("The domain is not a valid internationalised domain name.") from error


def _ascii_domain(text: str) -> str:
    domain = text.lower()
    if not domain.isascii() or len(domain) > MOST_DOMAIN_OCTETS or not _DOMAIN.match(domain):
        raise MalformedDomainError("The domain is not a dotted name of letters, digits and hyphens.")
    if domain.rpartition(".")[2].isdigit():
        raise MalformedDomainError("A domain does not end in a number.")
    if "xn--" in domain:
        _check_a_labels(domain)
    return domain


def _check_a_labels(domain: str) -> None:
    """RFC 5891 section 5.4: an A-label must be the one its U-label gives, or one name would have two spellings."""
    for label in domain.split("."):
        if label.startswith("xn--"):
            try:
                same = idna.alabel(idna.ulabel(label)).decode("ascii") == label
            except (idna.IDNAError, UnicodeError):
                same = False
            if not same:
                raise MalformedDomainError("The domain has an xn-- label that stands for no name.")


def _check_local(local: str) -> None:
    if len(local) > MOST_LOCAL_OCTETS:
        raise MalformedAddressError("The part before the @ is too long.")
    if local.isascii():
        if not _ASCII_LOCAL.match(local):
            raise MalformedAddressError("The part before the @ has characters this directory does not take.")
        return
    if not _INTERNATIONAL_LOCAL.match(local) or any(unicodedata.category(c)[0] in _REFUSED_CATEGORIES for c in local):
        raise MalformedAddressError("The part before the @ has characters this directory does not take.")
    if len(local.encode()) > MOST_LOCAL_OCTETS:
        raise MalformedAddressError("The part before the @ is too long.")
    # RFC 8264 section 9.17: a character with a compatibility form looks like another (a long s, a full-width @).
    # What is stable under NFKC is also in NFC, so that one name has one spelling.
    if not unicodedata.is_normalized("NFKC", local):
        raise MalformedAddressError("The part before the @ has characters that stand for others.")
