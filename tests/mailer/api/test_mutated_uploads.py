"""Mutated certificates handed in by the API as Charlie would: each is refused by name or waits for its proof, none is a 5xx, none takes a second."""

import random
import time
from collections import Counter
from datetime import datetime

import pytest
from django.db import transaction
from django.test import Client

from directory.models import Certificate, Organization
from directory.tokens import make_token
from tests.directory.x509.mutations import dressed, mutate, seeds
from tests.pki import Authority

pytestmark = pytest.mark.django_db
MOST_SECONDS = 1.0
EXPECTED = {202, 400, 413, 415, 422}


def hand_in(rounds: int, organization: Organization, at: datetime, *, seed: int) -> Counter[int]:
    """How often each status was the answer."""
    _token, text = make_token(organization=organization, name="Test", scopes=["publish"], actor="user:charlie", at=at)
    chance, sources, client = random.Random(seed), seeds(Authority()), Client()
    counted: Counter[int] = Counter()
    for _ in range(rounds):
        upload = dressed(mutate(sources, chance), chance)
        started = time.process_time()
        with transaction.atomic():
            # Taken back, so that no limit on an address's proofs stands before the parser.
            response = client.post(
                "/api/v1/publications", upload, content_type="application/octet-stream", headers={"Authorization": f"Bearer {text}"}
            )
            transaction.set_rollback(True)
        assert time.process_time() - started < MOST_SECONDS
        counted[response.status_code] += 1
    assert set(counted) <= EXPECTED, counted
    return counted


def test_it_answers_mutated_certificates(shop: Organization, now: datetime) -> None:
    assert hand_in(300, shop, now, seed=1)[422] > 150
    assert not Certificate.objects.exists()


@pytest.mark.soak
def test_it_answers_a_hundred_thousand_mutated_certificates(shop: Organization, now: datetime) -> None:
    counted = hand_in(100_000, shop, now, seed=int(time.time()))
    assert counted[422] > 50_000
    assert counted[202] > 0
