"""Each certificate of the corpus parses, or is listed in `cert_refusals.tsv`, and says here what OpenSSL and cryptography read in it.

`cert_differences.tsv` lists where this directory reads something else, and why.
"""

import csv
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.containers import read_upload
from directory.x509.errors import X509Error
from directory.x509.gate import check_key
from tests.corpus import shelf
from tests.corpus.shelf import Item

MOST_SECONDS = 1.0
CERTIFICATES = shelf.of_kind("cert")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_MAIL_PURPOSES = {"emailProtection", "2.5.29.37.0", "anyExtendedKeyUsage"}

pytestmark = pytest.mark.skipif(not CERTIFICATES, reason="the corpus is not here: LETTERLOCK_CORPUS")


def read(item: Item) -> ParsedCertificate:
    """The first certificate of the file. Some suites keep its key beside it, which an upload must not hold."""
    data = item.read()
    if b"PRIVATE KEY-----" in data:
        data = b"\n".join(_CERTIFICATE.findall(data))
    return parse_certificate(read_upload(data)[0])


def listed(name: str) -> dict[tuple[str, str], str]:
    with (Path(__file__).parent / name).open(newline="", encoding="utf-8") as lines:
        return {(row[0], row[1]): row[2] for row in list(csv.reader(lines, delimiter="\t"))[1:]}


REFUSALS = dict(listed("cert_refusals.tsv").keys())
# One is in OpenSSL's own form, in which cryptography reads nothing.
MEASURED = [item for item in CERTIFICATES if item.path not in REFUSALS and "key=" in item.measured]


@pytest.mark.parametrize("item", CERTIFICATES, ids=lambda item: item.path)
def test_it_parses_or_says_why_not(item: Item) -> None:
    started = time.process_time()
    assert refusal_of(lambda: read(item)) == REFUSALS.get(item.path)
    assert time.process_time() - started < MOST_SECONDS


@pytest.mark.parametrize("item", MEASURED, ids=lambda item: item.path)
def test_its_key_passes_the_gate_only_where_mail_programs_can_rely_on_it(item: Item) -> None:
    refusal = refusal_of(lambda: check_key(read(item)))
    good = re.fullmatch(r"RSA(2048|3072|4096)|EC(256|384)", item.measure(r"key=(\S+)"))
    assert refusal in ({None} if good else {"weak_key", "unsupported_key"})


def refusal_of(act: Callable[[], object]) -> str | None:
    """The code of the named error in which it ends."""
    try:
        act()
    except X509Error as error:
        return error.code
    return None


@pytest.mark.parametrize("item", MEASURED, ids=lambda item: item.path)
def test_it_reads_what_others_read(item: Item) -> None:
    assert set(_differences(item, read(item))) == {what for path, what in listed("cert_differences.tsv") if path == item.path}


def _differences(item: Item, parsed: ParsedCertificate) -> Iterator[str]:
    if f"{parsed.not_before:%Y-%m-%d}..{parsed.not_after:%Y-%m-%d}" != item.measure(r"valid=(\S+)"):
        yield "valid"
    kind, bits = re.fullmatch(r"(Ed25519|[A-Z]+|!.*?)(\d*)", item.measure(r"key=(\S+)")).groups()  # type: ignore[union-attr]
    if parsed.key.type != kind or (kind in {"RSA", "EC"} and parsed.key.bits != int(bits)):
        yield "key"
    usage, purposes = item.measure(r" ku=(\S*)"), item.measure(r" eku=(\S*)")
    for_mail = purposes == "absent" or not _MAIL_PURPOSES.isdisjoint(purposes.split("+"))
    if parsed.for_mail is not for_mail:
        yield "eku"
    uses = set(usage.split("+"))
    signs = for_mail and not uses.isdisjoint({"absent", "digital_signature", "content_commitment"}) and kind in {"RSA", "EC", "DSA", "Ed25519"}
    encrypts = for_mail and not uses.isdisjoint({"absent", "key_encipherment" if kind == "RSA" else "key_agreement"}) and kind in {"RSA", "EC"}
    if (parsed.can_sign, parsed.can_encrypt) != (signs, encrypts):
        yield "ku"
    if [address.match for address in parsed.addresses] != _measured_addresses(item):
        yield "addresses"


def _measured_addresses(item: Item) -> list[str]:
    """Rule 3 of the field: rfc822Name, SmtpUTF8Mailbox, the subject's emailAddress, in this order, each address once."""
    fields = re.search(r"rfc822=(.*?)(?: smtputf8=(.*?))?(?: dnEmail=(.*?))? ku=", item.measured)
    assert fields is not None
    named = [text.lower() for found in fields.groups() if found and found != "-" for text in found.split(",")]
    return list(dict.fromkeys(named))


def test_the_lists_say_why() -> None:
    assert all(len(reason) > 20 for name in ("cert_refusals.tsv", "cert_differences.tsv") for reason in listed(name).values())
