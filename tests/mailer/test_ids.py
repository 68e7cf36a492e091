"""Ids in the order of their making, which nobody can guess."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from mailer.ids import fresh_ids

AT = datetime(2026, 11, 25, 12, 0, 0, 123_456, tzinfo=UTC)


def test_they_are_of_version_7() -> None:
    for made in fresh_ids(200, at=AT):
        assert (made.version, made.variant) == (7, RFC_4122)
        assert made.int >> 80 == int(AT.timestamp() * 1000)


def test_they_follow_the_time() -> None:
    assert max(fresh_ids(100, at=AT)) < min(fresh_ids(100, at=AT + timedelta(milliseconds=1)))


def test_they_are_random_but_for_the_time() -> None:
    ids = [made.int for made in fresh_ids(500, at=AT)]
    assert len(set(ids)) == 500
    seen_one = seen_zero = 0
    for number in ids:
        seen_one |= number
        seen_zero |= ~number
    free = (1 << 80) - 1 & ~(0xF << 76) & ~(0x3 << 62)
    assert seen_one & free == seen_zero & free == free, "each of the 74 bits takes both values"


def test_it_makes_as_many_as_are_asked_for() -> None:
    assert fresh_ids(0, at=AT) == []
    assert len(fresh_ids(1, at=AT)) == 1
