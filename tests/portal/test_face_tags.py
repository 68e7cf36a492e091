"""Tags of the face: levels, fingerprints, addresses, moments."""

from datetime import UTC, datetime

from django.template import engines
from django.utils import translation

from portal.templatetags import face


def draw(template: str, **context: object) -> str:
    return engines["django"].from_string("{% load face %}" + template).render(context)


def test_it_shows_as_many_folds_as_were_checked() -> None:
    for level, folds in (("V1", 1), ("V2", 2), ("V3", 3), ("V4", 4)):
        drawn = draw("{% level level %}", level=level)
        assert drawn.count('class="on"') == folds
        assert drawn.count('class="off"') == 4 - folds
        assert f"{level}</b> " in drawn


def test_it_calls_what_it_did_not_validate_external() -> None:
    assert "external" in draw("{% level level %}", level="external")
    assert "is-outside" in draw("{% level level %}", level=None)


def test_it_groups_fingerprints_by_four() -> None:
    value = "0123456789abcdef" * 4
    assert draw("{% fingerprint value %}", value=value).count("<span>") == 16
    assert "0123 4567 … cdef" in draw("{% fingerprint value short=True %}", value=value)
    assert face.fingerprint(bytes.fromhex(value)) == face.fingerprint(value)


def test_it_lets_an_address_break_before_its_at_and_escapes_it() -> None:
    assert face.soft_address("alice@example.com") == "alice<wbr>@example.com"
    assert face.soft_address('"<script>@x"@example.com') == "&quot;&lt;script&gt;@x&quot;<wbr>@example.com"
    assert face.soft_address("<b>") == "&lt;b&gt;"


def test_it_writes_moments_as_people_and_machines_read_them() -> None:
    at = datetime(2026, 11, 24, 16, 58, 3, tzinfo=UTC)
    assert face.moment(at) == '<time datetime="2026-11-24T16:58:03+00:00">24 Nov 2026, 16:58</time>'
    assert "16:58:03</time>" in face.moment(at, "EXACT")
    assert face.moment(at, "DAY") == '<time datetime="2026-11-24">24 Nov 2026</time>'
    assert face.moment(None) == ""
    with translation.override("zh-hans"):
        assert "2026年11月24日" in face.moment(at)


def test_it_shows_a_word_of_the_server_for_an_event_it_does_not_know() -> None:
    assert draw('{% event_look "handed" as look %}{{ look.word }}') == "Handed over"
    assert draw("{% event_look event as look %}{{ look.word }}", event="<odd>") == "&lt;odd&gt;"
