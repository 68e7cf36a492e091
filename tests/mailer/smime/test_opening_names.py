"""A recipient or signer whose issuer's name was written anew: other string types, case, spacing. It is the same certificate."""

import pytest

from mailer.smime import der, envelopes
from mailer.smime.errors import NotForThisKey
from mailer.smime.names import comparable
from mailer.smime.open import open_envelope
from mailer.smime.trust import Revocation, Trust
from mailer.smime.verify import verify_cms
from tests.mailer.smime.conftest import ALICE, CHARLIE, signer_of
from tests.mailer.smime.test_opening import SECRET, envelope_for, opener
from tests.pki import Authority, Usage

ENTITY = b"Content-Type: text/plain\r\n\r\nThe code is 4711.\r\n"


def written_anew(encoding: bytes) -> bytes:
    """Every UTF8String of a name as a PrintableString in capitals, without a change of length."""
    element = der.read(encoding)
    if element.tag == 0x0C:
        return der.tlv(0x13, encoding[element.contents :].upper())
    if not element.tag & 0x20:
        return encoding
    return der.tlv(element.tag, *(written_anew(encoding[child.start : child.end]) for child in der.children(encoding, element)))


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_opens_under_a_name_written_anew(authority: Authority, kind: str) -> None:
    alice, charlie = (authority.leaf(email, kind, Usage.ENCRYPT) for email in (ALICE, CHARLIE))
    envelope = envelope_for(alice)
    name = envelopes.read(envelope).recipients[0].name
    assert written_anew(name) != name
    assert envelope.count(name) == 1
    changed = envelope.replace(name, written_anew(name))
    assert open_envelope(changed, [opener(charlie), opener(alice)]) == SECRET
    with pytest.raises(NotForThisKey):
        open_envelope(changed, [opener(charlie)])


def test_it_finds_the_signer_under_a_name_written_anew(authority: Authority) -> None:
    signature = signer_of(authority).signature(ENTITY, at=authority.at)
    name = authority.issuer.certificate.subject.public_bytes()
    # The last one is the SignerInfo's: the ones before are in certificates.
    start = signature.rindex(name)
    changed = signature[:start] + written_anew(name) + signature[start + len(name) :]
    assert changed != signature
    assert verify_cms(changed, content=ENTITY, at=authority.at, trust=Trust([authority.root.der], revocation=Revocation.IF_GIVEN)).verified


def test_it_tells_other_names_apart(authority: Authority, other_authority: Authority) -> None:
    ours, others = (der.sequence(known.issuer.certificate.subject.public_bytes(), der.integer(1)) for known in (authority, other_authority))
    assert comparable(ours) == comparable(written_anew(ours))
    assert comparable(ours) != comparable(others)
    assert comparable(ours) != comparable(der.sequence(authority.issuer.certificate.subject.public_bytes(), der.integer(2)))
    assert comparable(b"no name") == b"no name"
