"""What all acts share: where the portal is, its inbox and zone, the clock, and how a step is told."""

import email
import email.policy
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

from portal.running.nameserver import Zone
from portal.running.received import Inbox, ReceivedMail
from portal.running.story import codes
from portal.running.story.browser import Browser, Page

PATIENCE_SECONDS = 60
PAUSE_SECONDS = 0.05
# A shorter text may stand in any mail without having leaked into it.
TELLING = 16

T = TypeVar("T")


class StoryError(Exception):
    """A step did not end as the main job has it; the text says what was seen instead."""


@dataclass
class Person:
    """Somebody with an account: address, password, and the secret in their authenticator."""

    name: str
    address: str
    password: str
    secret: str = ""
    role: str = ""
    used_step: int = 0

    def code(self) -> str:
        """A code that was not used before: each counts once, and the next one is taken half a minute early."""
        step = max(int(time.time() // codes.STEP_SECONDS), self.used_step + 1)
        # The server takes codes one step early, no more.
        while step > time.time() // codes.STEP_SECONDS + 1:
            time.sleep(PAUSE_SECONDS)
        self.used_step = step
        return codes.code(self.secret, at=step * codes.STEP_SECONDS)


def new_person(name: str, address: str, role: str) -> Person:
    """Somebody who has chosen a password that nobody guesses."""
    return Person(name, address, secrets.token_urlsafe(15), role=role)


@dataclass
class Stage:
    url: str
    inbox: Inbox
    zone: Zone
    out: Path
    say: str
    run: int
    steps: list[dict[str, str | float]] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    # Stands in the subject, which is confidential too; unlike a short text it is found nowhere by chance.
    marker: str = field(default_factory=lambda: secrets.token_hex(8))

    def steps_seconds(self) -> float:
        return sum(float(step["seconds"]) for step in self.steps)

    def browser(self) -> Browser:
        return Browser(self.url)

    def label(self, name: str) -> str:
        """A name that no earlier run on the same data has used."""
        return name if self.run == 1 else f"{name}{self.run}"

    def shows(self, content: bytes) -> bool:
        """Whether a mail tells, to everybody, what is confidential."""
        words = [self.marker, *([self.say] if len(self.say) >= TELLING else [])]
        seen = content.decode(errors="replace") + text_of(content)
        return any(word in seen for word in words)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """One step of the main job: told when it is done, with its time."""
        begun = time.monotonic()
        yield
        seconds = time.monotonic() - begun
        self.steps.append({"step": text, "seconds": round(seconds, 2)})
        tell(f"{len(self.steps):2}. {text} ({seconds:.1f} s)")

    def wait(self, what: str, look: Callable[[], T | None]) -> T:
        """Look until there is something. Raises StoryError when patience ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise StoryError(f"{what} did not come within {PATIENCE_SECONDS} s.")
            time.sleep(PAUSE_SECONDS)
        return found

    def mail(self, to: str, *, number: int = 1) -> ReceivedMail:
        """The mail of that number to an address, waited for."""

        def look() -> ReceivedMail | None:
            mails = self.inbox.mails(to)
            return mails[number - 1] if len(mails) >= number else None

        return self.wait(f"Mail {number} to {to}", look)

    def link(self, content: bytes) -> str:
        """The first address in a mail's text that leads to the portal."""
        found = re.search(re.escape(self.url) + r"/[^\s<>\"']+", text_of(content))
        if not found:
            raise StoryError(f"A mail has no link to {self.url}:\n{content[:1500].decode(errors='replace')}")
        return found.group()


def tell(text: str) -> None:
    sys.stdout.write(f"demo    | {text}\n")
    sys.stdout.flush()


def expect(page: Page, *words: str) -> Page:
    """The page, if it shows one of the words. Raises StoryError."""
    if not any(word in page.text for word in words):
        raise StoryError(f"{page.url} does not show {' or '.join(map(repr, words))}; it shows:\n{page.text[:1500]}")
    return page


def message_of(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    if not isinstance(message, EmailMessage):
        raise StoryError("What came is no mail.")
    return message


def text_of(content: bytes) -> str:
    """The plain text of a mail or MIME entity."""
    body = message_of(content).get_body(preferencelist=("plain", "html"))
    return str(body.get_content()) if body else ""


class Logins:
    """The demo's people, kept with the state for later runs and for whoever wants to look around; for the owner alone."""

    def __init__(self, state: Path) -> None:
        self.path = state / "demo-logins.json"

    def people(self) -> dict[str, Person]:
        return {address: Person(**values) for address, values in json.loads(self.path.read_bytes()).items()} if self.path.exists() else {}

    def keep(self, *people: Person) -> None:
        known = self.people() | {person.address: person for person in people}
        draft = self.path.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump({address: vars(person) for address, person in known.items()}, file, indent=1)
        draft.rename(self.path)
