"""Quotas leased in blocks: never passed by all processes together, and exact where they are small."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import redis
from pytest_django import Settings

from directory.api import quotas
from directory.errors import OverQuotaError
from directory.models import ApiToken, Organization

AT = datetime(2027, 1, 31, 12, 0, 5, tzinfo=UTC)
TOKEN = ApiToken(organization=Organization(), prefix="12345678")
PLACE = {"REMOTE_ADDR": "192.0.2.1"}


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[quotas._Leases]]:
    """Three processes' leases; `become` takes the place of one."""
    yield [quotas._Leases() for _ in range(3)]
    monkeypatch.undo()


def take(process: quotas._Leases, monkeypatch: pytest.MonkeyPatch, cost: int, *, at: datetime = AT, token: ApiToken | None = TOKEN) -> bool:
    monkeypatch.setattr(quotas, "_leases", process)
    try:
        quotas.take(token=token, meta=PLACE, cost=cost, at=at)
    except OverQuotaError:
        return False
    return True


def asked_redis(settings: Settings) -> int:
    found = redis.Redis.from_url(settings.REDIS_URL).info("commandstats")
    return sum(told["calls"] for name, told in found.items() if name in {"cmdstat_eval", "cmdstat_evalsha"})


def test_most_look_ups_do_not_ask_redis(processes: list[quotas._Leases], monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 10_000  # blocks of 200
    before = asked_redis(settings)
    assert all(take(processes[0], monkeypatch, 1) for _ in range(1000))
    assert asked_redis(settings) - before == 5


def test_all_processes_together_never_pass_the_limit(processes: list[quotas._Leases], monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 1000
    taken = 0
    for turn in range(1500):
        taken += take(processes[turn % 3], monkeypatch, 1)
    # At most a block is held back by each of the others; here all are used up in turn.
    assert 1000 - 2 * 20 <= taken <= 1000
    refused = [process for process in processes if not take(process, monkeypatch, 1)]
    assert refused == processes


def test_one_process_is_exact(processes: list[quotas._Leases], monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 1000
    assert sum(take(processes[0], monkeypatch, 1) for _ in range(1100)) == 1000


@pytest.mark.parametrize("costs", [(700, 299, 2, 1), (15, 985, 1)])
def test_a_batch_is_taken_whole_or_not_at_all(
    processes: list[quotas._Leases], monkeypatch: pytest.MonkeyPatch, settings: Settings, costs: tuple[int, ...]
) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 1000
    left = 1000
    for cost in costs:
        assert take(processes[0], monkeypatch, cost) is (cost <= left)
        left -= cost if cost <= left else 0


def test_a_small_limit_is_exact_over_all_processes(processes: list[quotas._Leases], monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 60
    assert sum(take(processes[turn % 3], monkeypatch, 1, token=None) for turn in range(100)) == 60


def test_what_was_leased_ends_with_its_minute(processes: list[quotas._Leases], monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 1000
    assert take(processes[0], monkeypatch, 990)
    assert not take(processes[0], monkeypatch, 11)
    assert take(processes[0], monkeypatch, 1000, at=AT + timedelta(minutes=1))
    assert not take(processes[0], monkeypatch, 1, at=AT + timedelta(minutes=1))


def test_charlies_blocks_are_his_own(processes: list[quotas._Leases], monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 1000
    charlies = ApiToken(organization=Organization(), prefix="87654321")
    assert take(processes[0], monkeypatch, 1000, token=charlies)
    assert not take(processes[0], monkeypatch, 1, token=charlies)
    assert take(processes[0], monkeypatch, 1000)


def test_threads_of_one_process_do_not_pass_it_either(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 2000
    monkeypatch.setattr(quotas, "_leases", quotas._Leases())

    def some(_number: int) -> int:
        done = 0
        for _ in range(700):
            try:
                quotas.take(token=TOKEN, meta=PLACE, cost=1, at=AT)
            except OverQuotaError:
                continue
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        taken = sum(pool.map(some, range(4)))
    assert 2000 - 3 * 40 <= taken <= 2000


def test_while_redis_is_away_it_is_not_asked_each_time(monkeypatch: pytest.MonkeyPatch, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 1000
    monkeypatch.setattr(quotas, "_leases", quotas._Leases())
    there = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert sum(take(quotas._leases, monkeypatch, 1) for _ in range(1100)) == 1000
    assert caplog.text.count("Redis does not answer") <= 2
    settings.REDIS_URL = there
    quotas.forget_own_counts()
    assert take(quotas._leases, monkeypatch, 1)
