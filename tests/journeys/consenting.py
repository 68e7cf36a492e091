"""Alice's bank hands in mails that others signed: one owner agrees, another wants never to be asked again."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.journeys.eyes import Visitor
from tests.mailer.signed_mail import crl, mail, signature
from tests.pki import Authority, Usage

CHECKOUT = Path(__file__).resolve().parents[2]


def trusted_authority(folder: Path, environment: Mapping[str, str]) -> Authority:
    """One that the portal's operator trusts, by the command that an operator uses."""
    authority = Authority("Journey")
    root = folder / "root.pem"
    root.write_bytes(authority.root.pem)
    subprocess.run([sys.executable, "manage.py", "trust", "add", root], cwd=CHECKOUT, env=environment, check=True, capture_output=True)
    return authority


def signed_mail(authority: Authority, address: str) -> bytes:
    """A mail that brings its authorities' revocation lists along."""
    holder, now = authority.leaf(address, "p256", Usage.DUAL, organization="Eve and Friends Partnership"), datetime.now(UTC)
    lists = [crl(authority.root, at=now), crl(authority.issuer, at=now)]
    return mail(signature(holder, [holder.der, authority.issuer.der], crls=lists), sender=address)


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
