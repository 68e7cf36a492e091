"""Recipient domains that this worker leaves alone for a while, because the relay says `later` to them again and again.

Known to one process and forgotten with it: what it costs to learn it anew is a few refused offers.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass

# In a row, without a single mail taken or refused for good: full mailboxes alone never bring a large domain to this.
MANY_DEFERRALS = 10
FIRST_REST, LONGEST_REST = 10.0, 900.0
_MOST_DOMAINS = 10_000


@dataclass(slots=True)
class _Domain:
    deferrals: int = 0
    rest: float = 0.0
    until: float = 0.0


class RestingDomains:
    """What the relay's last words on each domain were. Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._domains: OrderedDict[str, _Domain] = OrderedDict()

    def deferred(self, domain: str) -> None:
        """The relay said `later`, or nothing. Each rest is twice as long as the one before, from ten seconds to a quarter of an hour."""
        known = self._domains.setdefault(domain, _Domain())
        self._domains.move_to_end(domain)
        if len(self._domains) > _MOST_DOMAINS:
            self._domains.popitem(last=False)
        known.deferrals += 1
        if known.deferrals >= MANY_DEFERRALS:
            known.deferrals = 0
            known.rest = min(LONGEST_REST, 2 * known.rest or FIRST_REST)
            known.until = time.monotonic() + known.rest

    def answered(self, domain: str) -> None:
        """A mail to the domain was taken, or refused for good."""
        self._domains.pop(domain, None)

    def now(self) -> list[str]:
        """The domains to leave alone at this moment."""
        now = time.monotonic()
        return [name for name, domain in self._domains.items() if domain.until > now]
