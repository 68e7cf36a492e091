"""Strangers' mail read in another process gives what it gives here, and no key of ours goes there."""

import ast
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.isolation import Cell
from mailer.smime import isolated, mail
from mailer.smime.errors import CannotDecrypt, MalformedCms, NotForThisKey, ParsingFailed, SmimeError, TooLarge, TooSlow
from mailer.smime.outcomes import Outcome
from mailer.smime.packing import pack, unpack
from mailer.smime.trust import Revocation, Trust
from mailer.smime.verify import verify
from tests.mailer.smime.conftest import ALICE, BANK, CHARLIE
from tests.mailer.smime.test_opening import SECRET, envelope_for, opener
from tests.mailer.smime.test_verifying_attacks import ATTACKS, HEAD, Attack, Scene
from tests.pki import Authority, Usage

ROOT = Path(__file__).parents[3]


@pytest.fixture
def scene(authority: Authority, at: datetime) -> Scene:
    return Scene(authority, at)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_it_judges_as_it_does_here(scene: Scene, attack: Attack) -> None:
    message, keys = attack(scene), [opener(scene.alice)]
    trust = Trust([scene.authority.root.der], revocation=Revocation.IF_GIVEN)
    assert isolated.read_mail(message, keys, trust=trust, at=scene.at) == mail.read_mail(message, keys, trust=trust, at=scene.at)


def test_it_verifies_and_opens(scene: Scene) -> None:
    trust = Trust([scene.authority.root.der], revocation=Revocation.IF_GIVEN)
    reading = isolated.read_mail(scene.mail(), [opener(scene.alice)], trust=trust, at=scene.at)
    assert (reading.outcome, len(reading.layers)) == (Outcome.VERIFIED, 2)
    entity = scene.signed()
    assert isolated.verify(entity, at=scene.at, trust=trust, sender=BANK) == verify(entity, at=scene.at, trust=trust, sender=BANK)
    assert isolated.verify(entity, at=scene.at, roots=[], sender=BANK).outcome is Outcome.UNTRUSTED
    assert isolated.verify(entity, at=scene.at, trust=Trust(trust.roots)).outcome is Outcome.UNKNOWN_REVOCATION  # rule 10 of the field


def test_the_house_reads_strangers_octets_nowhere_else() -> None:
    """What reads in the process that asks is for the modules of the reader themselves."""
    reading = {
        f"mailer.smime.{name}"
        for name in ("chain", "compressed", "envelopes", "mail", "open", "parts", "senders", "senders_certificates", "signed_data", "verify")
    }
    paths = [path for room in ("portal", "onboarding", "mailer", "directory") for path in (ROOT / room).rglob("*.py")]
    sources = {path: path.read_text(encoding="utf-8") for path in paths if (ROOT / "mailer" / "smime") not in path.parents}
    assert len(sources) > 100
    found = {(path.name, name) for path, source in sources.items() for name in _imported(source) if name in reading}
    assert not found


def _imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            name = re.sub(r"^\.+(?=smime)", "mailer.", base)
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_it_opens_with_a_key_that_stays_here(authority: Authority, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, charlie = (authority.leaf(email, kind, Usage.ENCRYPT) for email in (ALICE, CHARLIE))
    sent: list[bytes] = []
    run = Cell.run

    def noted(cell: Cell, task: str, arguments: object, *blobs: bytes) -> tuple[object, list[bytes]]:
        sent.extend([repr(arguments).encode(), *blobs])
        return run(cell, task, arguments, *blobs)

    monkeypatch.setattr(Cell, "run", noted)
    assert isolated.open_envelope(envelope_for(alice), [opener(alice)]) == SECRET
    key = alice.key.private_numbers()
    secret = key.d if hasattr(key, "d") else key.private_value
    octets = secret.to_bytes((secret.bit_length() + 7) // 8, "big")
    assert not [blob for blob in sent if octets[:16] in blob or octets[-16:] in blob or SECRET in blob]
    with pytest.raises(NotForThisKey):
        isolated.open_envelope(envelope_for(alice), [opener(charlie)])
    with pytest.raises(CannotDecrypt):
        isolated.open_envelope(envelope_for(alice)[:-16] + bytes(16), [opener(alice)])


@pytest.mark.parametrize(
    ("envelope", "error"),
    [(b"", MalformedCms), (b"\x30\x80" * 100, TooLarge), (bytes(33 * 1024 * 1024), TooLarge), (b"\x30\x80" * 3, MalformedCms)],
    ids=range(4),
)
def test_it_names_what_cannot_be_read(authority: Authority, envelope: bytes, error: type[SmimeError]) -> None:
    with pytest.raises(error):
        isolated.opened(envelope, [opener(authority.leaf(ALICE, "p256", Usage.ENCRYPT))])


@pytest.mark.parametrize(
    ("task", "error", "outcome"),
    [
        ("spin", TooSlow, Outcome.TOO_SLOW),
        ("eat", TooLarge, Outcome.TOO_LARGE),
        ("crash", ParsingFailed, Outcome.MALFORMED),
        ("echo", ParsingFailed, None),
    ],
)
def test_it_survives_a_reader_that_fails(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, task: str, error: type[SmimeError], outcome: Outcome | None
) -> None:
    cell, alice = Cell("tests.directory.isolated_tasks"), authority.leaf(ALICE, "p256", Usage.ENCRYPT)

    def badly(_task: str, arguments: object, *blobs: bytes) -> tuple[object, list[bytes]]:
        if task == "echo":
            return cell.run("tests.directory.isolated_tasks:echo", arguments, *blobs)
        return cell.run(f"tests.directory.isolated_tasks:{task}", None)

    monkeypatch.setattr("mailer.smime.isolated._CELL.run", badly)
    try:
        with pytest.raises(error):
            isolated.opened(envelope_for(alice), [opener(alice)])
        if outcome is not None:
            trust = Trust([authority.root.der], revocation=Revocation.IF_GIVEN)
            assert isolated.verify(HEAD + b"\r\n", at=authority.at, trust=trust).outcome is outcome
            assert isolated.read_mail(HEAD + b"\r\n", trust=trust, at=authority.at).outcome is outcome
    finally:
        cell.close()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.datetimes(), lambda inner: st.lists(inner, max_size=4).map(tuple)
)


@given(VALUES)
def test_it_packs_and_unpacks_plain_values(value: object) -> None:
    blobs: list[bytes] = []
    assert unpack(pack(value, blobs), blobs) == value
