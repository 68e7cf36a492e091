"""Our own reader reads every combination that our writer makes, and believes what it should of each."""

import pytest

from mailer.smime.mail import read_mail
from mailer.smime.outcomes import Outcome
from mailer.smime.trust import Revocation, Trust
from tests.interop.cast import Cast
from tests.interop.combinations import LEAF_ONLY, Combination, combinations
from tests.interop.sealed import Sealer


@pytest.mark.parametrize("combination", list(combinations()), ids=lambda each: " ".join(filter(None, each)))
def test_it_reads_it(combination: Combination, sealer: Sealer, cast: Cast) -> None:
    sealed, trust = sealer(combination), Trust([cast.authority.root.der], revocation=Revocation.IF_GIVEN)
    for holder, mail in sealed.mails.items():
        reading = read_mail(mail, [cast.opener(holder)], trust=trust, at=cast.at)
        assert reading.outcome is (Outcome.UNTRUSTED if combination.also == LEAF_ONLY else Outcome.VERIFIED)
        assert reading.content == sealed.entity
        assert reading.layers[0].authenticated is combination.cipher.authenticates
        assert read_mail(mail, [cast.charlie], trust=trust, at=cast.at).outcome is Outcome.NOT_OPENED
