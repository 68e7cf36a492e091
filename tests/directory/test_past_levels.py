"""A look-up of the past tells the level of then, never one that was judged since."""

from datetime import datetime, timedelta

import pytest

from directory.lookup import look_up
from directory.models import Certificate, Level, Source
from directory.publishing import judge, publish
from directory.selection import Usage
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from tests.pki import Authority, Holder

pytestmark = pytest.mark.django_db
DORA = EmailAddress.parse("dora@people.example.net")
HOUR = timedelta(hours=1)


def put(holder: Holder, *, at: datetime) -> Certificate:
    parsed = parse_certificate(holder.der)
    return publish(address=DORA, parsed=parsed, level=Level.EXTERNAL, source=Source.UPLOADED, trust="untrusted", actor="owner", at=at)


def level_of(at: datetime) -> str:
    selected = look_up([DORA], usage=Usage.ENCRYPT, at=at)[0].selected
    assert selected is not None
    return selected.level


def test_it_tells_the_level_of_each_moment(at: datetime) -> None:
    row = put(Authority().leaf(DORA.address), at=at - 9 * HOUR)
    for hours, level, trust in ((6, Level.V3, "verified"), (3, Level.V1, "verified"), (2, Level.V1, "verified")):
        judge(certificate=row, level=level, trust=trust, actor="operator", at=at - hours * HOUR)
        row.refresh_from_db()
    assert [level_of(at - hours * HOUR) for hours in (8, 6, 5, 3, 1, 0)] == ["external", "V3", "V3", "V1", "V1", "V1"]


def test_it_tells_no_name_that_was_not_validated_then(at: datetime) -> None:
    row = put(Authority().leaf(DORA.address), at=at - 9 * HOUR)
    judge(certificate=row, level=Level.V3, trust="verified", actor="operator", at=at)
    Certificate.objects.update(name="Dora")
    selected = look_up([DORA], usage=Usage.ENCRYPT, at=at - HOUR)[0].selected
    assert selected is not None
    assert (selected.level, selected.name) == ("external", "")
    row.refresh_from_db()
    assert (row.level, row.name) == ("V3", "Dora"), "what is stored stays"
