"""Charlie has the directory, or the way to it: whatever it says, nothing is sealed to his key, sent elsewhere, or waited for without end."""

import asyncio
import gzip
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from letterlock import (
    AsyncClient,
    Client,
    ConfigurationError,
    Content,
    InvalidRequestError,
    OverQuotaError,
    OwnKey,
    RedirectRefusedError,
    ServerError,
    TransportError,
    UnfitCertificateError,
    UnusableAnswerError,
    own_key,
    seal,
)
from letterlock.errors import LetterlockError

from tests.clients.conftest import BOB, CAROL, SENDER
from tests.clients.false_directory import JSON, FalseDirectory, Reply, described, found
from tests.pki import Authority, Holder, Usage

EVE = "charlie@shop.example.net"
CONTENT = Content("Statement", "Your balance")
TOKEN = "ll_live_abcdefgh_" + "s" * 43


@pytest.fixture
def key(own: Holder, authority: Authority) -> OwnKey:
    return own_key(own.key, own.der, authority.chain)


def sealing(charlie: FalseDirectory, key: OwnKey, *recipients: str) -> LetterlockError:
    """The error in which sealing to the recipients ends."""
    with Client(charlie.url, retries=0, timeout=1) as client, pytest.raises(LetterlockError) as refused:
        seal(CONTENT, sender=SENDER, recipients=recipients or [BOB], key=key, client=client)
    return refused.value


def unfit(authority: Authority) -> dict[str, tuple[Holder, str]]:
    """What Charlie gives for Bob, and why it must not be used."""
    return {
        "another's": (authority.leaf(EVE), "wrong_address"),
        "expired": (authority.leaf(BOB, days=(-30, -1)), "out_of_time"),
        "not yet valid": (authority.leaf(BOB, days=(1, 30)), "out_of_time"),
        "for signing": (authority.leaf(BOB, usage=Usage.SIGN), "usage"),
        "short key": (authority.leaf(BOB, "rsa1024"), "weak_key"),
        "odd curve": (authority.leaf(BOB, "p521"), "unsupported_key"),
        "an authority's": (authority.issuer, "authority_certificate"),
        "a look-alike": (authority.leaf("b\u043eb@people.example.org"), "wrong_address"),
    }


@pytest.mark.parametrize("lie", list(unfit(Authority("Charlie"))))
def test_it_does_not_encrypt_to_what_is_unfit(lie: str, charlie: FalseDirectory, key: OwnKey, authority: Authority) -> None:
    holder, code = unfit(authority)[lie]
    # Charlie says that all is well, in every field of his own.
    charlie.gives(BOB, described(holder, not_after="2099-01-01T00:00:00Z"))
    refused = sealing(charlie, key)
    assert isinstance(refused, UnfitCertificateError)
    assert (refused.address, refused.code) == (BOB, code)


def test_a_fit_one_beside_it_does_not_help(charlie: FalseDirectory, key: OwnKey, authority: Authority) -> None:
    charlie.gives(BOB, described(authority.leaf(EVE)), described(authority.leaf(BOB), selected=False))
    assert isinstance(sealing(charlie, key), UnfitCertificateError)


def test_it_does_not_take_an_answer_for_another_address(charlie: FalseDirectory, key: OwnKey, authority: Authority) -> None:
    charlie.gives(EVE, described(authority.leaf(EVE)))
    assert isinstance(sealing(charlie, key), UnusableAnswerError)


def test_it_does_not_take_a_batch_in_another_order(charlie: FalseDirectory, key: OwnKey, authority: Authority) -> None:
    swapped = [json.loads(found(email, described(authority.leaf(email)))) for email in (CAROL, BOB)]
    charlie.says(Reply(body=json.dumps({"results": swapped}).encode()))
    assert isinstance(sealing(charlie, key, BOB, CAROL), UnusableAnswerError)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "0" * 64},
        {"der": "!!!"},
        {"der": "AAAA"},
        {"der": "A" * 40_000},
        {"selected": "yes"},
        {"not_after": "soon"},
        {"not_after": "2030-01-01T00:00:00"},
        {"usage": "encrypt"},
        {"identity": None},
        {"issuer": "x" * 501},
    ],
    ids=str,
)
def test_it_does_not_take_a_certificate_that_is_not_one(change: dict[str, Any], charlie: FalseDirectory, key: OwnKey, authority: Authority) -> None:
    charlie.gives(BOB, described(authority.leaf(BOB), **change))
    assert isinstance(sealing(charlie, key), UnusableAnswerError)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"email": "bob@people.example.org"}',
        b'{"email": "bob@people.example.org", "status": "found", "certificates": {}}',
        b'{"email": "bob@people.example.org", "status": "found"}',
        b'{"email": "bob@people.example.org", "status": "yes"}',
        b'{"email": 7, "status": "none"}',
        b"[" * 100_000,
        b'{"email": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe",
    ],
    ids=lambda body: str(body[:60]),
)
def test_it_does_not_take_what_is_not_an_answer(body: bytes, charlie: FalseDirectory, key: OwnKey) -> None:
    charlie.says(Reply(body=body))
    assert isinstance(sealing(charlie, key), UnusableAnswerError)


