"""The rival really has the certificates, and what asks it understands its answers as OpenLDAP's own client does."""

import base64
import re
import subprocess
from collections.abc import Iterator
from functools import partial

import pytest

from bench.errors import NotMeasuredError
from bench.floors import slapd as rival
from bench.floors.ldap import BASE, CERTIFICATE, Searcher, entries, search
from bench.floors.slapd import PROGRAM, ldif, slapd
from bench.load import Load
from tests.interop.engine import Requirement, need
from tests.pki import Authority

AUTHORITY = Authority("Bench")
DER = {f"c{number}@example.net": AUTHORITY.leaf(f"c{number}@example.net", "p256").der for number in range(1, 301)}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    need("slapd", Requirement(("slapd", "ldap-utils"), (PROGRAM, "/usr/bin/ldapsearch")))
    with slapd(DER.items()) as (port, _):
        yield port


def found(port: int, addresses: list[str], *, expected: int) -> dict[bytes, bytes]:
    searcher = Searcher(port, expected=expected)
    with searcher.socket:
        searcher.ask(search(addresses))
        attributes = [entry.attributes for entry in entries(bytes(searcher.answer))]
    return {mail: der for one in attributes for mail, der in zip(one["mail"], one[CERTIFICATE], strict=True)}


@pytest.mark.parametrize("count", [1, 2, 100, 300])
def test_it_finds_every_certificate_that_is_asked_for(port: int, count: int) -> None:
    wanted = list(DER)[-count:]
    assert found(port, wanted, expected=count) == {address.encode(): DER[address] for address in wanted}


def test_it_finds_nobody_else(port: int) -> None:
    assert found(port, ["charlie@example.org"], expected=0) == {}
    assert list(found(port, ["charlie@example.org", "c7@example.net"], expected=1)) == [b"c7@example.net"]


def test_it_finds_what_the_servers_own_client_finds(port: int) -> None:
    command = ["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", f"ldap://127.0.0.1:{port}", "-b", BASE]
    told = subprocess.run([*command, "(|(mail=c9@example.net)(mail=c10@example.net))", CERTIFICATE], capture_output=True, check=True).stdout
    certificates = {base64.b64decode(text) for text in re.findall(rb"userCertificate;binary:: (\S+)", told)}
    assert certificates == set(found(port, ["c9@example.net", "c10@example.net"], expected=2).values())


def test_it_does_not_count_an_answer_that_lacks_one(port: int) -> None:
    load = Load(port, [search(["c1@example.net", "charlie@example.org"])], caller=partial(Searcher, expected=2))
    with pytest.raises(NotMeasuredError, match="1 entries of 2"):
        load.run(1)


def test_it_does_not_count_a_failure(port: int) -> None:
    nowhere = search(["c1@example.net"]).replace(b"dc=net", b"dc=org")
    with pytest.raises(NotMeasuredError, match="slapd answered"):
        Load(port, [nowhere], caller=partial(Searcher, expected=1)).run(1)


def test_it_answers_many_requests_over_several_connections(port: int) -> None:
    load = Load(port, [search(list(DER)[start : start + 100]) for start in (0, 100, 200)], caller=partial(Searcher, expected=100))
    assert load.run(20) == 20


def test_it_leaves_nothing_behind(port: int) -> None:
    del port  # it has to be here
    with slapd([("c1@example.net", DER["c1@example.net"])]) as (_, child):
        assert child.poll() is None
    assert child.poll() is not None


def test_it_says_why_it_could_not_be_loaded(port: int) -> None:
    del port
    with pytest.raises(NotMeasuredError, match="slapadd ended"), slapd([("c1@example.net\nmail", DER["c1@example.net"])]):
        pass


def test_it_says_what_to_install_where_it_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no apt-get is found
    monkeypatch.setattr(rival, "PROGRAM", "/nonexistent/slapd")
    with pytest.raises(NotMeasuredError, match=r"sudo apt-get install .* slapd"):
        rival.install()


def test_it_names_each_address_once() -> None:
    text = b"".join(ldif([("alice@example.net", b"der")])).decode()
    assert text.count("mail: alice@example.net\n") == 1
    assert f"{CERTIFICATE}:: ZGVy\n" in text
