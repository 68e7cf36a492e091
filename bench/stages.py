"""The stages between acceptance and the relay, each alone in one process, in units of one message. Runs inside Django."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench import sealing
from bench.interleave import rate, repeated
from directory.lookup import encryption_certificates
from directory.models import Organization
from mailer.custody import cipher_of
from mailer.letters import context, pack, unpack
from mailer.models import SigningIdentity
from mailer.signing_keys import load_signer
from mailer.smime.entity import Content
from mailer.smime.message import seal as seal_message
from mailer.smime.recipients import Recipient
from mailer.transport import Session

SECONDS = 2.0
CHUNK = 50


def look_up() -> Callable[[int], int]:
    """In chunks, as the worker asks."""
    matches = [f"c{number}@example.net" for number in range(1, CHUNK + 1)]

    def side(count: int) -> int:
        for _ in range(count):
            if len(encryption_certificates(matches, at=datetime.now(UTC))) != CHUNK:
                raise LookupError("an entry is missing")
        return count * CHUNK

    return side


def _sealed_once() -> Callable[[], bytes]:
    at = datetime.now(UTC)
    identity = SigningIdentity.objects.get()
    [certificate] = encryption_certificates(["c1@example.net"], at=at)["c1@example.net"]
    parts = bytes(certificate.issuer_and_serial), bytes(certificate.spki)
    cipher, place = cipher_of(Organization.objects.get().pk), context(identity.pk)
    kept = cipher.encrypt(pack(Content("Your statement", sealing.TEXT)), context=place)

    def once() -> bytes:
        return seal_message(
            unpack(cipher.decrypt(kept, context=place)),
            sender=identity.address,
            recipient="c1@example.net",
            signer=load_signer(identity.pk, at=at),
            recipients=[Recipient.from_parts(*parts)],
            message_id="<statement@bank.example.com>",
            at=at,
            neutral_subject="A sealed message",
        )

    return once


def seal() -> Callable[[int], int]:
    """Open the kept content, prepare the recipient, sign and encrypt."""
    return repeated(_sealed_once())


def hand_over() -> Callable[[int], int]:
    """MAIL, RCPT, DATA in one session with the sink."""
    mail = _sealed_once()()
    session = Session()

    def once() -> None:
        session.offer("bills@bank.example.com", "c1@example.net")
        if not session.hand_over(mail).accepted:
            raise ValueError("the sink refused")

    return repeated(once)


STAGES = {"look up": look_up, "seal": seal, "hand over": hand_over}


def main(arguments: list[str]) -> None:
    """Print the rate of one stage."""
    side = STAGES[arguments[0]]()
    started = time.perf_counter()
    done = side(20)
    count = max(1, round(SECONDS * 20 / (time.perf_counter() - started)))
    json.dump({"rate": rate(side, count), "warm": done}, sys.stdout)
