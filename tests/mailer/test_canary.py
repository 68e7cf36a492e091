"""Key material shows nowhere: not in logs, errors, replies, the database's rows, or what a killed signer leaves."""

import base64
import json
import logging
import signal
import traceback
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from django.db import connection
from psycopg import sql
from pytest_django import Settings

from directory.models import Organization
from directory.x509.names import EmailAddress
from mailer.ca.authorities import open_authority
from mailer.ca.server import Signer
from mailer.ca.throttle import Throttle
from mailer.custody import CustodyError, encrypt_for, open_secret
from mailer.issuing import intend, issue_pending, key_context
from mailer.models import Authority, DataKey, Issuance, SigningIdentity
from mailer.signing_keys import forget_signers, load_signer
from tests.mailer.ca.rows import ask_for
from tests.mailer.processes import signer_process

BILLS = EmailAddress.parse("bills@bank.example.com")


def spellings(secret: bytes) -> Iterator[str]:
    yield secret.hex()
    yield secret.hex().upper()
    for shift in range(3):
        # In base64 a piece of a longer text has one of three spellings; the ends depend on what stands beside it.
        yield base64.b64encode(bytes(shift) + secret).decode()[4 : -4 - shift]
    yield repr(secret)[2:-1]
    yield secret.decode("latin-1")


def numbers_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> Iterator[bytes]:
    numbers = key.private_numbers()
    values = [numbers.private_value] if isinstance(numbers, ec.EllipticCurvePrivateNumbers) else [numbers.p, numbers.q, numbers.d]
    for value in values:
        yield value.to_bytes((value.bit_length() + 7) // 8)
        yield str(value).encode()


def secrets_in_use(settings: Settings) -> list[bytes]:
    """Key-encryption keys, CA keys, the organisation's key and the data keys."""
    found = [settings.LETTERLOCK_CA_KEK, settings.LETTERLOCK_SIGNING_KEK, settings.LETTERLOCK_DATA_KEK]
    for authority in Authority.objects.all():
        found += numbers_of(open_authority(authority.slug, kek=settings.LETTERLOCK_CA_KEK).key)
    for identity in SigningIdentity.objects.exclude(encrypted_key=None):
        der = open_secret(settings.LETTERLOCK_SIGNING_KEK, bytes(identity.encrypted_key or b""), context=key_context(identity.id))
        key = load_der_private_key(der, password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        assert key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) == der
        found += numbers_of(key)
    found += [open_secret(settings.LETTERLOCK_DATA_KEK, bytes(row.wrapped), context=b"data-key:" + row.owner.bytes) for row in DataKey.objects.all()]
    return found


def leaks(texts: dict[str, str], secrets: list[bytes]) -> list[str]:
    """The places in whose text one of the secrets stands, in any spelling."""
    assert len(secrets) >= 3 + 2 * 2 + 2 * 3 + 1
    return [place for place, text in texts.items() if any(spelling in text for secret in secrets for spelling in spellings(secret))]


def dump() -> str:
    """Every row of every table, as a database dump would show it (bytes in hex)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        rows: list[str] = []
        for table in tables:
            cursor.execute(sql.SQL("SELECT row_to_json(kept)::text FROM {} AS kept").format(sql.Identifier(table)))
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


@pytest.mark.usefixtures("signing_service")
def test_it_shows_no_key_in_logs_rows_and_errors(bank: Organization, now: datetime, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    intend(organization=bank, address=BILLS, actor="user:alice", at=now)
    assert issue_pending(at=now) == 1
    encrypt_for(bank.id, b"a statement", context="message:1")
    identity = SigningIdentity.objects.get()
    said = [repr(load_signer(identity.id, at=now))]
    own = settings.LETTERLOCK_SIGNING_KEK
    for wrong in (settings.LETTERLOCK_DATA_KEK, settings.LETTERLOCK_CA_KEK, None):
        forget_signers()
        settings.LETTERLOCK_SIGNING_KEK = wrong
        try:
            load_signer(identity.id, at=now)
        except CustodyError:
            said.append(traceback.format_exc())
    settings.LETTERLOCK_SIGNING_KEK = own
    foreign = Signer(settings.LETTERLOCK_DATA_KEK, Throttle(per_minute=60, burst=10))
    Issuance.objects.update(status="signing", certificate=None)
    said.append(json.dumps(ask_for(foreign, Issuance.objects.get())))
    assert len(said) == 5
    assert leaks({"log": caplog.text, "errors": "\n".join(said), "rows": dump()}, secrets_in_use(settings)) == []


@pytest.mark.usefixtures("signing_service")
def test_it_could_tell_if_a_key_were_there(bank: Organization, now: datetime, settings: Settings) -> None:
    intend(organization=bank, address=BILLS, actor="user:alice", at=now)
    assert issue_pending(at=now) == 1
    encrypt_for(bank.id, b"a statement", context="message:1")
    secrets = secrets_in_use(settings)
    for secret in secrets:
        for text in (secret.hex(), base64.b64encode(b"before" + secret + b"after").decode(), f"key={secret!r}", secret.decode("latin-1")):
            assert leaks({"log": text}, secrets) == ["log"]


@pytest.mark.django_db(transaction=True)
def test_it_leaves_no_key_behind_when_the_signer_is_killed(ca: None, bank: Organization, now: datetime, settings: Settings, tmp_path: Path) -> None:
    del ca
    folder = tmp_path / "run"
    folder.mkdir()
    settings.LETTERLOCK_SIGNER_SOCKET = folder / "signer.sock"
    intend(organization=bank, address=BILLS, actor="user:alice", at=now)
    encrypt_for(bank.id, b"a statement", context="message:1")
    with signer_process(folder / "signer.sock", folder / "signer.log") as process:
        assert issue_pending(at=now) == 1
        process.end(signal.SIGABRT)
    left = {path.name: path.read_bytes().decode("latin-1") for path in folder.iterdir() if path.is_file()}
    assert "signer.log" in left
    assert not [path for path in Path.cwd().glob("core*") if path.is_file()]
    assert leaks(left, secrets_in_use(settings)) == []
