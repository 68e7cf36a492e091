"""Alice's bank hands in mails that others signed: one owner agrees, another wants never to be asked again."""

import smtplib
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.journeys.eyes import Visitor
from tests.mailer.signed_mail import crl, mail, signature
from tests.pki import Authority, Usage

CHECKOUT = Path(__file__).resolve().parents[2]


def trusted_authority(folder: Path, environment: Mapping[str, str]) -> Authority:
    """One that the portal's operator trusts, and asks for its CRL, by the commands that an operator uses."""
    authority = Authority("Journey")
    root = folder / "root.pem"
    root.write_bytes(authority.root.pem)
    for words in (["add", str(root)], ["add-crl", "http://crl.journey.test/list.crl"]):
        subprocess.run([sys.executable, "manage.py", "trust", *words], cwd=CHECKOUT, env=environment, check=True, capture_output=True)
    return authority


def signed_mail(authority: Authority, address: str) -> bytes:
    """A mail that brings its authorities' revocation lists along."""
    holder, now = authority.leaf(address, "p256", Usage.DUAL, organization="Eve and Friends Partnership"), datetime.now(UTC)
    lists = [crl(authority.root, at=now), crl(authority.issuer, at=now)]
    return mail(signature(holder, [holder.der, authority.issuer.der], crls=lists), sender=address)


def hand_in_by_mail(environment: Mapping[str, str], message: bytes, *, sender: str) -> None:
    """As the operator's mail server does, once the intake listens."""
    path, deadline = Path(environment["LETTERLOCK_INTAKE_LMTP"]), time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, "the intake does not listen"
        time.sleep(0.2)
    with smtplib.LMTP(str(path)) as client:
        assert client.sendmail(sender, [f"collect@{environment['LETTERLOCK_INTAKE_DOMAIN']}"], message) == {}


def agree(visitor: Visitor, address: str, link: str) -> None:
    visitor.go(link)
    visitor.reads("May we publish your certificate?", "Eve and Friends Partnership")
    visitor.press("Publish this")
    visitor.reads("Your certificate is published")
    visitor.go(f"/lookup?email={address}")
    visitor.reads("Selected certificate")


def refuse(visitor: Visitor, link: str) -> None:
    visitor.go(link)
    visitor.press("No, and never ask again")
    visitor.press("Never ask this address again")
    visitor.reads("We will not ask again")
