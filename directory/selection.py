"""Which certificate to use, and why not the others.

An expired certificate never hides a valid one; one that only signs never encrypts; one that was revoked is never usable.
Among the usable ones the better validated wins, then the newer, then the lower fingerprint: two readers always choose alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from directory.models import Certificate, CertificateStatus, Level


class Usage(StrEnum):
    ENCRYPT = "encrypt"
    SIGN = "sign"


class Candidate(Protocol):
    """What a choice goes by: a row of the certificates, as a model or as the few columns that a reader needs."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def can_encrypt(self) -> bool: ...
    @property
    def can_sign(self) -> bool: ...
    @property
    def not_before(self) -> datetime: ...
    @property
    def not_after(self) -> datetime: ...
    @property
    def published_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime | None: ...


_Candidate = TypeVar("_Candidate", bound=Candidate)


class Reason(StrEnum):
    """Why a candidate was taken or not: the words of a receipt. The first four are of usable ones."""

    SELECTED = "selected"
    LOWER_LEVEL = "lower_level"
    OLDER = "older"
    TIE = "tie"
    NOT_YET_PUBLISHED = "not_yet_published"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    USAGE = "usage"


_RANK = {level: rank for rank, level in enumerate((Level.V4, Level.V3, Level.V2, Level.V1, Level.EXTERNAL))}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the receipt."""

    fingerprint: str
    accepted: bool
    reason: Reason


@dataclass(frozen=True, slots=True)
class Selection:
    """`usable` certificates, best first; `selected` is the first of them. The receipt names every candidate."""

    usable: tuple[Certificate, ...]
    receipt: tuple[Verdict, ...]

    @property
    def selected(self) -> Certificate | None:
        return self.usable[0] if self.usable else None


def select(certificates: Iterable[Certificate], *, usage: Usage, at: datetime) -> Selection:
    """Judge one mailbox's certificates at the moment `at`. What was erased is not a candidate and leaves no line."""
    candidates = [certificate for certificate in certificates if certificate.status != CertificateStatus.ERASED]
    objections = [(certificate, _objection(certificate, usage=usage, at=at)) for certificate in candidates]
    usable = tuple(sorted((certificate for certificate, reason in objections if reason is None), key=_order))
    refused = sorted((certificate.fingerprint, reason) for certificate, reason in objections if reason is not None)
    accepted = (Verdict(certificate.fingerprint, accepted=True, reason=_placing(certificate, usable[0])) for certificate in usable)
    return Selection(usable, (*accepted, *(Verdict(fingerprint, accepted=False, reason=reason) for fingerprint, reason in refused)))


def usable(candidates: Iterable[_Candidate], *, usage: Usage, at: datetime) -> list[_Candidate]:
    """The usable ones as `select` chooses them, the selected one first, without a receipt."""
    return sorted((candidate for candidate in candidates if _objection(candidate, usage=usage, at=at) is None), key=_order)


def _placing(certificate: Certificate, first: Certificate) -> Reason:
    if certificate is first:
        return Reason.SELECTED
    if certificate.level != first.level:
        return Reason.LOWER_LEVEL
    return Reason.OLDER if certificate.not_before < first.not_before else Reason.TIE


def _order(certificate: Candidate) -> tuple[int, float, str]:
    return _RANK[Level(certificate.level)], -certificate.not_before.timestamp(), certificate.fingerprint


def _objection(certificate: Candidate, *, usage: Usage, at: datetime) -> Reason | None:
    checks = (
        (certificate.published_at > at, Reason.NOT_YET_PUBLISHED),
        (certificate.ended_at is not None and certificate.ended_at <= at, _ending(certificate)),
        (certificate.not_before > at, Reason.NOT_YET_VALID),
        (certificate.not_after <= at, Reason.EXPIRED),
        (not (certificate.can_encrypt if usage is Usage.ENCRYPT else certificate.can_sign), Reason.USAGE),
    )
    return next((reason for applies, reason in checks if applies), None)


def _ending(certificate: Candidate) -> Reason:
    return Reason.REVOKED if certificate.status == CertificateStatus.REVOKED else Reason.SUPERSEDED
