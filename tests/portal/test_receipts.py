"""The receipt is read from the very words that sealing writes into the send log."""

from dataclasses import dataclass

import pytest

from mailer.recipients import envelope_for
from mailer.smime.certificates import cut
from mailer.smime.choice import ContentCipher, KeyManagement, Reason
from portal.receipts import NAMES, WORDS, receipt_of
from tests.pki import Authority, Holder


@dataclass(frozen=True)
class Row:
    fingerprint: str
    issuer_and_serial: bytes
    spki: bytes
    smime_capabilities: bytes | None = None


def row(holder: Holder, number: int) -> Row:
    return Row(f"{number:064x}", *cut(holder.der))


@pytest.mark.parametrize(("kind", "keys"), [("rsa2048", "RSA PKCS #1 v1.5"), ("p256", "ECDH, SHA-256")])
def test_it_reads_what_sealing_writes(kind: str, keys: str) -> None:
    authority = Authority()
    envelope = envelope_for([row(authority.leaf("bob@people.example.org", kind), number) for number in (1, 2)])
    found = receipt_of(f"{envelope.receipt}; sha256 {'ab' * 32}")
    assert found is not None
    assert (found.key_management, found.content_encryption) == (keys, "AES-256-CBC")
    assert (found.reason, found.preference) == (WORDS[Reason.DEFAULT.text], "")
    assert not any(fingerprint in envelope.receipt for fingerprint in envelope.fingerprints)


def test_it_says_that_rsa_was_preferred() -> None:
    authority = Authority()
    envelope = envelope_for([row(authority.leaf("bob@people.example.org", kind), number) for number, kind in enumerate(("p256", "rsa2048"))])
    found = receipt_of(f"{envelope.receipt}; sha256 {'ab' * 32}")
    assert found is not None
    assert found.key_management == "RSA PKCS #1 v1.5"
    assert "RSA ones alone" in str(found.preference)


def test_it_has_words_for_every_algorithm_and_reason() -> None:
    assert set(NAMES) == {name.value for kind in (KeyManagement, ContentCipher) for name in kind}
    assert set(WORDS) == {reason.text for reason in Reason}


@pytest.mark.parametrize("detail", ["", "no_certificate", "250 2.0.0 queued as 4F1C2", "rsa, aes; why; to nobody; sha256 " + "0" * 63])
def test_other_words_are_no_receipt(detail: str) -> None:
    assert receipt_of(detail) is None
