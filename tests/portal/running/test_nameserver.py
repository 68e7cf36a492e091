"""The DNS server answers from its zone file, over UDP and TCP, and from nowhere else."""

import socket

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from pytest_django import Settings

from portal.running.nameserver import Zone


def ask(settings: Settings, name: str, kind: str, *, tcp: bool = False) -> dns.message.Message:
    host, port = settings.LETTERLOCK_DNS.rsplit(":", 1)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(dns.message.make_query(name, kind), host, port=int(port), timeout=5)


def texts(response: dns.message.Message) -> list[str]:
    return [b"".join(rdata.strings).decode() for rrset in response.answer for rdata in rrset]


@pytest.mark.parametrize("tcp", [False, True])
def test_it_answers_a_txt_value_put_in_while_it_runs(zone: Zone, settings: Settings, tcp: bool) -> None:  # noqa: FBT001
    assert ask(settings, "bank.example.com", "TXT", tcp=tcp).rcode() == dns.rcode.NXDOMAIN
    zone.add("Bank.Example.com", "TXT", 'letterlock="x y"; 信')
    assert texts(ask(settings, "bank.example.com", "TXT", tcp=tcp)) == ['letterlock="x y"; 信']


def test_it_tells_no_value_from_no_name(zone: Zone, settings: Settings) -> None:
    zone.add("_letterlock.bank.example.com", "TXT", "x")
    response = ask(settings, "bank.example.com", "MX")
    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])


def test_it_sends_a_long_answer_over_tcp(zone: Zone, settings: Settings) -> None:
    value = "v" * 3000
    zone.add("bank.example.com", "TXT", value)
    host, port = settings.LETTERLOCK_DNS.rsplit(":", 1)
    query = dns.message.make_query("bank.example.com", "TXT")
    response, used_tcp = dns.query.udp_with_fallback(query, host, port=int(port), timeout=5)
    assert (texts(response), used_tcp) == ([value], True)


def test_it_outlives_what_is_no_query(zone: Zone, settings: Settings) -> None:
    host, port = settings.LETTERLOCK_DNS.rsplit(":", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for junk in (b"", b"\x00", b"\xff" * 512):
            client.sendto(junk, (host, int(port)))
    zone.add("bank.example.com", "MX", "10 mail.example.com.")
    assert len(ask(settings, "bank.example.com", "MX").answer) == 1


@pytest.mark.parametrize(
    ("name", "kind", "value"), [("a" * 64 + ".example.com", "TXT", "x"), ("example.com", "A", "1.2.3"), ("example.com", "SOA", "x")]
)
def test_it_refuses_what_is_no_record(zone: Zone, name: str, kind: str, value: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        zone.add(name, kind, value)
    assert zone.records() == {}
