"""That "ok" means something: each program opens and verifies a good mail, and says so of no bad one."""

from collections.abc import Callable

import pytest

from mailer.smime.encrypt import encrypt
from mailer.smime.recipients import Recipient
from mailer.smime.sign import SignatureForm, Signer
from tests.interop.cast import BANK, CHARLIE, Cast
from tests.interop.conftest import ENGINES
from tests.interop.engine import Engine, RefusedBy
from tests.interop.layers import Signed, cut
from tests.pki import Usage

ENTITY = b"Content-Type: text/plain; charset=utf-8\r\n\r\nThe balance is 12.50 EUR.\r\n"
FORMS = list(SignatureForm)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ENGINES])
def engine(request: pytest.FixtureRequest, one_of_each: Callable[[str], Engine]) -> Engine:
    return one_of_each(request.param)


def signature_of(signer: Signer, cast: Cast, form: SignatureForm) -> Signed:
    signed = cut(signer.sign(ENTITY, at=cast.at, form=form))
    assert isinstance(signed, Signed)
    return signed


@pytest.mark.parametrize("form", FORMS)
def test_it_verifies_what_is_good(engine: Engine, cast: Cast, form: SignatureForm) -> None:
    assert engine.verifies(*signature_of(cast.signer("bank-rsa"), cast, form)) == ENTITY


@pytest.mark.parametrize("signer", ["bank-rsa", "bank-p256"])
@pytest.mark.parametrize("form", FORMS)
def test_it_reports_one_flipped_bit(engine: Engine, cast: Cast, form: SignatureForm, signer: str) -> None:
    cms, content = signature_of(cast.signer(signer), cast, form)
    changed = ENTITY.replace(b"12.50", b"13.50")
    flipped = (cms, changed) if content else (cms.replace(ENTITY, changed), None)
    assert flipped != (cms, content)
    with pytest.raises(RefusedBy):
        engine.verifies(*flipped)


@pytest.mark.parametrize("form", FORMS)
def test_it_does_not_trust_a_strangers_root(engine: Engine, cast: Cast, form: SignatureForm) -> None:
    stranger = cast.stranger.leaf(BANK, "rsa2048", Usage.SIGN, organization="Example Bank")
    with pytest.raises(RefusedBy):
        engine.verifies(*signature_of(Signer(stranger.key, stranger.der, cast.stranger.chain), cast, form))


def test_it_does_not_open_what_is_for_charlie(engine: Engine, cast: Cast) -> None:
    charlie = cast.authority.leaf(CHARLIE, "rsa2048", Usage.ENCRYPT)
    with pytest.raises(RefusedBy):
        engine.opens(encrypt(ENTITY, [Recipient.from_certificate(charlie.der)]), "alice-rsa")