def test_it_cleans_what_is_shown(charlie: FalseDirectory, authority: Authority) -> None:
    charlie.gives(BOB, described(authority.leaf(BOB), issuer="CN=\x1b[2J\u202eevil", level="V4\n"))
    with Client(charlie.url) as client:
        selected = client.look_up(BOB).selected
    assert selected is not None
    assert (selected.issuer, selected.level) == ("CN=\ufffd[2J\ufffdevil", "V4\ufffd")
    charlie.says(Reply(403, {"Content-Type": "application/problem+json"}, json.dumps({"title": "\x1b[31mNo", "detail": "a\nb"}).encode()))
    with Client(charlie.url) as client, pytest.raises(LetterlockError) as refused:
        client.look_up(CAROL)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 399])
def test_it_follows_nobody_elsewhere(status: int, charlie: FalseDirectory, key: OwnKey) -> None:
    with FalseDirectory() as elsewhere:
        charlie.says(Reply(status, {"Location": f"{elsewhere.url}/api/v1/certificates?email={BOB}"}))
        assert isinstance(sealing(charlie, key), RedirectRefusedError)
        assert isinstance(sealing(charlie, key, BOB, CAROL), RedirectRefusedError)
        assert elsewhere.asked == []


def test_it_reads_only_so_much(charlie: FalseDirectory, key: OwnKey) -> None:
    charlie.says(Reply(body=b" " * (5 * 1024 * 1024)))
    refused = sealing(charlie, key)
    assert isinstance(refused, UnusableAnswerError)
    assert "larger" in str(refused)


def test_it_unpacks_nothing(charlie: FalseDirectory, key: OwnKey) -> None:
    charlie.says(Reply(headers={**JSON, "Content-Encoding": "gzip"}, body=gzip.compress(b" " * 50_000_000)))
    refused = sealing(charlie, key)
    assert isinstance(refused, UnusableAnswerError)
    assert "compressed" in str(refused)
    assert charlie.asked[0].headers["accept-encoding"] == "identity"


def test_it_does_not_wait_for_ever(charlie: FalseDirectory, key: OwnKey) -> None:
    # Each octet comes in time, the whole never would.
    charlie.says(Reply(body=b" " * 1000, drip=0.2))
    assert isinstance(sealing(charlie, key), TransportError)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(body=b" " * 1000, drip=0.2), TransportError),
        (Reply(body=b" " * (5 * 1024 * 1024)), UnusableAnswerError),
        (Reply(headers={**JSON, "Content-Encoding": "gzip"}), UnusableAnswerError),
        (Reply(307, {"Location": "http://127.0.0.1:1/"}), RedirectRefusedError),
        (Reply(429, {"Retry-After": "7"}), OverQuotaError),
        (Reply(503, {}), ServerError),
        (Reply(body=b"{}"), UnusableAnswerError),
    ],
    ids=["drip", "large", "compressed", "redirect", "quota", "fault", "empty"],
)
def test_the_awaited_client_is_as_wary(reply: Reply, error: type[LetterlockError], charlie: FalseDirectory) -> None:
    charlie.says(reply)

    async def ask() -> None:
        async with AsyncClient(charlie.url, timeout=0.5, retries=0, patience=1) as client:
            with pytest.raises(error):
                await client.look_up(BOB)

    asyncio.run(ask())


def test_it_tries_again_what_failed_and_no_more(charlie: FalseDirectory) -> None:
    charlie.says(Reply(503, {}, b"down"))
    with Client(charlie.url, retries=1) as client, pytest.raises(ServerError) as refused:
        client.look_up(BOB)
    assert refused.value.status == 503
    assert len(charlie.asked) == 2
    charlie.says(Reply(404, {}, b""))
    with Client(charlie.url, retries=1) as client, pytest.raises(InvalidRequestError):
        client.look_up(BOB)
    assert len(charlie.asked) == 3


@pytest.mark.parametrize("told", ["7", "99999999999", "soon", "", "-5", "Wed, 21 Oct 2037 07:28:00 GMT"])
def test_it_does_not_wait_longer_than_it_may_when_over_quota(told: str, charlie: FalseDirectory) -> None:
    charlie.says(Reply(429, {"Retry-After": told}))
    with Client(charlie.url, patience=3) as client, pytest.raises(OverQuotaError) as refused:
        client.look_up(BOB)
    assert refused.value.retry_after in {7.0, 86400.0, None}
    assert len(charlie.asked) == 1


