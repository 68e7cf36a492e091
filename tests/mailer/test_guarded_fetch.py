"""Fetching from an address that somebody wrote down, on real sockets: never inside the own network, never elsewhere than what was checked."""

import http.server
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest

from mailer.guarded_fetch import FetchError, fetch, is_public
from tests.mailer.web import Web, gives, serving
from tests.pki import Authority


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as found:
        yield found


def refused(url: str, *, private: bool = True, **settings: object) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(url, private=private, **settings)  # type: ignore[arg-type]
    return str(caught.value)


def test_it_fetches(web: Web) -> None:
    web.answer = gives(b"a list" * 100_000)
    assert fetch(web.url("/a/b.crl?c=d"), private=True) == b"a list" * 100_000
    assert web.asked == ["/a/b.crl?c=d"]
    assert web.headers[0]["Host"] == f"127.0.0.1:{web.port}"
    assert web.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_it_does_not_ask_this_machine(web: Web, host: str) -> None:
    assert "not public" in refused(web.url(host=host), private=False)
    assert web.connections == 0


@pytest.mark.parametrize(("host", "meant"), [("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"), ("2130706433", "127.0.0.1"), ("127.1", "127.0.0.1")])
def test_it_does_not_ask_this_machine_in_another_spelling(web: Web, host: str, meant: str) -> None:
    """What counts is what the resolver makes of it; the C library reads numbers in many ways."""
    assert "not public" in refused(web.url(host=host), private=False, resolve=lambda _: [meant])
    assert web.connections == 0


INSIDE = [
    *("127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255"),  # noqa: S104
    *("224.0.0.1", "192.0.2.1", "198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::127.0.0.1"),
    *("::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_it_knows_what_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_it_knows_what_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_one_inner_address_among_public_ones_is_enough_to_refuse(web: Web) -> None:
    for found in (["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "93.184.215.14"]):
        assert "not public" in refused(web.url(host="crl.example.org"), private=False, resolve=lambda _, found=found: found)
    assert web.connections == 0


def test_it_connects_to_the_address_that_it_checked(web: Web) -> None:
    """A name that answers differently the second time is not asked a second time."""
    asked: list[str] = []

    def resolve(name: str) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    web.answer = gives(b"checked")
    assert fetch(web.url(host="crl.example.org"), private=True, resolve=resolve) == b"checked"
    assert asked == ["crl.example.org"]
    assert web.headers[0]["Host"] == f"crl.example.org:{web.port}"


def test_it_follows_no_redirect(web: Web) -> None:
    with serving() as other:
        for status in (301, 302, 303, 307, 308):
            web.answer = gives(b"", status, Location=other.url())
            assert refused(web.url()) == f"it answers {status}, and redirects are not followed"
        assert other.connections == 0


def test_it_asks_no_proxy(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        web.answer = gives(b"direct")
        assert fetch(web.url(), private=True) == b"direct"
        assert proxy.connections == 0


@pytest.mark.parametrize("told", [True, False])
def test_it_reads_no_more_than_it_may(web: Web, told: bool) -> None:  # noqa: FBT001
    written: list[int] = []

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if told:
            handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        with suppress(OSError):
            written.extend(handler.wfile.write(b"x" * 100_000) for _ in range(10_000))

    web.answer = endless
    assert refused(web.url(), most=1_000_000) == "it has more than 1000000 octets"
    assert sum(written) < 100_000_000


def test_it_takes_exactly_the_most(web: Web) -> None:
    web.answer = gives(b"x" * 1000)
    assert len(fetch(web.url(), private=True, most=1000)) == 1000
    assert refused(web.url(), most=999) == "it has more than 999 octets"


def trickle(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    drip(handler)


def unfinished(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    drip(handler)


def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
    with suppress(OSError):
        for _ in range(3000):
            handler.wfile.write(b"X-A: b\r\n")
            time.sleep(0.02)


@pytest.mark.parametrize("answer", [trickle, unfinished])
def test_it_ends_when_its_time_is_over(web: Web, answer: object) -> None:
    """A body, and a head, of which a little comes again and again."""
    web.answer = answer  # type: ignore[assignment]
    started = time.monotonic()
    assert refused(web.url(), seconds=0.5) == "it took too long"
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("answer", [gives(b"no", 404), gives(b"no", 500), gives(b"", 204), gives(b"x", 206)])
def test_it_takes_only_a_whole_file(web: Web, answer: object) -> None:
    web.answer = answer  # type: ignore[assignment]
    assert refused(web.url()).startswith("it answers ")


def test_it_takes_nothing_compressed_or_cut_short(web: Web) -> None:
    web.answer = gives(b"\x1f\x8b", Content_Encoding="gzip")
    assert "compressed" in refused(web.url())
    web.answer = lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")  # type: ignore[assignment]
    assert refused(web.url()) == "it was cut short"
    web.answer = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")  # type: ignore[assignment]
    assert refused(web.url()) == "the connection failed: BadStatusLine"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://127.0.0.1/", "http:///a", "http://127.0.0.1:99999/"])
def test_it_fetches_by_http_alone(url: str) -> None:
    assert refused(url)


def test_it_says_when_nobody_is_there() -> None:
    assert "has no address" in refused("http://nobody.example.org/", resolve=lambda _: [])
    with serving() as gone:
        url = gone.url()
    assert "does not take a connection" in refused(url)


def test_it_believes_no_certificate_of_an_unknown_authority(tmp_path: Path) -> None:
    holder = Authority("Web").leaf("web@example.org", "p256")
    for name, pem in (("web.crt", holder.pem), ("web.key", holder.key_pem)):
        (tmp_path / name).write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "web.crt", tmp_path / "web.key")
    with serving(encrypted=context) as web:
        assert refused(web.url().replace("http:", "https:")) == "the connection failed: SSLCertVerificationError"
        assert web.asked == []
