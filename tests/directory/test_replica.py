"""A copy of the database that look-ups read: only as long as it is there and keeps up, and never for anything else."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection, connections

from directory import answers, replica
from directory.api.fast import reading
from directory.lookup import encryption_certificates
from directory.replica import Lag
from tests.directory.conftest import Publisher

pytestmark = pytest.mark.django_db(transaction=True)
ALICES = "alice@example.com"


@pytest.fixture
def copied() -> Iterator[None]:
    """The same server under another name: which one was asked is told by the connection's name."""
    default = connections["default"].settings_dict
    connections.databases["replica"] = {**default, "OPTIONS": {**default.get("OPTIONS", {}), "application_name": "the replica"}}
    replica.trust(keeps_up=True)
    reading.close()
    yield
    reading.close()
    replica.trust(keeps_up=True)
    connections["replica"].close()
    del connections.databases["replica"]
    del connections["replica"]


def asked() -> str:
    return str(reading.fetch("SELECT current_setting('application_name')", ())[0][0])


def test_look_ups_read_it_and_sealing_does_not(copied: None, published: Publisher) -> None:  # noqa: ARG001
    published(ALICES)
    assert asked() == "the replica"
    assert answers.read_one(ALICES, fetch=reading.fetch).found
    assert replica.alias() == "replica"  # which the ORM is asked for too
    seen: list[str] = []

    def note(execute: object, sql: str, *rest: object) -> object:
        seen.append(sql)
        return execute(sql, *rest)  # type: ignore[operator]

    with connections["default"].execute_wrapper(note):
        assert encryption_certificates([ALICES], at=datetime.now(UTC))[ALICES]
    assert len(seen) == 1  # on the primary


def test_one_that_cannot_be_reached_is_passed_over(copied: None, published: Publisher, caplog: pytest.LogCaptureFixture) -> None:  # noqa: ARG001
    published(ALICES)
    connections.databases["replica"].update({"HOST": "127.0.0.1", "PORT": "1"})
    for _ in range(3):
        assert answers.read_one(ALICES, fetch=reading.fetch).found
    assert asked() == "letterlock look-up"
    assert caplog.text.count("The replica cannot be reached") == 1
    assert replica.look(Lag(), now=0.0) is False


def test_one_that_goes_away_meanwhile_is_passed_over(copied: None, published: Publisher) -> None:  # noqa: ARG001
    published(ALICES)
    assert asked() == "the replica"
    connections.databases["replica"].update({"HOST": "127.0.0.1", "PORT": "1"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'the replica'")
    assert asked() == "letterlock look-up"
    assert answers.read_one(ALICES, fetch=reading.fetch).found


def test_one_that_lags_is_not_read_until_it_has_caught_up(copied: None) -> None:  # noqa: ARG001
    assert asked() == "the replica"
    replica.trust(keeps_up=False)
    assert (asked(), replica.alias()) == ("letterlock look-up", "default")
    replica.trust(keeps_up=True)
    assert (asked(), replica.alias()) == ("the replica", "replica")


def test_a_server_that_is_no_standby_has_nothing_to_catch_up_with(copied: None) -> None:  # noqa: ARG001
    assert replica.look(Lag(), now=0.0) is True


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        # (now, written by the primary, replayed by the copy)
        ([(0, 100, 100), (5, 200, 200), (10, 300, 300)], [True, True, True]),
        ([(0, 100, 50), (5, 200, 50), (9, 300, 50)], [True, True, True]),  # not behind for long
        ([(0, 100, 50), (5, 200, 99), (10, 300, 99)], [True, True, False]),
        ([(0, 100, 50), (10, 300, 100), (15, 400, 100), (20, 400, 100), (21, 400, 300)], [True, True, True, False, True]),
        ([(0, 100, 50), (10, 300, 50), (15, 400, 400)], [True, False, True]),
        ([(0, 100, 100), (10, None, 100), (100, None, 100)], [True, True, True]),  # the primary is away: nothing new to be missed
        ([(0, 100, 50), (10, None, 50)], [True, False]),
        ([(0, 100, None), (60, 900, None)], [True, True]),
    ],
)
def test_lag_is_measured_by_what_was_written_ten_seconds_ago(looks: list[tuple[float, int | None, int | None]], expected: list[bool]) -> None:
    lag = Lag()
    assert [lag.keeps_up(written=written, replayed=replayed, now=now) for now, written, replayed in looks] == expected
