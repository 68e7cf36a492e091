"""What a check is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from onboarding.applications import Application, CheckOutcome


@dataclass(frozen=True)
class Finding:
    """One result: its outcome, a code that `checks.words` puts into words, the facts those words name, and who or what says so."""

    outcome: CheckOutcome
    code: str
    source: str
    facts: Mapping[str, str] = field(default_factory=dict)


class Check(Protocol):
    """Looks at one side of an application. May ask other machines, so it runs outside transactions; it changes nothing."""

    name: str

    def run(self, application: Application, *, at: datetime) -> Finding: ...
