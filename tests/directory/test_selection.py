"""Which certificate is chosen, and the receipt that says why."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from directory.models import Certificate, CertificateStatus, Level
from directory.selection import Reason, Selection, Usage, select

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def candidate(name: str, **facts: object) -> Certificate:
    given: dict[str, object] = {
        "fingerprint": name,
        "level": Level.V1,
        "status": CertificateStatus.PUBLISHED,
        "published_at": NOW - 10 * DAY,
        "not_before": NOW - 20 * DAY,
        "not_after": NOW + 20 * DAY,
        "can_sign": True,
        "can_encrypt": True,
    }
    return Certificate(**{**given, **facts})


def choose(*candidates: Certificate, usage: Usage = Usage.ENCRYPT, at: datetime = NOW) -> Selection:
    return select(candidates, usage=usage, at=at)


def names(selection: Selection) -> list[str]:
    return [certificate.fingerprint for certificate in selection.usable]


def reasons(selection: Selection) -> dict[str, tuple[bool, str]]:
    return {line.fingerprint: (line.accepted, line.reason.value) for line in selection.receipt}


def test_it_ranks_by_level_then_newest_then_fingerprint() -> None:
    candidates = [
        candidate("f-external", level=Level.EXTERNAL, not_before=NOW - DAY),
        candidate("e-v1", level=Level.V1),
        candidate("d-v2", level=Level.V2),
        candidate("c-v3", level=Level.V3),
        candidate("b-v4-old", level=Level.V4),
        candidate("a-v4-new", level=Level.V4, not_before=NOW - DAY),
        candidate("0-v4-new", level=Level.V4, not_before=NOW - DAY),
    ]
    for seed in range(20):
        random.Random(seed).shuffle(candidates)
        selection = choose(*candidates)
        assert names(selection) == ["0-v4-new", "a-v4-new", "b-v4-old", "c-v3", "d-v2", "e-v1", "f-external"]
    assert selection.selected is not None
    assert selection.selected.fingerprint == "0-v4-new"
    assert reasons(selection) == {
        "0-v4-new": (True, "selected"),
        "a-v4-new": (True, "tie"),
        "b-v4-old": (True, "older"),
        "c-v3": (True, "lower_level"),
        "d-v2": (True, "lower_level"),
        "e-v1": (True, "lower_level"),
        "f-external": (True, "lower_level"),
    }


def test_signing_only_never_encrypts_and_encryption_only_never_signs() -> None:
    signing, encrypting = candidate("signing", can_encrypt=False), candidate("encrypting", can_sign=False)
    assert names(choose(signing, encrypting)) == ["encrypting"]
    assert names(choose(signing, encrypting, usage=Usage.SIGN)) == ["signing"]
    assert reasons(choose(signing))["signing"] == (False, "usage")


def test_an_expired_certificate_does_not_hide_a_valid_one() -> None:
    selection = choose(candidate("expired", level=Level.V4, not_after=NOW), candidate("valid", level=Level.EXTERNAL))
    assert names(selection) == ["valid"]
    assert reasons(selection)["expired"] == (False, "expired")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"status": CertificateStatus.REVOKED, "ended_at": NOW}, Reason.REVOKED),
        ({"status": CertificateStatus.SUPERSEDED, "ended_at": NOW - DAY}, Reason.SUPERSEDED),
        ({"not_before": NOW + DAY}, Reason.NOT_YET_VALID),
        ({"not_after": NOW - DAY}, Reason.EXPIRED),
        ({"published_at": NOW + timedelta(seconds=1)}, Reason.NOT_YET_PUBLISHED),
        ({"can_encrypt": False}, Reason.USAGE),
    ],
)
def test_it_says_why_not(facts: dict[str, object], reason: Reason) -> None:
    selection = choose(candidate("no", **facts))
    assert selection.selected is None
    assert reasons(selection) == {"no": (False, reason.value)}


def test_it_judges_a_past_moment_by_what_held_then() -> None:
    revoked = candidate("revoked", status=CertificateStatus.REVOKED, ended_at=NOW - DAY)
    assert names(choose(revoked, at=NOW - 2 * DAY)) == ["revoked"]
    assert names(choose(revoked, at=NOW - 11 * DAY)) == []
    expired = candidate("expired", not_after=NOW - DAY)
    assert names(choose(expired, usage=Usage.SIGN, at=NOW - 2 * DAY)) == ["expired"]


def test_what_was_erased_leaves_no_line_at_any_moment() -> None:
    erased = candidate("erased", status=CertificateStatus.ERASED, ended_at=NOW)
    for moment in (NOW, NOW - DAY):
        assert choose(erased, at=moment) == Selection((), ())


def test_a_certificate_is_valid_from_its_first_moment_and_no_longer_at_its_last() -> None:
    only = candidate("only", not_before=NOW - DAY, not_after=NOW + DAY)
    assert names(choose(only, at=NOW - DAY)) == ["only"]
    assert names(choose(only, at=NOW + DAY)) == []
