"""Secrets at rest: only the right key, owner and place open them, and nothing of them shows in errors."""

import hmac
import os
import threading
import uuid

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from mailer.custody import (
    CustodyError,
    DamagedSecretError,
    MissingKeyError,
    WrongKeyError,
    cipher_of,
    decrypt_for,
    encrypt_for,
    open_secret,
    require_key,
    seal_secret,
)
from mailer.models import DataKey

KEK = bytes(range(32))
CANARY = b"canary-4f1c9d"
ALICE, CHARLIE = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.mark.parametrize("size", [0, 1, 16, 4096, 1_000_000])
def test_it_opens_what_it_sealed(size: int) -> None:
    secret = os.urandom(size)
    sealed = seal_secret(KEK, secret, context=b"place")
    assert open_secret(KEK, sealed, context=b"place") == secret
    assert size < 16 or secret not in sealed


def test_it_never_seals_alike() -> None:
    assert seal_secret(KEK, CANARY, context=b"") != seal_secret(KEK, CANARY, context=b"")


def test_it_tells_another_key_from_damage() -> None:
    sealed = seal_secret(KEK, CANARY, context=b"place")
    with pytest.raises(WrongKeyError):
        open_secret(bytes(32), sealed, context=b"place")
    with pytest.raises(DamagedSecretError):
        open_secret(KEK, sealed, context=b"another place")


def test_it_notices_every_changed_byte() -> None:
    sealed = seal_secret(KEK, CANARY, context=b"place")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(CustodyError) as raised:
            open_secret(KEK, bytes(changed), context=b"place")
        assert CANARY.decode() not in str(raised.value)


@pytest.mark.parametrize("cut", [0, 1, 5, 17, 32])
def test_it_notices_what_is_cut(cut: int) -> None:
    with pytest.raises(DamagedSecretError):
        open_secret(KEK, seal_secret(KEK, b"", context=b"")[:cut], context=b"")


@pytest.mark.django_db
def test_it_keeps_owners_and_places_apart() -> None:
    mine = encrypt_for(ALICE, CANARY, context="evidence:1")
    encrypt_for(CHARLIE, b"something", context="evidence:1")
    assert decrypt_for(ALICE, mine, context="evidence:1") == CANARY
    with pytest.raises(CustodyError):
        decrypt_for(CHARLIE, mine, context="evidence:1")
    with pytest.raises(DamagedSecretError):
        decrypt_for(ALICE, mine, context="evidence:2")


@pytest.mark.django_db
def test_it_uses_one_key_for_one_purpose() -> None:
    """What is encrypted is not under the data key as it is stored, nor is a digest; each owner has its own of both."""
    ours, charlies = cipher_of(ALICE), cipher_of(CHARLIE)
    row = DataKey.objects.get(owner=ALICE)
    data_key = open_secret(require_key("LETTERLOCK_DATA_KEK"), bytes(row.wrapped), context=b"data-key:" + ALICE.bytes)
    with pytest.raises(WrongKeyError):
        open_secret(data_key, ours.encrypt(CANARY, context="x"), context=ALICE.bytes + b"x")
    used = {data_key, ours._key, ours._digest_key, charlies._key, charlies._digest_key}
    assert len(used) == 5
    assert {len(key) for key in used} == {32}
    octets = ALICE.bytes + b"x\x00" + b"bob"
    assert ours.digest("bob", context="x") not in {hmac.digest(key, octets, "sha256").hex() for key in (data_key, ours._key)}
    assert ours.digest("bob", context="x") == cipher_of(ALICE).digest("bob", context="x") != charlies.digest("bob", context="x")


@pytest.mark.django_db
def test_it_gives_nobody_a_key_for_asking() -> None:
    with pytest.raises(WrongKeyError):
        decrypt_for(CHARLIE, encrypt_for(ALICE, CANARY, context=""), context="")
    assert list(DataKey.objects.values_list("owner", flat=True)) == [ALICE]


@pytest.mark.django_db
def test_it_binds_a_data_key_to_its_owner() -> None:
    secret = encrypt_for(ALICE, CANARY, context="")
    encrypt_for(CHARLIE, b"", context="")
    DataKey.objects.filter(owner=CHARLIE).update(wrapped=DataKey.objects.get(owner=ALICE).wrapped)
    with pytest.raises(DamagedSecretError):
        decrypt_for(CHARLIE, secret, context="")


@pytest.mark.django_db
def test_it_opens_many_at_the_cost_of_one_read(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    cipher = cipher_of(ALICE)
    with django_assert_num_queries(0):
        assert [cipher.decrypt(cipher.encrypt(CANARY, context="x"), context="x") for _ in range(10)] == [CANARY] * 10


@pytest.mark.django_db
def test_it_works_in_no_process_without_the_key(settings: Settings) -> None:
    secret = encrypt_for(ALICE, CANARY, context="")
    settings.LETTERLOCK_DATA_KEK = None
    with pytest.raises(MissingKeyError, match="LETTERLOCK_DATA_KEK"):
        decrypt_for(ALICE, secret, context="")
    with pytest.raises(MissingKeyError):
        encrypt_for(ALICE, CANARY, context="")
    with pytest.raises(MissingKeyError):
        require_key("LETTERLOCK_DATA_KEK")


@pytest.mark.django_db
def test_it_does_not_use_a_key_that_was_never_stored() -> None:
    with transaction.atomic():
        encrypt_for(ALICE, CANARY, context="")
        transaction.set_rollback(True)
    kept = encrypt_for(ALICE, CANARY, context="")
    assert DataKey.objects.count() == 1
    assert decrypt_for(ALICE, kept, context="") == CANARY


@pytest.mark.django_db(transaction=True)
def test_it_makes_one_key_when_first_uses_race() -> None:
    secrets: list[bytes] = []
    gate = threading.Barrier(4)

    def use() -> None:
        try:
            gate.wait()
            secrets.append(encrypt_for(ALICE, CANARY, context=""))
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert DataKey.objects.count() == 1
    assert [decrypt_for(ALICE, secret, context="") for secret in secrets] == [CANARY] * 4
