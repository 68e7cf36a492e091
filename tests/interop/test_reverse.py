"""What other programs write, by their own defaults and beyond, is opened and verified here."""

from collections.abc import Callable

import pytest

from mailer.smime import parts
from mailer.smime.errors import NotForThisKey
from mailer.smime.open import open_envelope
from mailer.smime.verify import Outcome, verify
from tests.interop.cast import BANK, CHARLIE, Cast
from tests.interop.conftest import ENGINES
from tests.interop.engine import Engine
from tests.interop.layers import Enveloped, Signed, wrapped
from tests.interop.writing import ENVELOPES, SIGNATURES, Envelope, Signature

ENTITY = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + b"".join(b"%02d November: the balance is 12.50 EUR.\r\n" % day for day in range(1, 31))
EngineOf = Callable[[str], Engine]


def each(written: list[Signature] | list[Envelope]) -> list[object]:
    return [pytest.param(one, marks=pytest.mark.xdist_group(one.engine), id=f"{one.engine} {one.what}") for one in written]


def signed_by(written: Signature, one_of_each: EngineOf) -> Signed:
    return written.write(one_of_each(written.engine), ENTITY)


@pytest.mark.parametrize("written", each(SIGNATURES))
def test_it_verifies_a_foreign_signature(written: Signature, one_of_each: EngineOf, cast: Cast) -> None:
    found = verify(wrapped(signed_by(written, one_of_each)), roots=[cast.authority.root.der], at=cast.at, sender=BANK)
    assert (found.outcome, found.content) == (Outcome.VERIFIED, ENTITY)


@pytest.mark.parametrize("written", each(SIGNATURES))
def test_it_sees_a_flipped_bit_in_foreign_content(written: Signature, one_of_each: EngineOf, cast: Cast) -> None:
    cms, content = signed_by(written, one_of_each)
    changed = Signed(cms, content.replace(b"12.50", b"13.50")) if content else Signed(cms.replace(b"12.50", b"13.50"), None)
    assert changed != Signed(cms, content)
    found = verify(wrapped(changed), roots=[cast.authority.root.der], at=cast.at, sender=BANK)
    assert found.outcome in {Outcome.CONTENT_CHANGED, Outcome.SIGNATURE_WRONG}


@pytest.mark.parametrize("written", each([one for one in SIGNATURES if one.what.startswith("bank-rsa")]))
def test_it_does_not_take_a_foreign_signature_for_charlies(written: Signature, one_of_each: EngineOf, cast: Cast) -> None:
    found = verify(wrapped(signed_by(written, one_of_each)), roots=[cast.authority.root.der], at=cast.at, sender=CHARLIE)
    assert found.outcome is Outcome.OTHER_SENDER


@pytest.mark.parametrize("written", each(ENVELOPES))
def test_it_opens_a_foreign_envelope(written: Envelope, one_of_each: EngineOf, cast: Cast) -> None:
    mail = wrapped(Enveloped(written.write(one_of_each(written.engine), ENTITY)))
    cms = parts.cms_of(mail)
    assert cms is not None
    assert open_envelope(cms, [cast.opener(written.holder)]) == ENTITY


@pytest.mark.parametrize("written", each(ENVELOPES))
def test_it_does_not_open_a_foreign_envelope_for_charlie(written: Envelope, one_of_each: EngineOf, cast: Cast) -> None:
    cms = written.write(one_of_each(written.engine), ENTITY)
    with pytest.raises(NotForThisKey):
        open_envelope(cms, [cast.charlie])


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ENGINES])
def test_it_reads_a_whole_foreign_mail(name: str, one_of_each: EngineOf, cast: Cast) -> None:
    """Signed, then encrypted, both by the program's own defaults."""
    engine = one_of_each(name)
    signature, envelope = (next(one for one in written if one.engine == name) for written in (SIGNATURES, ENVELOPES))
    assert isinstance(signature, Signature)
    assert isinstance(envelope, Envelope)
    mail = wrapped(Enveloped(envelope.write(engine, wrapped(signature.write(engine, ENTITY)))))
    cms = parts.cms_of(mail)
    assert cms is not None
    found = verify(open_envelope(cms, [cast.opener(envelope.holder)]), roots=[cast.authority.root.der], at=cast.at, sender=BANK)
    assert (found.outcome, found.content) == (Outcome.VERIFIED, ENTITY)
