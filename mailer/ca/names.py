"""Subjects: what may stand in a certificate's name, and how. Free of Django.

An organisation's name has at most 64 characters there (RFC 5280 appendix A.1, ub-organization-name). Legal forms are shortened to the
abbreviations that are customary where they are used, which the baseline requirements allow; nothing else is cut.
"""

import re
import unicodedata
from collections.abc import Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from mailer.ca.errors import NameRefusedError

MAX_NAME = 64
# Characters that are invisible, reorder what is shown, or have no meaning of their own.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_COUNTRY = re.compile(r"[A-Z]{2}")
_IDENTIFIER = re.compile(r"(?:NTR|VAT|PSD|LEI|GOV|INT)[A-Z]{2}[!-~]{0,93}")
_LEGAL_FORMS: Sequence[tuple[str, str]] = (
    ("Unternehmergesellschaft (haftungsbeschränkt)", "UG (haftungsbeschränkt)"),
    ("Gesellschaft mit beschränkter Haftung", "GmbH"),
    ("Kommanditgesellschaft auf Aktien", "KGaA"),
    ("Aktiengesellschaft", "AG"),
    ("Kommanditgesellschaft", "KG"),
    ("eingetragene Genossenschaft", "eG"),
    ("eingetragener Verein", "e.V."),
    ("Public Limited Company", "PLC"),
    ("Limited Liability Partnership", "LLP"),
    ("Limited Liability Company", "LLC"),
    ("Private Limited", "Pvt Ltd"),
    ("Incorporated", "Inc."),
    ("Corporation", "Corp."),
    ("Limited", "Ltd"),
    ("Société à responsabilité limitée", "SARL"),
    ("Société par actions simplifiée", "SAS"),
    ("Société anonyme", "SA"),
    ("Sociedad de responsabilidad limitada", "S.L."),
    ("Sociedad anónima", "S.A."),
    ("Società per azioni", "S.p.A."),
    ("Società a responsabilità limitata", "S.r.l."),
    ("Besloten vennootschap", "B.V."),
    ("Naamloze vennootschap", "N.V."),
)


def organization_name(legal_name: str) -> str:
    """The organisation's name as it stands in a certificate: NFC, at most 64 characters. Raises NameRefusedError."""
    name = unicodedata.normalize("NFC", legal_name)
    _check_text(name)
    if len(name) > MAX_NAME:
        for long, short in _LEGAL_FORMS:
            name = re.sub(rf"(?<!\w){re.escape(long)}(?!\w)", short, name, flags=re.IGNORECASE)
    if len(name) > MAX_NAME:
        raise NameRefusedError(f"the organisation's name has more than {MAX_NAME} characters, even with its legal form abbreviated")
    return name


def organization_subject(legal_name: str, country: str, organization_identifier: str) -> x509.Name:
    """Subject of an organisation-validated certificate: C, O, organizationIdentifier, CN (= O). Raises NameRefusedError."""
    name = organization_name(legal_name)
    if not _COUNTRY.fullmatch(country):
        raise NameRefusedError("the country is not two capital letters (ISO 3166-1)")
    if not _IDENTIFIER.fullmatch(organization_identifier):
        raise NameRefusedError("the organisation identifier is not a scheme, a country and a reference, such as NTRDE-DER3306.HRB12345")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, organization_identifier),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def authority_subject(country: str, organization: str, common_name: str) -> x509.Name:
    """Subject of a CA: C, O, CN. Raises NameRefusedError."""
    _check_text(common_name)
    if len(common_name) > MAX_NAME:
        raise NameRefusedError(f"the CA's name has more than {MAX_NAME} characters")
    if not _COUNTRY.fullmatch(country):
        raise NameRefusedError("the country is not two capital letters (ISO 3166-1)")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization_name(organization)),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _check_text(text: str) -> None:
    if not text or text != text.strip() or "  " in text:
        raise NameRefusedError("the name is empty, or has blanks at its ends or in a row")
    if any(unicodedata.category(letter) in _REFUSED_CATEGORIES for letter in text):
        raise NameRefusedError("the name has control or invisible characters")
