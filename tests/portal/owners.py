"""Dora, who owns a mailbox, and the link that leads to the page of hers."""

import secrets
from datetime import datetime, timedelta

from django.utils import timezone

from directory.lookup import encryption_certificates
from directory.x509.names import EmailAddress
from mailer.inviting import digest_of
from mailer.models import OwnerLink

TO = "Dora@example.com"
DORA = EmailAddress.parse(TO)


def link_to(address: str, secret: str = "", *, at: datetime | None = None) -> str:
    """The path of a page whose link was mailed to this address then, or now."""
    secret, at, parsed = secret or secrets.token_urlsafe(32), at or timezone.now(), EmailAddress.parse(address)
    OwnerLink.objects.create(
        address=parsed.address, match=parsed.match, secret_digest=digest_of(secret), created_at=at, expires_at=at + timedelta(hours=24)
    )
    return f"/mailbox/{secret}/"


def is_answered(address: EmailAddress = DORA) -> bool:
    now = timezone.now()
    return bool(encryption_certificates([address.match], at=now)[address.match])
