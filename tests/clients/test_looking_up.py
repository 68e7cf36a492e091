"""`Client` and `AsyncClient` against the running portal: what they ask, and what they make of the answers."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from letterlock import (
    AsyncClient,
    AuthenticationError,
    BadAddressError,
    Client,
    Lookup,
    OverQuotaError,
)
from pytest_django import Settings

from directory.models import Mailbox, Organization
from directory.organizations import suspend
from tests.clients.conftest import BOB, CAROL, Publish
from tests.pki import Usage


def test_it_finds_the_certificate_to_encrypt_to(client: Client, publish: Publish) -> None:
    holder = publish(BOB, "rsa2048")
    found = client.look_up(BOB)
    assert (found.email, found.status) == (BOB, "found")
    assert found.selected is not None
    assert found.selected.der == holder.der
    assert found.selected.pem.encode() == holder.pem
    assert found.selected.key == {"type": "RSA", "bits": 2048}
    assert found.selected.not_after == holder.certificate.not_valid_after_utc


def test_it_says_none_for_who_has_none(client: Client) -> None:
    found = client.look_up("nobody@people.example.org")
    assert (found.status, found.certificates, found.selected) == ("none", (), None)


def test_it_matches_an_address_folded_and_an_international_domain(client: Client, publish: Publish) -> None:
    publish("bob@xn--bcher-kva.example.org")
    assert client.look_up("BOB@xn--bcher-kva.example.org").status == "found"
    assert client.look_up("Bob@BÜCHER.example.org").status == "found"


def test_it_does_not_ask_for_what_is_no_address(client: Client) -> None:
    for text in ("", "bob", "bob@people.example.org\r\nX: y", '"bob"@people.example.org', "a@people.example.org&usage=sign"):
        with pytest.raises(BadAddressError):
            client.look_up(text)


def test_it_tells_signing_and_encrypting_apart(client: Client, publish: Publish) -> None:
    signing, encrypting = publish(BOB, "p256", Usage.SIGN), publish(BOB, "p384", Usage.ENCRYPT)
    assert [found.der for found in client.look_up(BOB).certificates] == [encrypting.der]
    assert [found.der for found in client.look_up(BOB, usage="sign").certificates] == [signing.der]
    assert [found.selected.der for found in client.look_up_many([BOB], usage="sign") if found.selected] == [signing.der]


def test_it_brings_the_receipt_and_a_past_moment(client: Client, publish: Publish, now: datetime) -> None:
    publish(BOB)
    [line] = client.look_up(BOB, receipt=True).receipt
    assert (line.accepted, line.reason) == (True, "selected")
    assert client.look_up(BOB, at=now - timedelta(days=1)).status == "none"
    assert client.look_up_many([BOB], at=now - timedelta(days=1))[0].status == "none"


def test_it_asks_for_more_than_a_batch(portal: str, token: str, publish: Publish, settings: Settings) -> None:
    settings.LETTERLOCK_TOKEN_QUOTA = 10_000
    holder = publish(BOB)
    others = [f"user{number}@people.example.org" for number in range(2100)]
    with Client(portal, token=token) as client:
        found = client.look_up_many([*others, "no address", BOB, BOB.upper()])
    assert [lookup.status for lookup in found] == ["none"] * 2100 + ["malformed", "found", "found"]
    assert {lookup.selected.der for lookup in found[-2:] if lookup.selected} == {holder.der}


def test_it_is_refused_with_a_token_that_is_not_valid(portal: str, token: str) -> None:
    with Client(portal, token=token[:-1] + "x") as client, pytest.raises(AuthenticationError) as refused:
        client.look_up(BOB)
    assert token[:-1] not in str(refused.value)
    assert token[:-1] not in repr(client)


def test_it_names_a_suspended_organisations_token(portal: str, token: str, bank: Organization) -> None:
    suspend(organization=bank, actor="user:reviewer", at=datetime.now(UTC), reason="test")
    with Client(portal, token=token) as client, pytest.raises(AuthenticationError):
        client.look_up(BOB)


def test_it_tells_how_long_to_wait_when_over_quota(client: Client, settings: Settings) -> None:
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 1
    client.look_up_many([BOB])
    with pytest.raises(OverQuotaError) as refused:
        client.look_up_many([CAROL, BOB])
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 60
    assert refused.value.kind == "over-quota"


def test_it_keeps_an_answer_and_asks_again_with_its_tag(portal: str, publish: Publish) -> None:
    publish(BOB)
    clock = Clock()
    with Client(portal, clock=clock.now) as client:
        first = client.look_up(BOB)
        Mailbox.objects.update(hidden_at=None)
        publish(BOB, "p384")
        assert client.look_up(BOB) is first, "asked again within the minute that the server allows"
        clock.at += timedelta(minutes=2)
        assert len(client.look_up(BOB).certificates) == 2


def test_it_does_the_same_without_waiting(portal: str, token: str, publish: Publish) -> None:
    holder = publish(BOB)

    async def ask() -> tuple[Lookup, list[Lookup]]:
        async with AsyncClient(portal, token=token) as client:
            one, many = await asyncio.gather(client.look_up(BOB), client.look_up_many([CAROL, BOB, "x"]))
            with pytest.raises(BadAddressError):
                await client.look_up("bob")
            return one, many

    one, many = asyncio.run(ask())
    assert one.selected is not None
    assert one.selected.der == holder.der
    assert [lookup.status for lookup in many] == ["none", "found", "malformed"]


class Clock:
    """A client's time, which only moves when it is moved."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        return self.at
