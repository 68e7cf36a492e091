"""Mail of 16 MB and a content in very many pieces are read within the limits; what is larger is named."""

import os
from datetime import datetime

import pytest

from mailer.smime import isolated
from mailer.smime.ber import MAX_ELEMENTS
from mailer.smime.encoding import base64_lines
from mailer.smime.errors import TooLarge
from mailer.smime.outcomes import Outcome
from mailer.smime.reader import Reader
from mailer.smime.sign import SignatureForm
from mailer.smime.trust import Revocation, Trust
from tests.mailer.smime.test_opening import opener
from tests.mailer.smime.test_opening_ber import in_pieces
from tests.mailer.smime.test_verifying_attacks import HEAD, Scene
from tests.pki import Authority

LARGE = 16 * 1024 * 1024


@pytest.fixture
def scene(authority: Authority, at: datetime) -> Scene:
    return Scene(authority, at)


@pytest.mark.soak
@pytest.mark.parametrize("form", SignatureForm)
def test_it_reads_sixteen_megabytes(scene: Scene, form: SignatureForm) -> None:
    layers = 2 if form is SignatureForm.OPAQUE else 1
    size = LARGE * 3**layers // 4**layers - 1_000_000
    entity = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64_lines(os.urandom(size))
    message = HEAD + scene.signed(entity, form=form)
    assert 0.85 * LARGE < len(message) < LARGE
    trust = Trust([scene.authority.root.der], revocation=Revocation.IF_GIVEN)
    assert isolated.read_mail(message, [opener(scene.alice)], trust=trust, at=scene.at).outcome is Outcome.VERIFIED


def test_it_joins_a_quarter_of_a_million_pieces() -> None:
    """As programs write that stream by the line: 12 MB in pieces of 48 octets."""
    octets = bytes(12_000_000)
    assert Reader.of(in_pieces(octets, 48)).octets() == octets
    with pytest.raises(TooLarge):
        Reader.of(in_pieces(bytes(MAX_ELEMENTS), 1)).octets()


def test_it_names_what_is_too_large(scene: Scene) -> None:
    message = HEAD + b"\r\n" + bytes(33 * 1024 * 1024)
    assert isolated.read_mail(message, trust=Trust([], revocation=Revocation.IF_GIVEN), at=scene.at).outcome is Outcome.TOO_LARGE
    with pytest.raises(TooLarge):
        isolated.open_envelope(bytes(65 * 1024 * 1024), [opener(scene.alice)])
