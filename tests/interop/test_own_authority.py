"""What our own authority certifies is trusted by other programs that have its root, and by none that have another."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from mailer.smime.sign import SignatureForm
from tests.interop.cast import BANK, Cast
from tests.interop.conftest import ENGINES
from tests.interop.engine import Engine, RefusedBy, need
from tests.interop.layers import Signed, cut
from tests.interop.own_authority import OwnAuthority
from tests.pki import key_of

ENTITY = b"Content-Type: text/plain; charset=utf-8\r\n\r\nThe balance is 12.50 EUR.\r\n"
# The kinds of key that a ceremony makes, and those that an organisation signs with.
AUTHORITIES, SIGNERS = ("p384", "rsa4096"), ("rsa3072", "p256", "p384")


@pytest.fixture(scope="module")
def own(cast: Cast) -> Callable[[str], OwnAuthority]:
    return cache(lambda kind: OwnAuthority(kind, cast))


@pytest.fixture(params=[pytest.param((name, kind), marks=pytest.mark.xdist_group(name)) for name in ENGINES for kind in AUTHORITIES], ids=str)
def trusting(request: pytest.FixtureRequest, own: Callable[[str], OwnAuthority], tmp_path: Path) -> Iterator[tuple[Engine, OwnAuthority]]:
    """A program with no keys and our root."""
    name, kind = request.param
    requirement, make = ENGINES[name]
    need(name, requirement)
    authority = own(kind)
    engine = make(tmp_path, {}, authority.root.pem, authority.smime.pem)
    yield engine, authority
    engine.close()


def test_its_certificates_are_trusted_for_mail(trusting: tuple[Engine, OwnAuthority], cast: Cast) -> None:
    engine, authority = trusting
    for kind in SIGNERS:
        for form in SignatureForm:
            signed = cut(authority.signer(key_of(kind, BANK)).sign(ENTITY, at=cast.at, form=form))
            assert isinstance(signed, Signed)
            assert engine.verifies(*signed) == ENTITY, (kind, form)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ENGINES])
def test_they_are_not_where_its_root_is_not(name: str, one_of_each: Callable[[str], Engine], own: Callable[[str], OwnAuthority], cast: Cast) -> None:
    signed = cut(own("p384").signer(key_of("p256", BANK)).sign(ENTITY, at=cast.at))
    assert isinstance(signed, Signed)
    with pytest.raises(RefusedBy):
        one_of_each(name).verifies(*signed)
