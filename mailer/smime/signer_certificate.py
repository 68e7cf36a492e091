"""What a signer's certificate says: what its key is for, when, and which addresses are its holder's (RFC 8550 sections 3 and 4.4).

asn1crypto is used rather than cryptography because it also reads what the latter refuses, such as a negative serial number.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime

import idna
from asn1crypto import x509

from .errors import MalformedCms
from .ground import fold

# What parsing octets of a stranger can raise in asn1crypto.
PARSE_FAULTS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, NotImplementedError, ArithmeticError)

_SMTP_UTF8_MAILBOX = "1.3.6.1.5.5.7.8.9"
_SIGNING = frozenset({"digital_signature", "non_repudiation"})
_MAIL = frozenset({"email_protection", "any_extended_key_usage"})
_MAX_NAMES = 100


def load(certificate: bytes) -> x509.Certificate:
    """A DER certificate that is read to the end. Raises MalformedCms."""
    try:
        loaded = x509.Certificate.load(certificate, strict=True)
        extensions = [extension["extn_id"].dotted for extension in loaded["tbs_certificate"]["extensions"] or ()]
        loaded.critical_extensions  # noqa: B018 - parses every extension that is known
    except PARSE_FAULTS as error:
        raise MalformedCms("a certificate that cannot be read") from error
    if len(extensions) != len(set(extensions)):
        raise MalformedCms("a certificate with an extension twice")  # RFC 5280 section 4.2
    return loaded


def may_sign_mail(certificate: x509.Certificate) -> bool:
    """Key usage and extended key usage let its key sign mail. An absent extension allows all."""
    usage = certificate.key_usage_value
    return (usage is None or bool(_SIGNING & set(usage.native))) and may_be_for_mail(certificate)


def may_be_for_mail(certificate: x509.Certificate) -> bool:
    """Its extended key usage, an authority's too, does not leave e-mail out."""
    purposes = certificate.extended_key_usage_value
    return purposes is None or bool(_MAIL & set(purposes.native))


def is_valid(certificate: x509.Certificate, *, at: datetime) -> bool:
    """`at` lies within its validity."""
    return bool(certificate.not_valid_before <= at <= certificate.not_valid_after)


def addresses(certificate: x509.Certificate) -> list[str]:
    """rfc822Names and SmtpUTF8Mailboxes, or only without subjectAltName the subject's emailAddress: name constraints cover that only then."""
    if certificate.subject_alt_name_value is not None:
        return [*_rfc822_names(certificate), *international_mailboxes(certificate)]
    subject = [pair for name in certificate.subject.chosen for pair in name][:_MAX_NAMES]
    return [str(pair["value"].native) for pair in subject if pair["type"].native == "email_address"]


def _rfc822_names(certificate: x509.Certificate) -> list[str]:
    return [name.chosen.contents.decode("utf-8", "replace") for name in _alternative(certificate) if name.name == "rfc822_name"]


def international_mailboxes(certificate: x509.Certificate) -> list[str]:
    """SmtpUTF8Mailboxes (RFC 9598)."""
    others = [name.chosen for name in _alternative(certificate) if name.name == "other_name"]
    return [str(other["value"].native) for other in others if other["type_id"].dotted == _SMTP_UTF8_MAILBOX]


def limits_addresses(authority: x509.Certificate) -> bool:
    """Its name constraints say something of rfc822Names."""
    constraints = authority.name_constraints_value
    subtrees = [subtree for kind in ("permitted_subtrees", "excluded_subtrees") for subtree in (constraints[kind] or ())] if constraints else []
    return any(subtree["base"].name == "rfc822_name" for subtree in subtrees)


def _alternative(certificate: x509.Certificate) -> Sequence[x509.GeneralName]:
    return list(certificate.subject_alt_name_value or ())[:_MAX_NAMES]


def match_of(address: str) -> str:
    """What two ways of writing one address have in common, by the directory's rule: the domain as a lower-case A-label, the local part folded.

    A local part with characters that stand for others, such as a long s, is nobody's but its own.
    """
    local, at_sign, domain = address.rpartition("@")
    if not unicodedata.is_normalized("NFKC", local):
        return address
    try:
        domain = idna.encode(domain.lower(), uts46=True).decode("ascii") if not domain.isascii() else domain.lower()
    except (idna.IDNAError, UnicodeError):
        return address
    return f"{fold(local)}{at_sign}{domain}"
