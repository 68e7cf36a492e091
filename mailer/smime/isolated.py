"""Open and verify what strangers sent, with every octet of theirs parsed in another process under limits (`directory.isolation`).

No private key goes there. The other process reads an envelope and says which encrypted keys and which octets are in it; the key is used here,
on values of fixed shape: an RSA block, a point, a wrapped key, the ciphertext. Whoever took the parser over with a message would learn only
what is in that message. It could lie about the verdict on that message too: the fork that reads one is not there for the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Any, TypeVar

from . import errors, mail
from .crls import Crl
from .envelopes import Agreed, Envelope, Transported
from .errors import EncryptionRefused, MalformedCms, ParsingFailed, SmimeError, TooLarge, TooSlow
from .ground import Cell, IsolationError, ParseTimeout, ParseTooBig
from .judging import CertificateJudgement
from .mail import Peeled, Reading
from .open import Opened, Opener, names_of, unseal
from .outcomes import Outcome
from .packing import Blobs, pack, unpack
from .parts import Kind
from .reader import MAX_CMS
from .senders_certificates import SendersCertificates
from .trust import Revocation, Trust
from .verify import Signature, Verification

_MODULE = f"{__package__}.isolated_tasks"
_CELL = Cell(_MODULE)
# For what needs long CRLs: reading 100,000 entries takes most of a second. Started at its first use.
_PATIENT = Cell(_MODULE, seconds=8.0, octets=2 * 1024 * 1024 * 1024)
_LONG_CRLS = 512 * 1024
_ERRORS = {
    error.code: error for error in (errors.TooLarge, errors.MalformedCms, errors.UnsupportedAlgorithm, errors.LegacyAlgorithm, errors.CrlRefused)
}
T = TypeVar("T")


def opened(envelope: bytes, openers: Sequence[Opener], *, max_size: int = MAX_CMS) -> Opened:
    """As `open.opened`. Raises TooSlow and ParsingFailed too."""
    read = _ask("read_envelope", _envelope, envelope, names_of(openers), max_size)
    return unseal(read, openers)


def open_envelope(envelope: bytes, openers: Sequence[Opener], *, max_size: int = MAX_CMS) -> bytes:
    """As `open.open_envelope`. Raises TooSlow and ParsingFailed too."""
    return opened(envelope, openers, max_size=max_size).content


def verify(entity: bytes, *, at: datetime, roots: Sequence[bytes] = (), trust: Trust | None = None, sender: str | None = None) -> Verification:
    """As `verify.verify`. Raises nothing: what cannot be read under the limits is TOO_SLOW, TOO_LARGE or MALFORMED."""
    try:
        return judged(entity, at=at, trust=trust or Trust(roots, revocation=Revocation.IF_GIVEN), sender=sender)
    except SmimeError as error:
        return Verification(mail.outcome_of(error))


def judged(entity: bytes, *, at: datetime, trust: Trust, sender: str | None = None) -> Verification:
    """As `verify`, but raises TooSlow, TooLarge and ParsingFailed where the other process gave nothing."""
    return _ask("verify_entity", _verification, entity, at, _plain(trust), sender, cell=_cell_for(trust))


def judge_certificate(
    certificate: bytes, chain: Sequence[bytes], *, trust: Trust, policies: Sequence[str] = (), at: datetime
) -> CertificateJudgement:
    """As `judging.judge_certificate`. Raises TooSlow, TooLarge and ParsingFailed."""
    return _ask("judge_certificate", _judgement, certificate, tuple(chain), _plain(trust), tuple(policies), at, cell=_cell_for(trust))


def read_crl(encoding: bytes, authorities: Sequence[bytes], *, at: datetime) -> Crl:
    """As `crls.read_crl`: raises CrlRefused. Raises TooSlow, TooLarge and ParsingFailed too."""
    return _ask("read_crl", lambda values: Crl(*values), encoding, tuple(authorities), at, cell=_PATIENT)


def describe_crl(encoding: bytes) -> Crl:
    """As `crls.describe_crl`: raises CrlRefused. Raises TooSlow, TooLarge and ParsingFailed too."""
    return _ask("describe_crl", lambda values: Crl(*values), encoding, cell=_PATIENT)


def read_mail(message: bytes, openers: Sequence[Opener] = (), *, trust: Trust, at: datetime) -> Reading:
    """As `mail.read_mail`. Raises nothing."""
    return mail.read_mail(message, openers, trust=trust, at=at, peeler=Elsewhere())


def certificates_of(message: bytes, signer: bytes, *, trust: Trust, at: datetime) -> SendersCertificates:
    """As `senders_certificates.certificates_of`. Raises EncryptionRefused, TooSlow, TooLarge, MalformedCms, UnsupportedAlgorithm, ParsingFailed."""
    found = _ask("read_senders_certificates", _senders_certificates, message, signer, _plain(trust), at, cell=_cell_for(trust))
    if isinstance(found, EncryptionRefused):
        raise found
    return found


class Elsewhere:
    """A `mail.Peeler` that has the other process do it."""

    def peel(self, octets: bytes, content_type: bytes, names: frozenset[bytes], *, trust: Trust, at: datetime) -> Peeled:
        """Raises SmimeErrors."""
        return _ask("peel", _peeled, octets, content_type, names, _plain(trust), at, cell=_cell_for(trust))

    def judge_sender(self, message: bytes, inside: Sequence[bytes], signers: Sequence[Sequence[str]], *, encrypted: bool) -> Outcome:
        try:
            return _ask("judge_sender", lambda found: Outcome(found[0]), message, tuple(inside), tuple(signers), encrypted)
        except SmimeError:
            return Outcome.SENDER_UNCLEAR


def _cell_for(trust: Trust) -> Cell:
    return _PATIENT if sum(map(len, trust.crls)) > _LONG_CRLS else _CELL


def _ask(task: str, made: Callable[[Any], T], *arguments: Any, cell: Cell = _CELL) -> T:
    """The answer to a task, made into what it is. Raises TooSlow, TooLarge, MalformedCms, UnsupportedAlgorithm, ParsingFailed."""
    blobs: Blobs = []
    packed = pack(arguments, blobs)
    try:
        answer, found = cell.run(f"{_MODULE}:{task}", packed, *blobs)
    except ParseTimeout as error:
        raise TooSlow("reading took too long") from error
    except ParseTooBig as error:
        raise TooLarge("reading needed too much memory") from error
    except IsolationError as error:
        raise ParsingFailed("reading failed") from error
    if isinstance(answer, dict) and "error" in answer:
        raise _ERRORS.get(answer["error"], MalformedCms)(str(answer.get("text", ""))[:200])
    try:
        return made(unpack(answer, found))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ParsingFailed("reading gave nothing that can be used") from error


def _plain(trust: Trust) -> tuple[Any, ...]:
    return astuple(trust)


def _judgement(values: Any) -> CertificateJudgement:
    outcome, *rest = values
    return CertificateJudgement(Outcome(outcome), *rest)


def _envelope(values: Any) -> Envelope:
    recipients, *rest = values
    return Envelope(tuple(_recipient(values) for values in recipients), *rest)


def _recipient(values: Any) -> Transported | Agreed:
    return Transported(*values) if len(values) == len(Transported._fields) else Agreed(*values)


def _verification(values: Any) -> Verification:
    outcome, content, certificate, signatures, *rest = values
    return Verification(Outcome(outcome), content, certificate, tuple(_signature(values) for values in signatures), *rest)


def _senders_certificates(values: Any) -> SendersCertificates | EncryptionRefused:
    if len(values) == 1:
        return EncryptionRefused(None if values[0] is None else Outcome(values[0]))
    return SendersCertificates(*values)


def _signature(values: Any) -> Signature:
    outcome, *rest = values
    return Signature(Outcome(outcome), *rest)


def _peeled(values: Any) -> Peeled:
    kind, envelope, verification, *rest = values
    return Peeled(
        Kind(kind),
        None if envelope is None else _envelope(envelope),
        None if verification is None else _verification(verification),
        *rest,
    )
