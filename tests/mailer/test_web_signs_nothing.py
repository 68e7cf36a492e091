"""What the web process has, in its environment and in the database, opens no CA key and no organisation's key."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from directory.models import Organization
from directory.x509.names import EmailAddress
from mailer.issuing import intend, issue_pending
from mailer.models import SigningIdentity
from portal.running.embedded import ROLES
from tests.mailer.processes import environment_of, run_code

# Every value of the environment, of the settings and of the database's data keys is tried as a key on every sealed secret.
ATTEMPT = """
import base64, binascii, json, os
from datetime import UTC, datetime
from pathlib import Path
from django.conf import settings
from mailer.ca.authorities import open_authority
from mailer.ca.errors import AuthorityError
from mailer.custody import CustodyError, cipher_of, open_secret
from mailer.identities import IdentityError
from mailer.issuing import issue_pending, key_context
from mailer.models import Authority, DataKey, SigningIdentity
from mailer.signing_keys import load_signer

def keys():
    texts = [*os.environ.values(), *(str(getattr(settings, name)) for name in dir(settings) if name.isupper())]
    texts += [Path(value).read_text() for name, value in os.environ.items() if name.endswith("_FILE") and Path(value).is_file()]
    for text in texts:
        try:
            yield base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            pass
        yield text.encode()[:32]
    yield from (key for key in (settings.LETTERLOCK_CA_KEK, settings.LETTERLOCK_SIGNING_KEK, settings.LETTERLOCK_DATA_KEK) if key)
    for row in DataKey.objects.all():
        if settings.LETTERLOCK_DATA_KEK:
            yield cipher_of(row.owner)._key

opened, tried = [], 0
for key in {key for key in keys() if len(key) == 32}:
    tried += 1
    for row in Authority.objects.all():
        try:
            open_authority(row.slug, kek=key)
            opened.append(row.slug)
        except (AuthorityError, CustodyError):
            pass
    for row in SigningIdentity.objects.all():
        try:
            open_secret(key, bytes(row.encrypted_key), context=key_context(row.id))
            opened.append(row.address)
        except CustodyError:
            pass
said = {}
for name, act in {
    "load_signer": lambda: load_signer(SigningIdentity.objects.get().id, at=datetime.now(UTC)),
    "issue_pending": lambda: issue_pending(at=datetime.now(UTC)),
}.items():
    try:
        act()
        said[name] = "done"
    except (CustodyError, IdentityError) as error:
        said[name] = type(error).__name__
print(json.dumps({"tried": tried, "opened": sorted(set(opened)), "said": said}))
"""


@pytest.fixture
def bills(signing_service: Path, bank: Organization, now: datetime) -> SigningIdentity:  # noqa: ARG001 - the signer
    intend(organization=bank, address=EmailAddress.parse("bills@bank.example.com"), actor="user:alice", at=now)
    assert issue_pending(at=now) == 1
    return SigningIdentity.objects.get()


def attempt(role: str, socket: Path) -> dict[str, object]:
    run = run_code(role, ATTEMPT, socket)
    assert run.returncode == 0, run.stderr
    found: dict[str, object] = json.loads(run.stdout)
    return found


@pytest.mark.usefixtures("bills")
def test_it_can_sign_nothing(tmp_path: Path) -> None:
    """The web process has the data key, the code, the database and a way to the signer's socket."""
    found = attempt("web", tmp_path / "signer.sock")
    assert found["opened"] == []
    assert int(str(found["tried"])) >= 1, "the data key itself must have been tried"
    assert found["said"] == {"load_signer": "MissingKeyError", "issue_pending": "MissingKeyError"}


@pytest.mark.usefixtures("bills")
def test_it_could_tell_if_a_key_were_there(tmp_path: Path) -> None:
    """The same attempt in the other roles opens exactly what is theirs."""
    worker = attempt("worker", tmp_path / "signer.sock")
    assert worker["opened"] == ["bills@bank.example.com"]
    assert worker["said"] == {"load_signer": "done", "issue_pending": "done"}
    signer = attempt("signer", tmp_path / "signer.sock")
    assert signer["opened"] == ["root-1", "smime-1"]
    assert signer["said"] == {"load_signer": "MissingKeyError", "issue_pending": "MissingKeyError"}


@pytest.mark.usefixtures("bills")
def test_it_can_sign_nothing_with_a_dump_and_no_environment(tmp_path: Path) -> None:
    assert attempt("nobody", tmp_path / "signer.sock")["opened"] == []


def test_it_gives_each_key_to_the_roles_that_use_it_alone() -> None:
    # `prepare` holds the demo's key ceremony, as `ca` does the real one, and ends before the web process begins.
    assert {role for role, keys in ROLES.items() if "LETTERLOCK_CA_KEK" in keys} == {"signer", "ca", "prepare"}
    assert {role for role, keys in ROLES.items() if "LETTERLOCK_SIGNING_KEK" in keys} == {"worker"}


@pytest.mark.django_db
def test_it_starts_web_without_the_others_keys(tmp_path: Path) -> None:
    environment = environment_of("web", tmp_path / "signer.sock")
    assert {name.removesuffix("_FILE") for name in environment if "_KEK" in name} == {"LETTERLOCK_DATA_KEK"}


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["web", "worker"])
def test_it_does_not_load_what_the_signer_alone_needs(role: str, tmp_path: Path) -> None:
    code = "import sys, portal.wsgi, portal.urls, portal.celery, mailer.tasks; print(sorted({'pkilint', 'mailer.ca.server'} & {*sys.modules}))"
    run = run_code(role, code, tmp_path / "signer.sock")
    assert (run.returncode, run.stdout.strip()) == (0, "[]"), run.stderr
