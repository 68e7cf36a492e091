"""Addresses whose owners had themselves erased: known by a keyed hash alone, and neither collected nor imported again.

The key is the portal's own data key, so that a stolen table cannot be tried with a list of addresses.
"""

from collections.abc import Iterable
from datetime import datetime

from directory.copying import fetch_bound
from mailer.custody import cipher_of
from mailer.models import ErasedAddress
from mailer.notices import PORTAL


def is_erased(match: str) -> bool:
    """Whether the owner of this folded address had it erased and has not come back since. Raises MissingKeyError."""
    return ErasedAddress.objects.filter(digest=_keyed(match)).exists()


def erased_among(matches: Iterable[str]) -> set[str]:
    """Those of many folded addresses that are erased, as `is_erased` tells of one."""
    cipher = cipher_of(PORTAL)
    if not ErasedAddress.objects.exists():
        return set()
    keyed = {cipher.digest(match, context="erased"): match for match in matches}
    return {
        keyed[digest]
        for (digest,) in fetch_bound("SELECT digest FROM mailer_erasedaddress WHERE digest = ANY(%(digests)b::text[])", {"digests": list(keyed)})
    }


def lost_live_since(match: str, since: datetime) -> bool:
    """Whether an erasure after this moment took from this folded address what was live. Raises MissingKeyError."""
    return ErasedAddress.objects.filter(digest=_keyed(match), had_live=True, at__gt=since).exists()


def keep_out(match: str, *, at: datetime, had_live: bool = False) -> None:
    """Remember that this address is not to be taken in again unless its owner proves it. The caller leaves the event. Raises MissingKeyError.

    `had_live` says that the erasure took what was live; one that found nothing does not undo what an earlier one said.
    """
    if had_live:
        ErasedAddress.objects.update_or_create(digest=_keyed(match), defaults={"at": at, "had_live": True})
    else:
        ErasedAddress.objects.get_or_create(digest=_keyed(match), defaults={"at": at})


def let_in(match: str) -> bool:
    """The owner has proven the mailbox anew and wants it published; whether it was kept out until now. Raises MissingKeyError."""
    return ErasedAddress.objects.filter(digest=_keyed(match)).delete()[0] > 0


def match_of_erased(match: str) -> str:
    """What stands for a folded address in the rows that outlive its erasure, such as of the mails that were sent to it. Raises MissingKeyError."""
    return f"erased:{_keyed(match)}"


def _keyed(match: str) -> str:
    return cipher_of(PORTAL).digest(match, context="erased")
