"""Three times as much as the operator allows, over real HTTP: refused in time with 429, never with 5xx, and what was accepted is sent."""

import http.client
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http import HTTPStatus
from uuid import uuid4

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from directory.tokens import make_token
from mailer.models import Batch, Message, MessageStatus, SendEvent, SigningIdentity
from mailer.outbox import depth
from mailer.sending import drain
from portal.running.inbox import InboxServer
from tests.mailer.api.bodies import ITEM, TO, request_of
from tests.mailer.letters import Desk, publish_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("many-connections")]
DEPTH = 60
A_REQUEST = 3
CALLERS = 12


def test_it_refuses_in_time_and_keeps_what_it_took(
    live_server: LiveServer, bills: SigningIdentity, inbox_server: InboxServer, desk: Desk, settings: Settings
) -> None:
    now = datetime.now().astimezone()
    publish_for(desk.authority.leaf(TO), TO, at=now)
    _token, text = make_token(organization=bills.organization, name="Billing", scopes=["send"], actor="user:alice", at=now)
    settings.LETTERLOCK_OUTBOX_DEPTH = DEPTH
    depth.forget()
    start = threading.Barrier(CALLERS)

    def call(_caller: int) -> list[tuple[int, str | None, int]]:
        """A caller with a connection of its own that is not patient: it goes on whatever it is told."""
        link, found = http.client.HTTPConnection(live_server.url.removeprefix("http://"), timeout=60), []
        link.connect()
        start.wait()
        for _ in range(3 * DEPTH // (CALLERS * A_REQUEST)):
            headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": str(uuid4()), "Content-Type": "application/json"}
            link.request("POST", "/api/v1/messages", json.dumps(request_of(*[ITEM] * A_REQUEST)), headers)
            response = link.getresponse()
            body = json.loads(response.read())
            found.append((response.status, response.headers["Retry-After"], len(body.get("messages", ()))))
        link.close()
        return found

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = [answer for answers in pool.map(call, range(CALLERS)) for answer in answers]

    counts = Counter(status for status, _, _ in answers)
    assert set(counts) == {HTTPStatus.ACCEPTED, HTTPStatus.TOO_MANY_REQUESTS}
    assert all(20 <= int(again or 0) < 40 for status, again, _ in answers if status == HTTPStatus.TOO_MANY_REQUESTS)
    accepted = sum(messages for _, _, messages in answers)
    # Each caller may have been on its way in when the last room went.
    assert DEPTH <= accepted <= DEPTH + CALLERS * A_REQUEST
    assert (Message.objects.count(), Batch.objects.count()) == (accepted, counts[HTTPStatus.ACCEPTED])
    while drain(at=now):
        pass
    assert Counter(Message.objects.values_list("status", flat=True)) == {MessageStatus.HANDED: accepted}
    assert len(inbox_server.inbox.mails(TO)) == accepted == SendEvent.objects.filter(event="handed").count()
    depth.forget()
    assert call_again(live_server, text) == HTTPStatus.ACCEPTED


def call_again(live_server: LiveServer, text: str) -> int:
    link = http.client.HTTPConnection(live_server.url.removeprefix("http://"), timeout=60)
    headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": "later", "Content-Type": "application/json"}
    link.request("POST", "/api/v1/messages", json.dumps(request_of(ITEM)), headers)
    status = link.getresponse().status
    link.close()
    return status
