"""The encryption certificates to which other programs' signatures point (RFC 8551 section 2.5.3): all are read, and found where they are."""

import pytest

from mailer.smime import parts, senders_certificates, signed_data
from mailer.smime.errors import SmimeError
from mailer.smime.signed_data import SignedData
from tests.corpus.shelf import FOLDER

LARGEST = 5_000_000
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the corpus is not here: LETTERLOCK_CORPUS")


def signed(octets: bytes) -> SignedData | None:
    """The SignedData of a mail or of a bare CMS."""
    try:
        wrapped = parts.wrapped(octets)
    except SmimeError:
        wrapped = None
    try:
        found = signed_data.read(wrapped.cms if wrapped else octets)
    except SmimeError:
        return None
    return found if found.signers else None


def test_every_preference_is_read_and_is_there() -> None:
    read, found = 0, 0
    for path in sorted(FOLDER.rglob("*")):
        data = signed(path.read_bytes()) if path.is_file() and path.stat().st_size < LARGEST else None
        for signer in data.signers if data else []:
            name = senders_certificates._preference(signer.attributes or [])
            if name is not None and data is not None:
                read += 1
                found += senders_certificates._named(name, data.certificates) is not None
    assert read > 20
    assert found == read
