"""The stages between acceptance and the relay, each alone in one process, in units of one message. Runs inside Django."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bench import sealing
from bench.interleave import rate, repeated
from directory.lookup import encryption_certificates
from directory.models import Organization
from mailer import transport
from mailer.claiming import CHUNK
from mailer.custody import cipher_of
from mailer.letters import context, pack, unpack
from mailer.models import SigningIdentity
from mailer.recipients import envelope_for
from mailer.signing_keys import load_signer
from mailer.smime.entity import Content
from mailer.smime.message import seal as seal_message
from mailer.smtp.lane import End, Ended
from mailer.smtp.wire import Mail

SECONDS = 2.0


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
    envelope = envelope_for([certificate])
    cipher, place = cipher_of(Organization.objects.get().pk), context(identity.pk)
    kept = cipher.encrypt(pack(Content("Your statement", sealing.TEXT)), context=place)

    def once() -> bytes:
        return seal_message(
            unpack(cipher.decrypt(kept, context=place)),
            sender=identity.address,
            recipient="c1@example.net",
            signer=load_signer(identity.pk, at=at),
            recipients=envelope.recipients,
            message_id="<statement@bank.example.com>",
            at=at,
            neutral_subject="A sealed message",
        )

    return once


def seal() -> Callable[[int], int]:
    """Open the kept content, sign and encrypt."""
    return repeated(_sealed_once())


class _Everything:
    """A book that is kept nowhere: what the relay costs without the database."""

    def __init__(self) -> None:
        self.taken = 0

    def write(self, ended: Sequence[Ended], accepted: Sequence[Mail]) -> set[object]:
        self.taken += sum(one.end is End.TAKEN for one in ended)
        return {mail.key for mail in accepted}


def hand_over() -> Callable[[int], int]:
    """MAIL, RCPT, DATA in the sessions that a worker has, in its chunks."""
    octets = _sealed_once()()
    mails = [Mail(number, "bills@bank.example.com", f"c{number}@example.net", octets, "example.net") for number in range(CHUNK)]

    def side(count: int) -> int:
        book = _Everything()
        for _ in range(count):
            transport.hand_over(mails, book, deadline=time.monotonic() + 60)
        if book.taken != count * CHUNK:
            raise ValueError("the sink refused")
        return book.taken

    return side


STAGES = {"look up": look_up, "seal": seal, "hand over": hand_over}


def main(arguments: list[str]) -> None:
    """Print the rate of one stage."""
    side = STAGES[arguments[0]]()
    started = time.perf_counter()
    done = side(20)
    count = max(1, round(SECONDS * 20 / (time.perf_counter() - started)))
    json.dump({"rate": rate(side, count), "warm": done}, sys.stdout)
