"""Files of certificates, imported as the command does it and as a bare COPY does, in turn. Runs inside Django."""

import io
import json
import statistics
import sys
import time
from datetime import UTC, datetime

from bench.floors.importing import import_bare, make_tables
from bench.interleave import Comparison
from mailer.import_files import Lines, read_entries
from mailer.importing import import_entries
from tests.pki import Authority, Usage, make_key

CERTIFICATES, ROUNDS = 20_000, 3
KEYS = 40


def files() -> list[bytes]:
    """Certificates in PEM, each for an address of its own."""
    authority, keys = Authority("Bench"), [make_key("rsa2048") for _ in range(KEYS)]

    def one(number: int) -> bytes:
        return authority.leaf(f"i{number}@example.net", usage=Usage.DUAL, key=keys[number % KEYS]).pem

    return [b"".join(one(number) for number in range(start, start + CERTIFICATES)) for start in range(0, CERTIFICATES * ROUNDS, CERTIFICATES)]


def ours(pem: bytes) -> float:
    """Certificates a second, as the command imports."""
    stream = io.BytesIO(pem)
    started = time.perf_counter()
    progress = import_entries(
        read_entries(stream, Lines(stream), kind="pem"), source_name="bench", actor="system:bench", clock=lambda: datetime.now(UTC)
    )
    taken = time.perf_counter() - started
    if progress.published != CERTIFICATES:
        raise ValueError(f"not all were published: {progress}")
    return CERTIFICATES / taken


def bare(pem: bytes, first: int) -> float:
    """Certificates a second."""
    started = time.perf_counter()
    done = import_bare(pem, first=first, at=datetime.now(UTC))
    return done / (time.perf_counter() - started)


def main(_arguments: list[str]) -> None:
    """Print the comparison."""
    make_tables()
    pairs = []
    for number, pem in enumerate(files()):
        if number % 2:
            floor = bare(pem, number * CERTIFICATES)
            pairs.append((ours(pem), floor))
        else:
            reached = ours(pem)
            pairs.append((reached, bare(pem, number * CERTIFICATES)))
    medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
    found = Comparison(medians[0], medians[1], statistics.median(reached / floor for reached, floor in pairs))
    json.dump(found._asdict(), sys.stdout)
