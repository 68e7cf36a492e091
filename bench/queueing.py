"""Accept many messages of 4 KB, a thousand a request, as the API does it. Runs inside Django."""

import json
import secrets
import sys
from datetime import UTC, datetime

from bench import sealing
from directory.x509.names import EmailAddress
from mailer.message_rows import OutgoingMessage
from mailer.models import OnMissing, SigningIdentity
from mailer.outbox import MOST_MESSAGES, accept
from mailer.smime.entity import Content


def main(arguments: list[str]) -> None:
    """Print how many messages were accepted, to `recipients` addresses in turn."""
    count, recipients = map(int, arguments)
    identity, content = SigningIdentity.objects.select_related("organization").get(), Content("Your statement", sealing.TEXT)
    addresses = [EmailAddress.parse(f"c{number}@example.net") for number in range(1, recipients + 1)]
    for start in range(0, count, MOST_MESSAGES):
        accept(
            organization=identity.organization,
            sender=EmailAddress.parse(identity.address),
            items=[OutgoingMessage(addresses[number % recipients], content) for number in range(start, start + MOST_MESSAGES)],
            on_missing=OnMissing.FAIL,
            idempotency_key=secrets.token_hex(16),
            body_digest="",
            actor="token:bench",
            at=datetime.now(UTC),
        )
    json.dump({"accepted": count}, sys.stdout)
