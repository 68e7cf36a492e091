"""Look-ups counted in aggregates: an hour and an organisation a row, and nothing is lost that the database did not take at first."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection

from directory import counts
from directory.models import ApiToken, LookupCount, Organization


@pytest.fixture(autouse=True)
def _from_nothing() -> Iterator[None]:
    counts.forget()
    yield
    counts.forget()


def of(organization: Organization) -> ApiToken:
    return ApiToken(organization=organization)


def rows() -> list[tuple[object, ...]]:
    return [(row.organization_id, row.hour, row.lookups, row.found) for row in LookupCount.objects.order_by("hour", "lookups")]


def test_each_organisation_and_hour_has_one_row(bank: Organization, shop: Organization, at: datetime) -> None:
    hour = at.replace(minute=0, second=0)
    for token, found in ((of(bank), True), (of(bank), False), (of(shop), True), (None, False)):
        counts.note(token, lookups=10, found=found * 4, at=hour)
    counts.note(None, lookups=7, found=7, at=hour + timedelta(minutes=59, seconds=59))
    counts.note(None, lookups=3, found=0, at=hour + timedelta(hours=1))
    for _ in range(2):  # the second time there is nothing left
        counts.flush()
        assert sorted(rows(), key=str) == sorted(
            [(bank.pk, hour, 20, 4), (shop.pk, hour, 10, 4), (None, hour, 17, 7), (None, hour + timedelta(hours=1), 3, 0)], key=str
        )
    counts.note(None, lookups=1, found=1, at=hour)
    counts.flush()
    assert (None, hour, 18, 8) in rows()


def test_what_the_database_does_not_take_is_kept(bank: Organization, at: datetime, caplog: pytest.LogCaptureFixture) -> None:
    def away(*_: object) -> None:
        raise DatabaseError("away")

    counts.note(of(bank), lookups=2, found=1, at=at)
    with connection.execute_wrapper(away):
        counts.flush()
    assert "wait" in caplog.text
    counts.note(of(bank), lookups=3, found=1, at=at)
    counts.flush()
    assert [row[2:] for row in rows()] == [(5, 2)]


def test_an_organisation_that_is_gone_holds_up_nobody(bank: Organization, at: datetime) -> None:
    counts.note(of(Organization()), lookups=1, found=0, at=at)
    counts.note(of(bank), lookups=1, found=0, at=at)
    counts.flush()
    assert [row[0] for row in rows()] == [bank.pk]


def test_threads_count_every_one(db: None, at: datetime) -> None:  # noqa: ARG001 - the database
    def some(_number: int) -> None:
        for _ in range(500):
            counts.note(None, lookups=1, found=1, at=at)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(some, range(8)))
    counts.flush()
    assert [row[2:] for row in rows()] == [(4000, 4000)]


# As a web server's process: it begins, is forked, counts in the child, and both end.
_PROCESS = """
import os, sys
import django
django.setup()
from datetime import datetime, timezone
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
from directory import counts
counts.begin()
at = datetime(2027, 1, 31, 12, tzinfo=timezone.utc)
counts.note(None, lookups=1, found=0, at=at)
child = os.fork()
counts.note(None, lookups=10 if child == 0 else 100, found=0, at=at)
if child:
    os.waitpid(child, 0)
"""


@pytest.mark.django_db(transaction=True)
def test_a_process_that_ends_writes_down_its_own_counts() -> None:
    name = str(connection.settings_dict["NAME"])
    subprocess.run([sys.executable, "-c", _PROCESS, name], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, timeout=60)
    assert [row[2] for row in rows()] == [111]
