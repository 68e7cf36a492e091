"""How long it takes to publish one certificate. Runs inside Django."""

import json
import statistics
import sys
import time
from datetime import UTC, datetime

from bench.furnishing import ACTOR
from directory.publishing import publish
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from tests.pki import Authority, Usage, key_of

TIMES = 200


def main(_arguments: list[str]) -> None:
    """Print the median of one publication for a new mailbox, in seconds; each waits until it is on the disk."""
    authority, taken = Authority("Bench"), []
    for number in range(TIMES):
        address = EmailAddress.parse(f"new{number}@example.net")
        parsed = parse_certificate(authority.leaf(address.address, "rsa2048", Usage.DUAL, key=key_of("rsa2048")).der)
        started = time.perf_counter()
        publish(address=address, parsed=parsed, level="V1", source="uploaded", actor=ACTOR, at=datetime.now(UTC))
        taken.append(time.perf_counter() - started)
    json.dump({"seconds": statistics.median(taken)}, sys.stdout)
