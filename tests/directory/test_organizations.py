"""Organisations: made once, found by their identifier, suspended and reinstated."""

from datetime import datetime, timedelta

import pytest

from directory import organizations
from directory.errors import BadTokenError, DuplicateOrganizationError, IllegalMoveError
from directory.models import DirectoryEvent, Organization, OrganizationStatus, SendingDomain
from directory.tokens import find_known_token, find_token, make_token
from directory.x509.errors import MalformedDomainError
from tests.directory.conftest import ALICE, make_organization


def test_it_holds_what_was_validated_and_for_how_long(bank: Organization, at: datetime) -> None:
    assert (bank.status, bank.validated_at, bank.valid_until) == ("active", at, at + timedelta(days=825))
    domain = SendingDomain.objects.get()
    assert (domain.organization, domain.domain, domain.valid_until) == (bank, "bank.example.com", at + timedelta(days=398))


def test_a_second_one_with_the_same_identifier_is_refused_whatever_its_name(bank: Organization, at: datetime) -> None:
    del bank
    with pytest.raises(DuplicateOrganizationError):
        make_organization("Bank of Charlie", "1", "charlie.example.net", at=at)
    assert (Organization.objects.count(), SendingDomain.objects.count(), DirectoryEvent.objects.count()) == (1, 1, 1)


def test_a_bad_domain_leaves_nothing_behind(db: None, at: datetime) -> None:  # noqa: ARG001 - the database
    with pytest.raises(MalformedDomainError):
        make_organization("Bank AG", "1", "not a domain", at=at)
    assert not Organization.objects.exists()


def test_suspending_stops_the_tokens_and_reinstating_lets_them_work(bank: Organization, shop: Organization, at: datetime) -> None:
    _token, text = make_token(organization=bank, name="Alice", scopes=["lookup"], actor=ALICE, at=at)
    _other, charlies = make_token(organization=shop, name="Charlie", scopes=["lookup"], actor="user:charlie", at=at)
    assert find_known_token(text, at=at).organization == bank
    organizations.suspend(organization=bank, reason="complaint", actor="user:operator", at=at)
    for find in (find_token, find_known_token):
        with pytest.raises(BadTokenError):
            find(text, at=at)
    assert find_token(charlies, at=at).organization == shop
    organizations.reinstate(organization=bank, reason="cleared", actor="user:operator", at=at)
    assert find_token(text, at=at).organization == bank
    assert list(DirectoryEvent.objects.filter(organization=bank).order_by("id").values_list("verb", flat=True)) == [
        "organization.created",
        "token.made",
        "organization.suspended",
        "organization.reinstated",
    ]


def test_of_two_suspensions_one_counts(bank: Organization, at: datetime) -> None:
    stale = Organization.objects.get()
    organizations.suspend(organization=bank, reason="complaint", actor="user:operator", at=at)
    for organization in (bank, stale):
        with pytest.raises(IllegalMoveError):
            organizations.suspend(organization=organization, reason="again", actor="user:operator", at=at)
    with pytest.raises(IllegalMoveError):
        organizations.move(stale, OrganizationStatus.ACTIVE, actor="user:operator", at=at, reason="")
