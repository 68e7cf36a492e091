"""Which of our own addresses a recipient is. There are three, and no others get a 250: nothing is relayed."""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

_MOST = 320


class Box(StrEnum):
    COLLECT = "collect"
    PROOF = "proof"
    BOUNCES = "bounces"


class Destination(NamedTuple):
    """`publication` is whose proof it is, of `proof+<id>` alone."""

    box: Box
    publication: UUID | None = None


def destination(address: str, domain: str) -> Destination | None:
    """Where mail to `address` belongs, None if it is none of ours. Whether there is such a publication is not looked at, so nobody can ask."""
    local, _at, given = address.lower().rpartition("@")
    if len(address) > _MOST or given != domain.lower():
        return None
    name, plus, detail = local.partition("+")
    if name in {Box.COLLECT, Box.BOUNCES} and not plus:
        return Destination(Box(name))
    if name != Box.PROOF:
        return None
    try:
        publication = UUID(detail)
    except ValueError:
        return None
    return Destination(Box.PROOF, publication) if str(publication) == detail else None
