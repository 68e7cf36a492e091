"""The level that a certificate from elsewhere had at a past moment: what was judged since says nothing of then."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from directory import replica
from directory.events import Verb
from directory.models import Certificate, DirectoryEvent, Level
from directory.publishing import identity_of
from directory.x509.certificate import parse_certificate


def set_back(certificates: Iterable[Certificate], *, at: datetime) -> None:
    """Give these rows, which are not to be saved, the level and the holder's name that were told at `at`. No query where nothing was judged since."""
    judged = defaultdict[str, list[Certificate]](list)
    for row in certificates:
        if row.judged_at is not None and row.judged_at > at:
            judged[f"certificate:{row.fingerprint}"].append(row)
    if not judged:
        return
    # What the first change after that moment was a change of.
    events = DirectoryEvent.objects.using(replica.alias()).filter(verb=Verb.CERTIFICATE_JUDGED.value, subject__in=list(judged), at__gt=at)
    for subject, detail in events.order_by("subject", "id").distinct("subject").values_list("subject", "detail"):
        level = Level(detail["before"])
        for row in judged[subject]:
            _tell_as(row, level)


def _tell_as(row: Certificate, level: Level) -> None:
    if row.level != level:
        row.level = level
        for name, told in identity_of(parse_certificate(bytes(row.der)), level).items():
            setattr(row, name, told)