def test_it_waits_and_asks_again_within_its_patience(charlie: FalseDirectory, authority: Authority) -> None:
    charlie.says(Reply(429, {"Retry-After": "1"}), Reply(body=found(BOB, described(authority.leaf(BOB)))))
    with Client(charlie.url, patience=3) as client:
        assert client.look_up(BOB).status == "found"
    charlie.says(Reply(429, {"Retry-After": "0"}))
    with Client(charlie.url, patience=1) as client, pytest.raises(OverQuotaError):
        client.look_up(BOB)
    assert len(charlie.asked) == 5, "a server that says 0 for ever is not asked for ever"


def test_it_sends_its_token_to_its_own_server_alone(charlie: FalseDirectory, authority: Authority) -> None:
    charlie.gives(BOB, described(authority.leaf(BOB)))
    with Client(charlie.url, token=TOKEN) as client:
        client.look_up(BOB)
        assert TOKEN not in repr(client)
    assert charlie.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in charlie.asked[0].path


def test_it_logs_nobody(charlie: FalseDirectory, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    charlie.gives(BOB, described(authority.leaf(BOB)))
    with caplog.at_level(logging.DEBUG), Client(charlie.url, token=TOKEN) as client:
        client.look_up(BOB)
        client.look_up_many([BOB, CAROL][:1])
    assert "/api/v1/certificates" in caplog.text, "nothing was logged at all"
    assert not [secret for secret in ("people.example.org", "s" * 43) if secret in caplog.text]


@pytest.mark.parametrize(
    "url",
    [
        "http://letterlock.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1:8000",
        "ftp://localhost",
        "https://name:password@letterlock.example.com",
        "https://letterlock.example.com/?a=b",
        "https://",
        "letterlock.example.com",
        "https://[::1",
    ],
)
def test_it_is_not_made_for_a_server_without_tls_elsewhere(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Client(url)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX-Other: 1", "ü", "x" * 201])
def test_it_is_not_made_with_a_token_that_could_be_more_than_one_header(token: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Client("https://letterlock.example.com", token=token)
    assert not token or token not in str(refused.value)


def test_it_names_an_unreachable_server_without_what_was_asked() -> None:
    with FalseDirectory() as gone:
        url = gone.url
    with Client(url, retries=0) as client, pytest.raises(TransportError) as refused:
        client.look_up(BOB)
    assert BOB not in str(refused.value)


def test_it_keeps_no_answer_beyond_the_end_of_its_certificate(charlie: FalseDirectory, authority: Authority) -> None:
    holder = authority.leaf(BOB, days=(-1, 1))
    charlie.says(Reply(headers={**JSON, "Cache-Control": "max-age=999999999", "ETag": '"a"'}, body=found(BOB, described(holder))))
    clock = [holder.certificate.not_valid_after_utc - timedelta(seconds=90)]
    with Client(charlie.url, clock=lambda: clock[0]) as client:
        for seconds in (0, 60, 89, 90):
            clock[0] = holder.certificate.not_valid_after_utc - timedelta(seconds=90 - seconds)
            client.look_up(BOB)
        assert len(charlie.asked) == 2
        assert "if-none-match" not in charlie.asked[1].headers


def test_it_asks_again_with_the_tag_and_keeps_what_has_not_changed(charlie: FalseDirectory, authority: Authority) -> None:
    holder = authority.leaf(BOB)
    whole = Reply(headers={**JSON, "Cache-Control": "public, max-age=60", "ETag": '"a"'}, body=found(BOB, described(holder)))
    unchanged = Reply(304, {"Cache-Control": "public, max-age=60", "ETag": '"a"'}, b"")
    charlie.answer = lambda asked: unchanged if asked.headers.get("if-none-match") == '"a"' else whole
    clock = [authority.at]
    with Client(charlie.url, clock=lambda: clock[0]) as client:
        first = client.look_up(BOB)
        clock[0] += timedelta(seconds=61)
        assert client.look_up(BOB) is first
        clock[0] += timedelta(seconds=59)
        assert client.look_up(BOB) is first
    assert len(charlie.asked) == 2


@pytest.mark.parametrize("control", ["no-store", "private, no-store, max-age=60", "max-age=0", "max-age=-5", "no-cache", "max-age=x", ""])
def test_it_asks_each_time_where_the_server_wants_that(control: str, charlie: FalseDirectory, authority: Authority) -> None:
    charlie.says(Reply(headers={**JSON, "Cache-Control": control}, body=found(BOB, described(authority.leaf(BOB)))))
    with Client(charlie.url) as client:
        client.look_up(BOB)
        client.look_up(BOB)
    assert len(charlie.asked) == 2


def test_it_keeps_only_so_many(charlie: FalseDirectory) -> None:
    none = {**JSON, "Cache-Control": "max-age=60"}
    charlie.answer = lambda asked: Reply(headers=none, body=json.dumps({"email": asked.email, "status": "none", "certificates": []}).encode())
    with Client(charlie.url, cached=2) as client:
        for name in ("a", "b", "a", "c", "a", "b"):
            client.look_up(f"{name}@people.example.org")
    assert [asked.email[0] for asked in charlie.asked] == ["a", "b", "c", "b"]
