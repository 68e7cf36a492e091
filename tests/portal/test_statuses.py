"""Every status and every event has a look, and every look can be drawn."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
from django.db.models import TextChoices
from django.template import engines

from directory.models import CertificateStatus, OrganizationStatus
from mailer.models import IssuanceStatus, MessageStatus, PublicationStatus, SigningIdentityStatus
from onboarding.applications import CheckOutcome
from onboarding.states import Status
from portal import statuses

ROOT = Path(__file__).resolve().parents[2]
ENUMERATIONS: dict[str, type[StrEnum | TextChoices]] = {
    "message": MessageStatus,
    "application": Status,
    "check": CheckOutcome,
    "certificate": CertificateStatus,
    "identity": SigningIdentityStatus,
    "issuance": IssuanceStatus,
    "publication": PublicationStatus,
    "organization": OrganizationStatus,
}
TONES = {"ok", "wait", "bad", "move", "idle"}


def sprite() -> set[str]:
    return set(re.findall(r'<symbol id="i-(\w+)"', (ROOT / "templates/parts/sprite.html").read_text(encoding="utf-8")))


@pytest.mark.parametrize(("kind", "status"), [(kind, status) for kind, enumeration in ENUMERATIONS.items() for status in enumeration])
def test_it_has_a_look_for_every_status(kind: str, status: str) -> None:
    look = statuses.look(status, kind)
    assert look.tone in TONES
    assert look.icon in sprite()
    assert str(look.word)


def test_it_has_no_look_for_what_is_no_status() -> None:
    for kind, enumeration in ENUMERATIONS.items():
        assert set(statuses.KINDS[kind]) == {status.value for status in enumeration}
    with pytest.raises(KeyError):
        statuses.look("lost", "message")


def test_it_has_a_look_for_every_event_that_the_mailer_writes() -> None:
    written = set()
    for path in (ROOT / "mailer").rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        if "mailer.message_states" in code:
            written |= set(re.findall(r'\bevent=(?:"" if [^"]* else )?"(\w+)"', code))
    assert {"released", "deferred"} <= written
    assert {event for event in written if event not in statuses.EVENTS and event not in statuses.KINDS["message"]} == set()
    assert {look.icon for look in statuses.EVENTS.values()} <= sprite()


def test_it_draws_icon_and_word_never_colour_alone() -> None:
    drawn = engines["django"].from_string('{% load face %}{% status "held" %}{% status "pass" "check" bare=True %}').render()
    assert drawn.count("<svg") == 2
    assert "Held" in drawn
    assert "Passes" in drawn


def test_every_icon_in_a_template_is_in_the_sprite() -> None:
    used = set()
    for path in (ROOT / "templates").rglob("*.html"):
        used |= set(re.findall(r'{% icon "(\w+)"', path.read_text(encoding="utf-8")))
    assert used
    assert used - sprite() == set()


def test_it_says_the_mailers_codes_in_words_and_leaves_a_relays_words_alone() -> None:
    codes = {code for path in (ROOT / "mailer").rglob("*.py") for code in re.findall(r'detail="(\w+)"', path.read_text(encoding="utf-8"))}
    assert {"no_certificate"} <= codes
    assert codes == set(statuses.DETAILS)
    assert str(statuses.detail("no_certificate")) == "There is no certificate for this address."
    assert str(statuses.detail("sealing_failed: too_large")) == "The message could not be sealed (too_large)."
    assert statuses.detail("250 2.0.0 queued as 4F1C2") == "250 2.0.0 queued as 4F1C2"
