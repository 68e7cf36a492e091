"""Two at once, on a real PostgreSQL: nothing is lost, nothing is doubled, and no answer shows half a change."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier, Event

import orjson
import pytest
from django.db import OperationalError, close_old_connections, connection

from directory import answers, publishing
from directory.api.fast import reading
from directory.errors import IllegalMoveError, RevokedCertificateError
from directory.lookup import read_answer, read_answers
from directory.models import Answer, Certificate, Change, DirectoryEvent, Mailbox
from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.names import EmailAddress
from tests.directory.conftest import ALICE, CHARLIE
from tests.directory.test_publishing import two_addresses
from tests.pki import Authority

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime.now(UTC).replace(microsecond=0)
ADDRESS = EmailAddress.parse("alice@example.com")


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Run the acts in threads that start together; what each gave back, or the domain error it raised."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        try:
            barrier.wait(10)
            return act()
        except (IllegalMoveError, RevokedCertificateError) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def publish(parsed: ParsedCertificate, actor: str = ALICE) -> Certificate:
    return publishing.publish(address=ADDRESS, parsed=parsed, level="V1", source="uploaded", actor=actor, at=NOW)


def shown() -> set[str]:
    tail = read_answers([ADDRESS], at=NOW)[0]
    return {entry["fingerprint"] for entry in orjson.loads(b"{" + tail)["certificates"]}


def test_two_publications_of_one_address_both_count(authority: Authority) -> None:
    for _ in range(5):
        before = shown()
        pair = [parse_certificate(authority.leaf(ADDRESS.address).der) for _ in range(2)]
        at_once(lambda: publish(pair[0]), lambda: publish(pair[1], CHARLIE))  # noqa: B023 - run at once
        assert shown() == before | {parsed.fingerprint for parsed in pair}
    assert Mailbox.objects.count() == 1
    assert Change.objects.count() == Certificate.objects.count() == 10


def test_one_certificate_published_twice_at_once_is_published_once(authority: Authority) -> None:
    parsed = parse_certificate(authority.leaf(ADDRESS.address).der)
    first, second = at_once(lambda: publish(parsed), lambda: publish(parsed))
    assert isinstance(first, Certificate)
    assert isinstance(second, Certificate)
    assert first.pk == second.pk
    assert (Change.objects.count(), DirectoryEvent.objects.count()) == (1, 1)


def test_of_two_revocations_one_counts(authority: Authority) -> None:
    certificate = publish(parse_certificate(authority.leaf(ADDRESS.address).der))

    def revoke() -> None:
        publishing.revoke(certificate=Certificate.objects.get(pk=certificate.pk), reason="keyCompromise", actor=ALICE, at=NOW)

    outcomes = at_once(*[revoke] * 4)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert DirectoryEvent.objects.filter(verb="certificate.revoked").count() == 1
    assert shown() == set()


ENDINGS: dict[str, Callable[[Certificate], None]] = {
    "revoke": lambda certificate: publishing.revoke(certificate=certificate, reason="keyCompromise", actor=ALICE, at=NOW),
    "erase": lambda certificate: publishing.erase(mailbox=certificate.mailbox, actor=ALICE, at=NOW),
    "hide": lambda certificate: publishing.hide(mailbox=certificate.mailbox, actor=ALICE, at=NOW),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_look_up_sees_all_of_an_ending_or_nothing_of_it(authority: Authority, ending: str) -> None:
    """One address or many, by Django's connection or the fast path's own; each has a connection to PostgreSQL."""
    certificate = publish(parse_certificate(authority.leaf(ADDRESS.address).der))
    whole = read_answer(ADDRESS, at=NOW).tail
    ended = Event()

    def watch(look: Callable[[], bytes | None]) -> Callable[[], object]:
        def see() -> set[bytes | None]:
            try:
                seen = {look()}
                while not ended.is_set():
                    seen.add(look())
                return seen | {look()}
            finally:
                reading.close()

        return see

    def end() -> None:
        try:
            ENDINGS[ending](certificate)
        finally:
            ended.set()

    none = answers.NONE.tail
    seen = at_once(
        end,
        watch(lambda: read_answers([ADDRESS], at=NOW)[0]),
        watch(lambda: answers.read_one(ADDRESS.match, fetch=reading.fetch).tail),
        watch(lambda: answers.read_many([ADDRESS.match], at=NOW, fetch=reading.fetch).get(ADDRESS.match, none)),
    )
    assert seen[0] is None
    for each in seen[1:]:
        assert isinstance(each, set)
        assert none in each
        assert each <= {whole, none}  # and None, an answer without its certificate, least of all
    assert read_answers([ADDRESS], at=NOW)[0] == none
    assert not Answer.objects.exists()


def test_of_an_erasure_and_a_publication_at_once_the_mailbox_is_new_or_empty(authority: Authority) -> None:
    for _ in range(5):
        old = publish(parse_certificate(authority.leaf(ADDRESS.address).der))
        new = parse_certificate(authority.leaf(ADDRESS.address).der)
        at_once(lambda: publishing.erase(mailbox=old.mailbox, actor=ALICE, at=NOW), lambda: publish(new))  # noqa: B023 - run at once
        assert shown() <= {new.fingerprint}
        assert bytes(Certificate.objects.get(pk=old.pk).der) == b""
        Mailbox.objects.filter(match=ADDRESS.match).delete()


def test_what_is_revoked_here_is_not_published_there_at_once(authority: Authority) -> None:
    other = EmailAddress.parse("a.smith@example.com")
    for _ in range(5):
        both = two_addresses(authority, ADDRESS.address, other.address)
        here = publish(both)
        at_once(
            lambda: publishing.revoke(certificate=here, reason="keyCompromise", actor=ALICE, at=NOW),  # noqa: B023 - run at once
            lambda: publishing.publish(address=other, parsed=both, level="V1", source="uploaded", actor=CHARLIE, at=NOW),  # noqa: B023
        )
        assert set(Certificate.objects.filter(fingerprint=both.fingerprint).values_list("status", flat=True)) == {"revoked"}


def test_a_look_up_survives_that_postgresql_drops_the_connection(authority: Authority) -> None:
    publish(parse_certificate(authority.leaf(ADDRESS.address).der))
    close_old_connections()  # as a request begins
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]

    def terminate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])

    at_once(terminate)
    with pytest.raises(OperationalError):
        shown()  # within the request that lost it
    close_old_connections()
    assert len(shown()) == 1


def test_an_idle_connection_that_was_dropped_is_not_noticed(authority: Authority) -> None:
    publish(parse_certificate(authority.leaf(ADDRESS.address).der))
    backend = connection.connection.info.backend_pid

    def terminate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])

    close_old_connections()
    at_once(terminate)
    assert len(shown()) == 1
