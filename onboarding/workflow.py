"""What reviewers do: claim, give back, ask, approve, reject. Nothing is approved by one person.

Applicant, first and second reviewer are three people. Whoever acts holds the application by a claim that lapses, and names the version
that was read; of two who act at once the second is told so.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from directory.errors import DuplicateOrganizationError
from directory.organizations import create_organization
from directory.x509.names import EmailAddress
from mailer.ca.errors import NameRefusedError
from mailer.issuing import intend
from onboarding import letters
from onboarding.applications import OPEN_TO_REVIEWERS, Application, Decision, Verdict
from onboarding.checks.duplicates import identifier_of_claim
from onboarding.moving import StaleApplicationError, move, note
from onboarding.people.models import Membership, Role, StaffRoleName, User
from onboarding.states import Action, Status

CLAIM_FOR = timedelta(minutes=30)
DOMAIN_PROOF_FOR = timedelta(days=398)


class ReviewError(Exception):
    """The reviewer cannot do this now."""


class NotAReviewerError(ReviewError):
    """The account has no reviewer's role."""


class OwnApplicationError(ReviewError):
    """Nobody reviews their own application, or one of an organisation that they belong to."""


class SameReviewerError(ReviewError):
    """The second look is another person's."""


class ClaimedError(ReviewError):
    """Another reviewer holds the application."""


class ClaimNeededError(ReviewError):
    """The reviewer does not hold the application, or the claim has lapsed."""


class ReasonNeededError(ReviewError):
    """A question or a rejection says why."""


class DomainUnprovenError(ReviewError):
    """Control of the domain was never proven, or so long ago that it no longer counts."""


class NameUnfitError(ReviewError):
    """No certificate can carry the name."""


class AlreadyValidatedError(ReviewError):
    """An organisation with this identifier is validated."""


def claim(application: Application, *, actor: User, at: datetime) -> None:
    """Hold an application for half an hour; claiming again prolongs it.

    Raises NotAReviewerError, OwnApplicationError, SameReviewerError, ClaimedError, StaleApplicationError (it is not to be reviewed).
    """
    _check_person(application, actor)
    free = Q(claimed_by=None) | Q(claimed_until__lte=at) | Q(claimed_by=actor)
    with transaction.atomic():
        rows = Application.objects.filter(free, pk=application.pk, status__in=OPEN_TO_REVIEWERS, version=application.version)
        if not rows.update(claimed_by=actor, claimed_until=at + CLAIM_FOR):
            application.refresh_from_db()
            raise ClaimedError if application.is_open_to_reviewers and application.claimed_by_id else StaleApplicationError
        note(application, "claim", actor=actor.actor, at=at)
    application.refresh_from_db()


def give_back(application: Application, *, actor: User, at: datetime) -> None:
    """Let go of a claim. Raises ClaimNeededError."""
    with transaction.atomic():
        if not Application.objects.filter(pk=application.pk, claimed_by=actor).update(claimed_by=None, claimed_until=None):
            raise ClaimNeededError
        note(application, "give_back", actor=actor.actor, at=at)
    application.refresh_from_db()


def request_information(application: Application, *, version: int, question: str, actor: User, at: datetime) -> None:
    """Ask the applicant; the clock stands still until the answer. Raises a ReviewError, WrongStateError, StaleApplicationError."""
    if not question.strip():
        raise ReasonNeededError
    with transaction.atomic():
        _take(application, version=version, actor=actor, at=at)
        move(
            application,
            Action.REQUEST_INFORMATION,
            actor=actor.actor,
            at=at,
            reason=question,
            changes={"question": question, "paused_at": at, **_LET_GO},
        )
        letters.tell_applicant(application, letters.INFORMATION_REQUESTED, at=at, text=question)


