"""The receipt of a sealed letter, read from its line of the send log: by which algorithms and why by these. To whom, the letter itself tells."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from mailer.recipients import RSA_FIRST
from mailer.smime.choice import ContentCipher, KeyManagement, Reason

NAMES: Mapping[str, str] = {
    KeyManagement.RSA_PKCS1: "RSA PKCS #1 v1.5",
    KeyManagement.RSA_OAEP: "RSA-OAEP, SHA-256",
    KeyManagement.ECDH: "ECDH, SHA-256",
    ContentCipher.AES_128_CBC: "AES-128-CBC",
    ContentCipher.AES_256_CBC: "AES-256-CBC",
    ContentCipher.AES_128_GCM: "AES-128-GCM",
    ContentCipher.AES_256_GCM: "AES-256-GCM",
}
# What the log says in English, whoever reads it.
WORDS: Mapping[str, Promise] = {
    Reason.DEFAULT.text: _("Nothing is known of the recipient's program, so what every program opens."),
    Reason.CAPABILITIES.text: _("By what the recipient's own certificate says of its program."),
    Reason.UNSHARED.text: _("The recipient's certificate names nothing that is used here, so what every program opens."),
    Reason.UNREADABLE.text: _("What the recipient's certificate says of its program cannot be read, so what every program opens."),
    Reason.GIVEN.text: _("As the sender wished."),
}
_RSA_FIRST = _("Of this recipient's certificates the RSA ones alone, which more programs open than EC.")
# algorithms; what they rest on; (of each: why;) sha256 of the sealed mail
_RECEIPT = re.compile(r"(?P<keys>[a-z0-9.-]+), (?P<content>[a-z0-9-]+); (?P<reason>[^;]+);(?P<more>.*) sha256 [0-9a-f]{64}")


@dataclass(frozen=True)
class Receipt:
    """Names and words as they are shown; `preference` is blank where nothing was preferred."""

    key_management: str
    content_encryption: str
    reason: str | Promise
    preference: str | Promise

    @property
    def algorithms(self) -> str:
        return f"{self.key_management}; {self.content_encryption}"


def receipt_of(detail: str) -> Receipt | None:
    """The receipt that a line of the log holds, None where it holds none."""
    match = _RECEIPT.fullmatch(detail)
    if match is None:
        return None
    keys, content, reason = match["keys"], match["content"], match["reason"]
    preference = _RSA_FIRST if f" {RSA_FIRST};" in match["more"] else ""
    return Receipt(NAMES.get(keys, keys), NAMES.get(content, content), WORDS.get(reason, reason), preference)
