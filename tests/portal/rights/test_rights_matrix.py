"""Every address x method x person or token, cell by cell. A new route that is not in the table fails."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from tests.portal.rights.cast import Bearer, Cast, Person, assemble
from tests.portal.rights.doors import ADMINISTRATION, METHODS, Outcome, outcome, routes
from tests.portal.rights.table import RIGHTS

pytestmark = pytest.mark.django_db
ADMIN = "admin:"
# Leads everybody to the portal's own sign-in, which has its cells.
SIGN_IN = "admin:login"
PATTERNS = list(routes())
NAMES = sorted(name for name, _ in PATTERNS)
# RFC 8058 has mail programs POST here without cookies: the secret in the address is what allows it.
WITHOUT_COOKIES = {"consent-never", "invitation-never"}
FORMS = sorted(name for name, door in RIGHTS.items() if "POST" in door.methods and not name.startswith("api-"))


@contextmanager
def undone() -> Iterator[None]:
    """Whatever a cell changes is taken back before the next one."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def cast(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Cast]:  # noqa: ARG001 - the tables
    """One cast for all cells, in a transaction that is taken back at the end; each cell is taken back by itself."""
    logging.disable(logging.WARNING)  # thousands of refusals, each of them wanted
    with django_db_blocker.unblock(), undone():
        cache.clear()
        yield assemble(timezone.now())
    logging.disable(logging.NOTSET)


def address(cast: Cast, name: str) -> str:
    return cast.address(name, dict(PATTERNS)[name].pattern.regex.groupindex)


def test_it_lists_every_route_and_no_other() -> None:
    assert {name for name in NAMES if not name.startswith(ADMIN)} == set(RIGHTS)


def test_it_names_every_route_once() -> None:
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(ADMIN)])
def test_it_opens_each_door_to_those_who_may(name: str, cast: Cast) -> None:
    door, url = RIGHTS[name], address(cast, name)
    wrong = {}
    for who in knocking(name):
        for method in METHODS:
            with undone():
                response = cast.client(who).generic(method, url, "{}", content_type=content_type(name, method))
            if (found := outcome(response)) != (expected := door.expected(who, method)):
                wrong[f"{method} {url} as {who}"] = f"{found}, not {expected}"
    assert wrong == {}


def knocking(name: str) -> Iterator[Person | Bearer]:
    """Everybody; but of the sessions one stands for all on the API, and of the tokens one on the pages: they mean nothing there."""
    if name.startswith("api-"):
        yield from (Person.ANONYMOUS, Person.OWNER, *Bearer)
    else:
        yield from (*Person, Bearer.FULL)


def content_type(name: str, method: str) -> str:
    return "application/json" if name.startswith("api-") or method != "POST" else "application/x-www-form-urlencoded"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(ADMIN) and name != SIGN_IN])
def test_it_opens_the_administration_to_operators_with_the_second_factor_alone(name: str, cast: Cast) -> None:
    url, wrong = address(cast, name), {}
    for person in Person:
        for method in METHODS:
            with undone():
                found = outcome(cast.client(person).generic(method, url, "", content_type="application/x-www-form-urlencoded"))
            if person is Person.OPERATOR:
                # Inside, the administration's own rules hold: much is read-only, even to an operator.
                right = found in {Outcome.OPEN, Outcome.REFUSED, Outcome.HIDDEN, Outcome.METHOD}
            else:
                right = found == ADMINISTRATION[person]
            if not right:
                wrong[f"{method} {url} as {person}"] = found
    assert wrong == {}


@pytest.mark.parametrize("name", sorted(set(FORMS) - WITHOUT_COOKIES))
def test_it_takes_no_form_from_another_site(name: str, cast: Cast) -> None:
    client = cast.client(Person.OWNER, enforce_csrf_checks=True)
    assert client.post(address(cast, name), {}).status_code == 403