def approve(application: Application, *, version: int, reason: str = "", actor: User, at: datetime) -> None:
    """Approve. The first approval passes the application on; the second, by another person, makes the organisation.

    Organisation, owner's membership, intent of a certificate, status and mail are one transaction; nothing is signed here.
    Raises a ReviewError, WrongStateError, StaleApplicationError.
    """
    with transaction.atomic():
        _take(application, version=version, actor=actor, at=at)
        _check_domain(application, at)
        _decide(application, Verdict.APPROVE, reason=reason, actor=actor, at=at)
        if application.status == Status.SUBMITTED:
            move(application, Action.APPROVE_FIRST, actor=actor.actor, at=at, changes=_LET_GO)
        else:
            _admit(application, actor=actor, at=at)


def reject(application: Application, *, version: int, reason: str, actor: User, at: datetime) -> None:
    """Reject, with a reason that the applicant reads. Raises a ReviewError, WrongStateError, StaleApplicationError."""
    if not reason.strip():
        raise ReasonNeededError
    with transaction.atomic():
        _take(application, version=version, actor=actor, at=at)
        _decide(application, Verdict.REJECT, reason=reason, actor=actor, at=at)
        move(application, Action.REJECT, actor=actor.actor, at=at, reason=reason, changes=_LET_GO)
        letters.tell_applicant(application, letters.REJECTED, at=at, text=reason)


def may_review(application: Application, person: User) -> bool:
    """Whether this person may give the look that is due."""
    try:
        _check_person(application, person)
    except ReviewError:
        return False
    return True


def is_own(application: Application, person: User) -> bool:
    """Whether the person applied, or belongs to an organisation that sends from the same domain."""
    return application.applicant_id == person.pk or Membership.objects.filter(user=person, organization__domains__domain=application.domain).exists()


def first_look(application: Application) -> Decision | None:
    """The verdict that the second look follows, in this round."""
    return application.decisions.select_related("reviewer").filter(round=application.round, verdict=Verdict.APPROVE).order_by("id").first()


_LET_GO: dict[str, object] = {"claimed_by": None, "claimed_until": None}


def _take(application: Application, *, version: int, actor: User, at: datetime) -> None:
    """Lock the row and read it again; what was decided upon must be what stands there."""
    Application.objects.select_for_update().get(pk=application.pk)
    application.refresh_from_db()
    if application.version != version:
        raise StaleApplicationError
    _check_person(application, actor)
    if not application.held_by(actor, at):
        raise ClaimNeededError


def _check_person(application: Application, person: User) -> None:
    if not person.is_active or not person.has_staff_role(StaffRoleName.REVIEWER):
        raise NotAReviewerError
    if is_own(application, person):
        raise OwnApplicationError
    if application.decisions.filter(reviewer=person, round=application.round).exists():
        raise SameReviewerError


def _check_domain(application: Application, at: datetime) -> None:
    if application.domain_proven_at is None or application.domain_proven_at + DOMAIN_PROOF_FOR <= at:
        raise DomainUnprovenError


def _decide(application: Application, verdict: Verdict, *, reason: str, actor: User, at: datetime) -> None:
    Decision.objects.create(application=application, reviewer=actor, round=application.round, verdict=verdict, reason=reason, at=at)


def _admit(application: Application, *, actor: User, at: datetime) -> None:
    try:
        organization = create_organization(
            legal_name=application.legal_name,
            country=application.country,
            organization_identifier=identifier_of_claim(application),
            address=application.address,
            website=application.website,
            time_zone=application.time_zone,
            domain=application.domain,
            actor=actor.actor,
            at=at,
        )
    except DuplicateOrganizationError as error:
        raise AlreadyValidatedError from error
    Membership.objects.create(user=application.applicant, organization=organization, role=Role.OWNER, created_at=at)
    try:
        intend(organization=organization, address=EmailAddress.parse(application.sending_address), actor=actor.actor, at=at)
    except NameRefusedError as error:
        raise NameUnfitError from error
    move(application, Action.APPROVE_SECOND, actor=actor.actor, at=at, changes={"organization": organization, **_LET_GO})
    letters.tell_applicant(application, letters.APPROVED, at=at)
