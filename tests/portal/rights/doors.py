"""What may happen at a door, who may go through which, and how a response is read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from django.http import HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.portal.rights.cast import Bearer, Person

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


class Outcome(StrEnum):
    OPEN = "open"  # the page or the verb answered: success, or a complaint about what was sent
    LOGIN = "login"
    FACTOR = "factor"  # the second factor is asked for
    REFUSED = "refused"
    HIDDEN = "hidden"  # 404, as if it were not there
    TOKEN = "token"  # 401
    METHOD = "method"  # 405


def outcome(response: HttpResponseBase) -> Outcome | str:
    """Read a response as an outcome; a fault of the server is its own word and matches no cell."""
    where = urlsplit(response.headers.get("Location", "")).path
    if response.status_code in {301, 302} and where == reverse("login"):
        return Outcome.LOGIN
    if response.status_code in {301, 302} and where == reverse("second-factor"):
        return Outcome.FACTOR
    known = {401: Outcome.TOKEN, 403: Outcome.REFUSED, 404: Outcome.HIDDEN, 405: Outcome.METHOD}
    if response.status_code >= 500:
        return f"fault {response.status_code}"
    return known.get(response.status_code, Outcome.OPEN)


@dataclass(frozen=True)
class Door:
    """One route: its methods, who gets what there, and what its address names."""

    methods: tuple[str, ...]
    people: Mapping[Person, Outcome] = field(default_factory=dict)
    bearers: Mapping[Bearer, Outcome] = field(default_factory=dict)
    # Outcomes that come before the method is looked at; OPTIONS is then answered to everybody else.
    first: frozenset[Outcome] = frozenset()
    # Methods that everybody may use, since they say nothing and change nothing.
    asked: tuple[str, ...] = ()

    def expected(self, who: Person | Bearer, method: str) -> Outcome:
        if method in self.asked:
            return Outcome.OPEN
        cell = self.people[who] if isinstance(who, Person) else self.bearers[who]
        if method in self.methods or cell in self.first:
            return cell
        return Outcome.OPEN if method == "OPTIONS" and self.first else Outcome.METHOD


def routes() -> Iterator[tuple[str, URLPattern]]:
    """Every route of the portal, with its whole pattern and the name it is known by (`namespace:name`)."""
    yield from _walk(get_resolver(), "", "")


def _walk(resolver: URLResolver, prefix: str, space: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            inner = f"{space}{entry.namespace}:" if entry.namespace else space
            yield from _walk(entry, prefix + str(entry.pattern), inner)
        else:
            yield f"{space}{entry.name or prefix + str(entry.pattern)}", entry


SAFE = ("GET", "HEAD")
FORM = ("GET", "HEAD", "POST")
BARE = (Person.BARE_OWNER, Person.BARE_REVIEWER, Person.BARE_OPERATOR)


def everybody(methods: tuple[str, ...] = SAFE, *, without_factor: Outcome = Outcome.OPEN) -> Door:
    """Open to whoever asks; another method is refused whoever asks."""
    cells = dict.fromkeys(Person, Outcome.OPEN) | dict.fromkeys(BARE, without_factor)
    return Door(methods, cells, dict.fromkeys(Bearer, Outcome.OPEN))


def nobody_here(methods: tuple[str, ...], *, asked: tuple[str, ...] = ()) -> Door:
    """The address of a secret that does not exist: the same 404 for everybody; `asked` methods only ask whether to go on."""
    return Door(methods, dict.fromkeys(Person, Outcome.HIDDEN), dict.fromkeys(Bearer, Outcome.HIDDEN), asked=asked)


def people(methods: tuple[str, ...], *insiders: Person, others: Outcome, without_factor: Outcome = Outcome.FACTOR) -> Door:
    """Open to `insiders`; the nameless go to the login, those without a second factor to it, all others get `others`."""
    cells = dict.fromkeys(Person, others)
    cells |= dict.fromkeys(BARE, without_factor) | {Person.ANONYMOUS: Outcome.LOGIN} | dict.fromkeys(insiders, Outcome.OPEN)
    return Door(methods, cells, dict.fromkeys(Bearer, Outcome.LOGIN))


def team(methods: tuple[str, ...], *insiders: Person) -> Door:
    """A page of Alice's organisation: open to `insiders`, refused to the rest of her team, hidden from strangers."""
    door = people(methods, *insiders, others=Outcome.HIDDEN)
    refused = {person: Outcome.REFUSED for person in (Person.OWNER, Person.ADMIN, Person.DEVELOPER, Person.VIEWER) if person not in insiders}
    return Door(methods, {**door.people, **refused}, door.bearers)


def api(
    *methods: str, charlie: Outcome = Outcome.OPEN, nameless: Outcome = Outcome.TOKEN, first: Iterable[Outcome] = (Outcome.TOKEN, Outcome.REFUSED)
) -> Door:
    """A call with a token; a person's session means nothing there. OPTIONS tells the methods."""
    bearers = dict.fromkeys(Bearer, Outcome.TOKEN)
    bearers |= {Bearer.NONE: nameless, Bearer.SCOPELESS: Outcome.REFUSED, Bearer.FULL: Outcome.OPEN, Bearer.CHARLIE: charlie}
    return Door(methods, dict.fromkeys(Person, nameless), bearers, frozenset(first))


ADMINISTRATION = dict.fromkeys(Person, Outcome.REFUSED) | dict.fromkeys(BARE, Outcome.FACTOR) | {Person.ANONYMOUS: Outcome.LOGIN}
