"""Strangers' requests against the whole API, made from its own description: no 5xx, no status that is not described, and each operation works."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from socketserver import ThreadingMixIn
from typing import Any
from uuid import UUID
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
import requests
import schemathesis
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.db import connections
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from directory import counts
from directory.api.fast import reading
from directory.api.fast.application import in_front_of
from directory.tokens import SCOPES, make_token
from mailer.answering import Purpose, challenge_of
from mailer.models import SigningIdentity
from portal import content_types
from tests.mailer.letters import publish_for
from tests.mailer.signed_mail import mail, signature
from tests.pki import Authority, Usage

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 25
BYTES = ["application/pkix-cert", "application/pkcs7-mime", "application/pkcs7-signature", "application/x-pem-file", "message/rfc822"]
schemathesis.serializer.alias(BYTES, "application/octet-stream")


class _Threads(ThreadingMixIn, WSGIServer):
    # Waited for when it closes.
    daemon_threads = False

    def process_request_thread(self, *arguments: Any) -> None:
        """As the base, and leaves no connection to the database behind."""
        try:
            super().process_request_thread(*arguments)
        finally:
            connections.close_all()
            reading.close()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Nothing is written."""


@contextmanager
def serving() -> Iterator[str]:
    """What `portal.wsgi` serves on a free port, without the threads that it begins: its address."""
    django = get_wsgi_application()
    application = content_types.in_front_of(in_front_of(django), django)
    with make_server("127.0.0.1", 0, application, server_class=_Threads, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            counts.forget()


@pytest.fixture
def address(transactional_db: None, settings: Settings) -> Iterator[str]:  # noqa: ARG001 - rows that other threads see
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "127.0.0.1"]
    with serving() as found:
        yield found
    # What was asked here without a token is nobody else's share.
    cache.clear()


@pytest.fixture
def token(bills: SigningIdentity, now: datetime) -> str:
    """Of the bank, for everything."""
    return make_token(organization=bills.organization, name="All", scopes=SCOPES, actor="user:alice", at=now)[1]


@pytest.fixture
def known(authority: Authority, token: str, address: str, now: datetime) -> Mapping[str, dict[str, Any]]:
    """A request of each operation that is to succeed: what it is made of, by the operation's name."""
    bob = authority.leaf("bob@example.net", "rsa2048", Usage.DUAL)
    publish_for(bob, "bob@example.net", at=now)
    carol = authority.leaf("carol@example.net", "rsa2048", Usage.DUAL)
    send = {"from": "bills@bank.example.com", "to": "bob@example.net", "subject": "Statement", "text": "12.34 EUR"}
    headers = {"Authorization": f"Bearer {token}"}
    first, second = (
        requests.post(f"{address}/api/v1/messages", json=send, headers={**headers, "Idempotency-Key": key}, timeout=30).json()["messages"][0]["id"]
        for key in ("first", "second")
    )
    handed_in = requests.post(f"{address}/api/v1/publications", carol.pem, headers={**headers, "Content-Type": "text/plain"}, timeout=30).json()["id"]
    signed = mail(signature(dora := authority.leaf("dora@example.net"), [dora.der, authority.issuer.der]), sender="dora@example.net")
    taken = requests.post(f"{address}/api/v1/contributions", signed, headers={**headers, "Content-Type": "message/rfc822"}, timeout=30).json()["id"]
    eve = authority.leaf("eve@example.net", usage=Usage.SIGN)
    proof_of = requests.post(f"{address}/api/v1/publications", eve.pem, headers={**headers, "Content-Type": "text/plain"}, timeout=30).json()["id"]
    answer = signature(eve, [eve.der], entity=challenge_of(Purpose.PUBLISH, UUID(proof_of)).encode(), opaque=True)
    return {
        "GET /api/v1/certificates": {"query": {"email": "bob@example.net", "receipt": "1"}},
        "POST /api/v1/lookups": {"body": {"emails": ["bob@example.net", "charlie@example.com", "x"]}, "media_type": "application/json"},
        "POST /api/v1/messages": {"body": send, "media_type": "application/json", "headers": {"Idempotency-Key": "third"}},
        "GET /api/v1/messages": {"query": {"to": "bob@example.net"}},
        "GET /api/v1/messages/{message_id}": {"path_parameters": {"message_id": first}},
        "POST /api/v1/messages/{message_id}/cancel": {"path_parameters": {"message_id": second}},
        "POST /api/v1/publications": {"body": carol.der, "media_type": "application/pkix-cert"},
        "POST /api/v1/contributions": {"body": signed, "media_type": "message/rfc822"},
        "GET /api/v1/contributions/{contribution_id}": {"path_parameters": {"contribution_id": taken}},
        "GET /api/v1/publications/{publication_id}": {"path_parameters": {"publication_id": handed_in}},
        "POST /api/v1/publications/{publication_id}/proof": {
            "path_parameters": {"publication_id": proof_of},
            "body": answer,
            "media_type": "application/pkcs7-mime",
        },
    }


def test_no_request_breaks_it(address: str, token: str, known: Mapping[str, dict[str, Any]]) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_url(f"{address}/api/v1/schema/")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert {operation.label for operation in operations} == set(known)
    for operation in operations:
        case = operation.Case(**known[operation.label])
        response = case.call(base_url=address, headers=headers)
        assert 200 <= response.status_code < 300, (operation.label, response.text)
        case.validate_response(response, checks=CHECKS)
        for mode in GenerationMode:
            attack(operation, mode, address, headers, known[operation.label])


def attack(operation: Any, mode: GenerationMode, address: str, headers: Mapping[str, str], known: Mapping[str, Any]) -> None:
    """Requests that fit the description, or do not, one of two at an object that exists."""
    nth = count()

    @hypothesis_settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if known.get("path_parameters") and next(nth) % 2:
            case.path_parameters = dict(known["path_parameters"])
        case.validate_response(case.call(base_url=address, headers=dict(headers)), checks=CHECKS)

    ask()
