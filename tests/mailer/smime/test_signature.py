"""The bytes of a signature, read by an independent parser."""

import subprocess
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from asn1crypto import algos, cms, core, tsp

from mailer.smime.errors import KeyRefused
from mailer.smime.sign import Signer
from tests.mailer.smime.conftest import BANK, CHARLIE, SIGNER_KINDS, signer_of
from tests.pki import Authority, Usage, make_key

ENTITY = b"Content-Type: text/plain\r\n\r\nHello\r\n"
TIMES = [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)]


def parsed(signer: Signer, at: datetime) -> Any:
    return cms.ContentInfo.load(signer.signature(ENTITY, at=at), strict=True)["content"]


@pytest.mark.parametrize("kind", SIGNER_KINDS)
@pytest.mark.parametrize("at", TIMES, ids=str)
def test_it_sorts_the_signed_attributes(authority: Authority, kind: str, at: datetime) -> None:
    info = parsed(signer_of(authority, kind), at)["signer_infos"][0]
    encodings = [attribute.dump() for attribute in info["signed_attrs"]]
    assert encodings == sorted(encodings)
    assert len(encodings) == 5


@pytest.mark.parametrize("at", TIMES, ids=str)
def test_it_signs_its_attributes_by_value(authority: Authority, at: datetime) -> None:
    holder = authority.leaf(BANK, "p256", Usage.SIGN)
    info = parsed(Signer(holder.key, holder.der, authority.chain), at)["signer_infos"][0]
    values = {attribute["type"].native: attribute["values"][0] for attribute in info["signed_attrs"]}
    assert values["content_type"].native == "data"
    assert values["message_digest"].native == sha256(ENTITY).digest()
    assert values["signing_time"].native == at
    assert values["signing_time"].name == ("utc_time" if at.year < 2050 else "generalized_time")
    certificate = tsp.SigningCertificateV2.load(values["signing_certificate_v2"].dump())["certs"][0]
    assert certificate["cert_hash"].native == sha256(holder.der).digest()
    capabilities = [each["algorithm"].dotted for each in core.SequenceOf.load(capabilities_of(info), spec=algos.AlgorithmIdentifier)]
    aes_256_gcm, aes_256_cbc, aes_128_gcm, aes_128_cbc = (f"2.16.840.1.101.3.4.1.{number}" for number in (46, 42, 6, 2))
    assert capabilities == [aes_256_gcm, aes_256_cbc, aes_128_gcm, aes_128_cbc, "1.2.840.113549.1.1.7"]


def capabilities_of(info: Any) -> bytes:
    [found] = [attribute["values"][0].dump() for attribute in info["signed_attrs"] if attribute["type"].dotted == "1.2.840.113549.1.9.15"]
    assert isinstance(found, bytes)
    return found


def test_it_converts_the_time_to_utc(authority: Authority) -> None:
    """31 December 2049, 23:30 west of Greenwich, is 2050 in UTC and so must be a GeneralizedTime."""
    at = datetime.fromisoformat("2049-12-31T23:30:00-01:00")
    info = parsed(signer_of(authority), at)["signer_infos"][0]
    [time] = [attribute["values"][0] for attribute in info["signed_attrs"] if attribute["type"].native == "signing_time"]
    assert time.name == "generalized_time"
    assert time.native == at


def test_it_tells_each_moment_of_many_messages(authority: Authority) -> None:
    """It keeps the last one, in the form that it takes, for the messages of the same moment."""
    signer, elsewhere = signer_of(authority), datetime.fromisoformat("2026-01-02T05:04:05+02:00")
    for at in (*TIMES, TIMES[0], elsewhere, TIMES[2], TIMES[2], TIMES[1]):
        info = parsed(signer, at)["signer_infos"][0]
        [time] = [attribute["values"][0] for attribute in info["signed_attrs"] if attribute["type"].native == "signing_time"]
        assert time.native == at
        assert time.name == ("utc_time" if at.year < 2050 else "generalized_time")


def test_it_carries_the_leaf_and_the_intermediates_but_no_root(authority: Authority) -> None:
    holder = authority.leaf(BANK, "p256", Usage.SIGN)
    signed = parsed(Signer(holder.key, holder.der, authority.chain), TIMES[0])
    carried = [certificate.chosen.dump() for certificate in signed["certificates"]]
    assert carried == sorted([holder.der, authority.issuer.der])


@pytest.mark.parametrize("kind", SIGNER_KINDS)
def test_it_is_what_openssl_would_encode(authority: Authority, kind: str) -> None:
    signature = signer_of(authority, kind).signature(ENTITY, at=TIMES[0])
    again = subprocess.run(["openssl", "cms", "-cmsout", "-inform", "DER", "-outform", "DER"], input=signature, capture_output=True, check=True)
    assert again.stdout == signature


def test_it_takes_no_key_of_another_certificate(authority: Authority) -> None:
    holder, charlie = authority.leaf(BANK, "p256", Usage.SIGN), authority.leaf(CHARLIE, "p256", Usage.SIGN)
    with pytest.raises(KeyRefused, match="another key"):
        Signer(charlie.key, holder.der)


@pytest.mark.parametrize("kind", ["rsa1024", "p521"])
def test_it_takes_no_weak_or_unknown_key(authority: Authority, kind: str) -> None:
    holder = authority.leaf(BANK, key=make_key(kind))
    with pytest.raises(KeyRefused):
        Signer(holder.key, holder.der)


def test_it_takes_no_time_without_a_zone(authority: Authority) -> None:
    with pytest.raises(ValueError, match="time zone"):
        signer_of(authority).signature(ENTITY, at=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
