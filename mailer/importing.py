"""Certificates out of an operator's files, published in bulk. Nobody has proven anything of them, so that they stand behind all that was proven.

(1) Entries are parsed and put before the gate in processes of their own, one batch each at a time.
(2) What names one of this portal's CAs as its issuer and is not in the ledger is forged, and refused.
(3) An address that its owner had erased is not taken in again.
(4) What its issuer lists as revoked at hand, or what a revoked authority issued, is refused. A level has only what the trust store says it has;
    nearly all are external.
(5) New mailboxes are written by COPY, a chunk a transaction. A certificate for a mailbox that is there is published alone, and refused where its
    owner has proven another, or this CA issued one, for the same use: an import replaces nothing of theirs. What is hidden stays hidden, and
    what left a mailbox's answers stays out of them.
(6) What was erased while its chunk was written is erased again.

Run again, it finds what is there already: so it goes on after it was stopped, and each chunk is there as a whole or not at all.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from typing import NamedTuple
from uuid import uuid4

from cryptography import x509
from django.db import IntegrityError, transaction

from directory.bulk_publishing import Entry, publish_new
from directory.copying import fetch_bound
from directory.errors import DirectoryError, RevokedCertificateError, RevokedIssuerError
from directory.events import Verb, record
from directory.models import Certificate, CertificateStatus, Level, Mailbox, Source
from directory.publishing import erase, publish
from directory.x509.certificate import ParsedCertificate
from directory.x509.errors import X509Error
from mailer.ca.authorities import names_of_ours, names_one_of
from mailer.ca.ledger import has_issued
from mailer.crl_listings import Listings
from mailer.forgetting import erased_among
from mailer.import_errors import ErasedAddressError, ImportStopped, ReplacesLiveError
from mailer.import_files import FileEntry, Unreadable
from mailer.import_parsing import Acceptable, parse_entries, serve
from mailer.proving import ForgedIssuerError
from mailer.trust_store import RESERVED_POLICIES, check_unrevoked, folded_names, judge_foreign

BATCH = 250
CHUNK = 2000


class Refusal(NamedTuple):
    """An entry that was not imported, by the line at which it begins, and why."""

    line: int
    error: X509Error | DirectoryError


@dataclass
class Progress:
    """How many certificates were published, were published already, and were refused. One that names several addresses counts for each."""

    published: int = 0
    known: int = 0
    refused: int = 0


@dataclass
class _Import:
    """One run: who does it, from where, and what comes of it."""

    source_name: str
    actor: str
    dry_run: bool
    refuse: Callable[[Refusal], None]
    progress: Progress = field(default_factory=Progress)
    subject: str = field(default_factory=lambda: f"import:{uuid4()}")
    listings: Listings = field(default_factory=Listings)

    def refused(self, line: int, error: X509Error | DirectoryError) -> None:
        self.progress.refused += 1
        self.refuse(Refusal(line, error))


def import_entries(
    entries: Iterable[FileEntry | Unreadable],
    *,
    source_name: str,
    actor: str,
    clock: Callable[[], datetime],
    dry_run: bool = False,
    refuse: Callable[[Refusal], None] = lambda _refusal: None,
    chunk_done: Callable[[Progress], None] = lambda _progress: None,
    processes: int | None = None,
) -> Progress:
    """Publish what the entries hold, a chunk of 2000 a transaction; `source_name` is the operator's name of where they are from, for the event.

    `clock` is asked for each chunk's moment. A dry run does all of it and keeps nothing. `processes` is one for each processor unless told; 0 parses
    in this one. Raises MissingKeyError, and ImportStopped where the parsing processes die.
    """
    run = _Import(source_name, actor, dry_run, refuse)
    parsed = _parse_all(entries, clock=clock, processes=len(os.sched_getaffinity(0)) if processes is None else processes)
    with closing(parsed):
        while chunk := list(islice(parsed, CHUNK)):
            _import_chunk(run, chunk, at=clock())
            chunk_done(run.progress)
    return run.progress


def _parse_all(entries: Iterable[FileEntry | Unreadable], *, clock: Callable[[], datetime], processes: int) -> Generator[Acceptable | Unreadable]:
    """(1) in their order."""
    stream = iter(entries)
    batches = iter(lambda: list(islice(stream, BATCH)), [])
    if not processes:
        for batch in batches:
            yield from parse_entries(batch, clock())
        return
    # Not by fork: a process that parses what strangers wrote has no connection to the database.
    context = get_context("forkserver")
    with ExitStack() as stack:
        parsers = [stack.enter_context(closing(_Parser(context))) for _ in range(processes)]
        under_way: deque[_Parser] = deque()
        for batch in batches:
            idle = parsers[len(under_way)] if len(under_way) < processes else under_way.popleft()
            found = idle.take() if idle.busy else []
            idle.give(batch, clock())
            under_way.append(idle)
            yield from found
        while under_way:
            yield from under_way.popleft().take()


class _Parser:
    """A process that parses, with a pipe of its own: if it dies, even in the middle of an answer, the pipe ends. Raises ImportStopped."""

    def __init__(self, context: ForkServerContext) -> None:
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.busy = False

    def give(self, batch: list[FileEntry | Unreadable], at: datetime) -> None:
        """One batch at a time: the one before it was taken."""
        try:
            self._connection.send((batch, at))
        except OSError as error:
            raise ImportStopped("A process that parses has died.") from error
        self.busy = True

    def take(self) -> list[Acceptable | Unreadable]:
        try:
            found: list[Acceptable | Unreadable] = self._connection.recv()
        except (EOFError, OSError) as error:
            raise ImportStopped("A process that parses has died.") from error
        self.busy = False
        return found

    def close(self) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.join()


def _import_chunk(run: _Import, chunk: Sequence[Acceptable | Unreadable], *, at: datetime) -> None:
    accepted = list(_not_listed(run, _not_forged(run, _readable(run, chunk))))
    erased = erased_among({address.match for entry in accepted for address in entry.addresses})
    places: dict[tuple[str, str], tuple[int, Entry]] = {}
    for entry in accepted:
        try:
            judgement = _judge(entry.parsed, at=at)
        except (RevokedCertificateError, RevokedIssuerError) as error:
            run.refused(entry.line, error)
            continue
        for address in entry.addresses:
            key = (address.match, entry.parsed.fingerprint)
            if address.match in erased:
                run.refused(entry.line, ErasedAddressError("The owner had this address erased."))
            elif key in places:
                run.progress.known += 1
            else:
                places[key] = entry.line, Entry(address, entry.parsed, *judgement)
    for key in _published_already(list(places)):
        del places[key]
        run.progress.known += 1
    _publish(run, list(places.values()), at=at)
    # (6) an erasure that came in between
    for mailbox in Mailbox.objects.filter(match__in=erased_among({match for match, _fingerprint in places})):
        erase(mailbox=mailbox, actor=run.actor, at=at)


def _readable(run: _Import, chunk: Sequence[Acceptable | Unreadable]) -> Iterator[Acceptable]:
    for entry in chunk:
        if isinstance(entry, Unreadable):
            run.refused(entry.line, entry.error)
        else:
            yield entry


def _not_forged(run: _Import, entries: Iterable[Acceptable]) -> Iterator[Acceptable]:
    """(2)"""
    ours, claims = names_of_ours(), dict[bytes, bool]()
    for entry in entries:
        issuer = _issuer(entry.parsed)
        if issuer not in claims:
            claims[issuer] = names_one_of(ours, x509.load_der_x509_certificate(entry.parsed.der))
        if claims[issuer] and not has_issued(entry.parsed.der):
            run.refused(entry.line, ForgedIssuerError("The certificate names this portal's CA as its issuer, which has not issued it."))
        else:
            yield entry


def _not_listed(run: _Import, entries: Iterable[Acceptable]) -> Iterator[Acceptable]:
    """(4) for all of them, whatever their policies."""
    run.listings.refresh()
    names = dict[bytes, str]()
    for entry in entries:
        issuer = _issuer(entry.parsed)
        if issuer not in names:
            names[issuer] = folded_names(entry.parsed.der)[1]
        try:
            run.listings.check(issuer=names[issuer], serial=int(entry.parsed.serial, 16))
        except (RevokedCertificateError, RevokedIssuerError) as error:
            run.refused(entry.line, error)
        else:
            yield entry


def _issuer(parsed: ParsedCertificate) -> bytes:
    """Its name in DER, as it stands: what is before the serial number, of at most 20 octets."""
    return parsed.issuer_and_serial[: -2 - len(parsed.serial) // 2]


def _judge(parsed: ParsedCertificate, *, at: datetime) -> tuple[Level, str]:
    """(4) Without a reserved policy no trust store gives a level: such a certificate is not judged now. Raises as `check_unrevoked`."""
    if RESERVED_POLICIES.keys().isdisjoint(parsed.policies):
        return Level.EXTERNAL, ""
    judgement = judge_foreign(parsed.der, (), at=at)
    check_unrevoked(judgement.trust)
    return judgement.level, judgement.trust


_LIVE = """
SELECT m.match, c.fingerprint FROM directory_certificate c JOIN directory_mailbox m ON m.id = c.mailbox_id
WHERE c.fingerprint = ANY(%(fingerprints)b::text[]) AND c.status = 'published'
"""


def _published_already(keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    live: list[tuple[str, str]] = fetch_bound(_LIVE, {"fingerprints": list({fingerprint for _match, fingerprint in keys})})
    return set(live) & set(keys)


def _publish(run: _Import, places: Sequence[tuple[int, Entry]], *, at: datetime) -> None:
    """(5)"""
    if run.dry_run:
        with transaction.atomic():
            _publish_each(run, _publish_new(run, places, at=at), at=at)
            transaction.set_rollback(True)
    else:
        # Each after the chunk and alone: it takes the lock of a certificate before that of a mailbox, and a chunk holds many mailboxes.
        _publish_each(run, _publish_new(run, places, at=at), at=at)


def _publish_new(run: _Import, places: Sequence[tuple[int, Entry]], *, at: datetime) -> Sequence[tuple[int, Entry]]:
    try:
        with transaction.atomic():
            found = publish_new([entry for _line, entry in places], source=Source.IMPORTED, actor=run.actor, at=at)
            if found.done:
                detail = {"from": run.source_name, "published": len(found.done)}
                record(actor=run.actor, verb=Verb.CERTIFICATES_IMPORTED, subject=run.subject, at=at, detail=detail)
    except IntegrityError:
        return places  # somebody's row by hand is in the way: one by one, those that it is not about get in
    for place, error in found.refused:
        run.refused(places[place][0], error)
    run.progress.published += len(found.done)
    return [places[place] for place in found.left]


def _publish_each(run: _Import, places: Sequence[tuple[int, Entry]], *, at: datetime) -> None:
    for line, entry in places:
        try:
            _publish_one(run, entry, at=at)
        except (X509Error, DirectoryError) as error:
            run.refused(line, error)
        else:
            run.progress.published += 1


@transaction.atomic
def _publish_one(run: _Import, entry: Entry, *, at: datetime) -> None:
    certificate = publish(
        address=entry.address,
        parsed=entry.parsed,
        level=entry.level,
        source=Source.IMPORTED,
        chain=entry.chain,
        trust=entry.trust,
        revives=False,
        actor=run.actor,
        at=at,
    )
    # Now that the mailbox is locked; what was written is taken back.
    if _replaces(certificate, at=at):
        raise ReplacesLiveError("The mailbox has a live certificate that its owner proved, or that was issued here.")
    detail = {"from": run.source_name, "published": 1}
    record(actor=run.actor, verb=Verb.CERTIFICATES_IMPORTED, subject=run.subject, at=at, detail=detail)


def _replaces(certificate: Certificate, *, at: datetime) -> bool:
    """Whether it stands beside a live one of another key and an overlapping use that was not imported."""
    live = certificate.mailbox.certificates.filter(status=CertificateStatus.PUBLISHED, not_after__gt=at).exclude(source=Source.IMPORTED)
    return any(
        bytes(other.spki) != bytes(certificate.spki)
        and ((other.can_sign and certificate.can_sign) or (other.can_encrypt and certificate.can_encrypt))
        for other in live
    )
