"""One key, one batch: asked by fifty at once over real HTTP, told another body, or begun by somebody whose transaction comes to nothing."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo
from pytest_django.live_server_helper import LiveServer

from directory.tokens import make_token
from mailer.models import Batch, Message, SendEvent, SigningIdentity
from tests.mailer.api.bodies import ITEM, TO, request_of

# Of all tests that open many connections to the database, one runs at a time.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("many-connections")]
REQUESTS = 50
KEY = "the-one-key"


class Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def kind(self) -> str:
        return str(json.loads(self.body)["type"]).rpartition("#problem-")[2]


class Bank:
    """A business system of an organisation, with its token."""

    def __init__(self, server: LiveServer, identity: SigningIdentity, at: datetime) -> None:
        self._netloc = server.url.removeprefix("http://")
        self.sender = identity.address
        _token, self._text = make_token(organization=identity.organization, name="Billing", scopes=["send"], actor="user:alice", at=at)

    def request(self, *items: dict[str, Any], key: str = KEY) -> Callable[[], Answer]:
        """A request on a connection that is open already, so that many can be sent at one moment."""
        body = json.dumps(request_of(*items) | {"from": self.sender}).encode()
        headers = {"Authorization": f"Bearer {self._text}", "Idempotency-Key": key, "Content-Type": "application/json"}
        link = http.client.HTTPConnection(self._netloc, timeout=60)
        link.request("GET", "/api/v1/messages")
        assert link.getresponse().read(), "the server has taken the connection"

        def send() -> Answer:
            with closing(link):
                link.request("POST", "/api/v1/messages", body, headers)
                response = link.getresponse()
                return Answer(response.status, response.read())

        return send

    def post(self, *items: dict[str, Any]) -> Answer:
        return self.request(*items)()


@pytest.fixture
def bank(live_server: LiveServer, bills: SigningIdentity, now: datetime) -> Bank:
    return Bank(live_server, bills, now)


def at_once(asks: Sequence[Callable[[], Answer]]) -> list[Answer]:
    start = threading.Barrier(len(asks))

    def ask(one: Callable[[], Answer]) -> Answer:
        start.wait()
        return one()

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(ask, asks))


def stored() -> tuple[int, int, int]:
    return Batch.objects.count(), Message.objects.count(), SendEvent.objects.count()


@contextmanager
def begun_elsewhere(identity: SigningIdentity) -> Iterator[psycopg.Connection]:
    """Another web process has written the batch of this key, and has not committed yet."""
    at = connection.settings_dict
    target = make_conninfo(host=at["HOST"], port=at["PORT"] or None, dbname=at["NAME"], user=at["USER"], password=at["PASSWORD"] or None)
    with psycopg.connect(target) as other:
        other.execute(
            "INSERT INTO mailer_batch (id, organization_id, identity_id, idempotency_key, body_digest, on_missing, actor, accepted_at) "
            "VALUES (%s, %s, %s, %s, 'another', 'hold', 'token:x', now())",
            [uuid4(), identity.organization_id, identity.id, KEY],
        )
        yield other


def wait_for_waiting(count: int) -> list[int]:
    """The server processes of those who wait for the key."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO mailer_batch%'"
            )
            found = [row[0] for row in cursor.fetchall()]
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise TimeoutError("nobody waits for the key")


def test_it_stores_one_batch_of_fifty_equal_requests(bank: Bank) -> None:
    answers = at_once([bank.request(ITEM, {**ITEM, "reference": "two"}) for _ in range(REQUESTS)])
    assert {answer.status for answer in answers} == {HTTPStatus.ACCEPTED}
    assert len({answer.body for answer in answers}) == 1, "all are told the same"
    assert stored() == (1, 2, 2)
    assert [item["to"] for item in json.loads(answers[0].body)["messages"]] == [TO, TO]


def test_it_takes_one_of_two_bodies_and_refuses_the_other(bank: Bank) -> None:
    answers = at_once([bank.request({**ITEM, "text": ("One", "Another")[number % 2]}) for number in range(REQUESTS)])
    sides = answers[::2], answers[1::2]
    won, lost = sides if sides[0][0].status == HTTPStatus.ACCEPTED else sides[::-1]
    assert {answer.status for answer in won} == {HTTPStatus.ACCEPTED}
    assert len({answer.body for answer in won}) == 1
    assert {(answer.status, answer.kind) for answer in lost} == {(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused")}
    assert stored() == (1, 1, 1)


def test_it_lets_the_next_win_where_the_first_comes_to_nothing(bank: Bank, bills: SigningIdentity) -> None:
    with ThreadPoolExecutor(5) as pool, begun_elsewhere(bills) as other:
        asked = [pool.submit(bank.post, ITEM) for _ in range(5)]
        wait_for_waiting(5)
        assert stored() == (0, 0, 0), "nobody runs ahead"
        other.rollback()
        answers = [one.result(60) for one in asked]
    assert {answer.status for answer in answers} == {HTTPStatus.ACCEPTED}
    assert len({answer.body for answer in answers}) == 1
    assert stored() == (1, 1, 1)


def test_it_refuses_those_who_waited_where_the_first_was_another_request(bank: Bank, bills: SigningIdentity) -> None:
    with ThreadPoolExecutor(3) as pool, begun_elsewhere(bills) as other:
        asked = [pool.submit(bank.post, ITEM) for _ in range(3)]
        wait_for_waiting(3)
        other.commit()
        answers = [one.result(60) for one in asked]
    assert {(answer.status, answer.kind) for answer in answers} == {(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused")}
    assert stored() == (1, 0, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_takes_the_key_again_after_the_database_dropped_the_first(bank: Bank, bills: SigningIdentity) -> None:
    """The caller knows nothing of the first request's end and asks again: accepted once."""
    with ThreadPoolExecutor(1) as pool, begun_elsewhere(bills) as other:
        asked = pool.submit(bank.post, ITEM)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [wait_for_waiting(1)[0]])
        assert asked.result(60).status >= HTTPStatus.INTERNAL_SERVER_ERROR
        other.rollback()
    assert stored() == (0, 0, 0)
    assert bank.post(ITEM).status == HTTPStatus.ACCEPTED
    assert stored() == (1, 1, 1)


def test_it_keeps_charlies_key_apart(bank: Bank, offers: SigningIdentity, live_server: LiveServer, now: datetime) -> None:
    """Charlie knows Alice's key; he neither gets her answer nor takes her place."""
    shop = Bank(live_server, offers, now)
    answers = at_once([(bank, shop)[number % 2].request(ITEM) for number in range(20)])
    assert {answer.status for answer in answers} == {HTTPStatus.ACCEPTED}
    ours, charlies = ({answer.body for answer in answers[side::2]} for side in (0, 1))
    assert (len(ours), len(charlies)) == (1, 1)
    assert ours != charlies
    assert stored() == (2, 2, 2)
