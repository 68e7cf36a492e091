"""Each mail and CMS of the corpus gets the verdict of its own suite, or OpenSSL's where that has none; `differences.tsv` lists where it does not."""

import base64
import csv
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from mailer.smime import envelopes, isolated
from mailer.smime.errors import SmimeError
from mailer.smime.mail import Reading, read_mail
from mailer.smime.open import Opener, opened
from mailer.smime.outcomes import Outcome
from mailer.smime.parts import Kind, cms_of, kind_of
from mailer.smime.trust import Revocation, Trust
from mailer.smime.verify import verify, verify_cms
from tests.corpus import shelf
from tests.corpus.shelf import Item
from tests.mailer.smime.test_verifying_pkits import everything

AT = datetime(2026, 11, 24, tzinfo=UTC)  # when OpenSSL was asked
MAILS = shelf.of_kind("mail-signed", "mail-signed-opaque", "mail-enveloped", "mail-other")
CMS = shelf.of_kind("cms")
PKITS_MUST_FAIL, PKITS_MUST_VALIDATE = "NIST PKITS: path must FAIL", "NIST PKITS: path must VALIDATE"

pytestmark = pytest.mark.skipif(not shelf.items(), reason="the corpus is not here: LETTERLOCK_CORPUS")


@cache
def reading_of(item: Item) -> Reading:
    return read_mail(item.read(), shelf.openers_of(item), trust=Trust(shelf.roots(item.family), revocation=Revocation.IF_GIVEN), at=AT)


def differences(item: Item) -> Iterator[str]:
    """In what the verdict differs from what it should be by the INDEX."""
    if item.expected.startswith("NIST PKITS"):
        found = verify(item.read(), at=AT, trust=everything())
        if found.verified is not (item.expected == PKITS_MUST_VALIDATE):
            yield "path"
        return
    reading = reading_of(item)
    if item.thunderbird is not None:
        if reading.verified is not (item.thunderbird["sig"] and item.thunderbird["sig_good"]):
            yield "verdict"
        if item.thunderbird["enc"] and not reading.encrypted:
            yield "encryption"
    elif item.expected.startswith("BC SignedMailValidator") and reading.verified is not item.expected.endswith("validMail"):
        yield "verdict"
    yield from _measured_differences(item, reading)


def _measured_differences(item: Item, reading: Reading) -> Iterator[str]:
    outermost = next((layer.verification for layer in reading.layers[:1] if layer.verification), None)
    if "SIG_OK" in item.measured:
        if outermost is None or not outermost.intact:
            yield "signature"
        elif reading.verified if "FROM_MISMATCH" in item.measured else reading.outcome is Outcome.OTHER_SENDER:
            yield "sender"
    if "SIG_FAIL" in item.measured and (reading.verified or (outermost is not None and outermost.intact)):
        yield "signature"
    if "DECRYPT_OK" in item.measured and not _decrypts(item):
        yield "decryption"
    if item.measure(r"type=pkcs7-(\w+)") == "envelopedData" and not (reading.layers and reading.layers[0].kind is Kind.ENCRYPTED):
        yield "kind"


def _decrypts(item: Item) -> bool:
    """The octets that OpenSSL found."""
    cms = cms_of(item.read()) or b""
    keys = [_answering(opener, cms) for opener in shelf.openers_of(item)]
    content = opened(cms, keys).content
    return (hashlib.sha256(content).hexdigest()[:16], str(len(content))) == (item.measure(r"plaintext_sha256=(\w+)"), item.measure(r"len=(\d+)"))


def _answering(opener: Opener, cms: bytes) -> Opener:
    """A key that came without a certificate answers to the names that are there."""
    if not opener.names:
        opener.names = frozenset(recipient.name for recipient in envelopes.read(cms).recipients)
    return opener


@cache
def listed() -> dict[tuple[str, str], str]:
    with (Path(__file__).parent / "differences.tsv").open(newline="", encoding="utf-8") as lines:
        return {(row["path"], row["what"]): row["reason"] for row in csv.DictReader(lines, delimiter="\t")}


@pytest.mark.parametrize("item", MAILS, ids=lambda item: item.path)
def test_it_gets_the_verdict_it_should(item: Item) -> None:
    found = set(differences(item))
    assert found == {what for path, what in listed() if path == item.path}, reading_of(item).outcome


@pytest.mark.parametrize("item", MAILS, ids=lambda item: item.path)
def test_it_is_read_within_the_limits(item: Item) -> None:
    """In the other process, where a second and 256 MB are all there is, and with the same verdict."""
    trust, keys = Trust(shelf.roots(item.family), revocation=Revocation.IF_GIVEN), shelf.openers_of(item)
    assert isolated.read_mail(item.read(), keys, trust=trust, at=AT) == reading_of(item)


def test_it_calls_nothing_verified_that_should_fail() -> None:
    expected_to_fail = [
        item
        for item in MAILS
        if item.expected == PKITS_MUST_FAIL
        or (item.thunderbird and not (item.thunderbird["sig"] and item.thunderbird["sig_good"]))
        or (item.expected.startswith("BC") and not item.expected.endswith("validMail"))
        or "SIG_FAIL" in item.measured
        or "FROM_MISMATCH" in item.measured
    ]
    assert len(expected_to_fail) > 20
    pkits = everything()
    for item in expected_to_fail:
        everywhere = Trust([*shelf.roots(item.family), *pkits.roots], pkits.intermediates, pkits.crls, revocation=Revocation.IF_GIVEN)
        assert not read_mail(item.read(), shelf.openers_of(item), trust=everywhere, at=AT).verified, item.path


def test_the_differences_say_why() -> None:
    assert all(len(reason) > 20 for reason in listed().values())


@pytest.mark.parametrize("item", CMS, ids=lambda item: item.path)
def test_each_cms_is_what_it_is(item: Item) -> None:
    """By type, by signature where its content is inside, and named where nothing can be done with it."""
    cms = _bare(item.read())
    kind = kind_of(cms)
    kinds = {"signedData": Kind.SIGNED, "envelopedData": Kind.ENCRYPTED}
    assert kind is kinds.get(item.measure(r"type=pkcs7-(\w+)") or "signedData", Kind.OTHER)
    found = verify_cms(cms, at=AT, trust=Trust(shelf.roots(item.family), revocation=Revocation.IF_GIVEN))
    if (item.path, "signature") in listed():
        assert found.intact is not ("SIG_OK" in item.measured)
    elif kind is Kind.SIGNED:
        assert found.intact is ("SIG_OK" in item.measured), found.outcome
    if kind is Kind.ENCRYPTED:
        with pytest.raises(SmimeError):
            isolated.opened(cms, [opener for opener in shelf.openers(item.family) if not opener.names])


def _bare(data: bytes) -> bytes:
    if b"-----BEGIN" not in data:
        return data
    return base64.b64decode(b"".join(data.split(b"-----")[2].split()))
