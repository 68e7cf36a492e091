"""What an organisation lets stand outside its sealed mails (RFC 9788): its own choice, with an event in the same transaction."""

from datetime import datetime

from django.db import transaction

from directory.events import record
from directory.models import Organization
from mailer.models import SendingPolicy, SubjectPolicy
from mailer.smime.headers import unstructured


def policy_of(organization: Organization) -> SendingPolicy:
    """The organisation's choice; without one a neutral subject in our wording, as a row that is not stored."""
    return SendingPolicy.objects.filter(organization=organization).first() or SendingPolicy(organization=organization)


def choose_subject(*, organization: Organization, subject: SubjectPolicy, neutral_subject: str, actor: str, at: datetime) -> SendingPolicy:
    """Choose what stands outside in place of a mail's subject; holds for what is sealed from now on.

    `neutral_subject` is the organisation's wording, blank for ours. The same choice again changes nothing and leaves no event.
    Raises UnsafeCharacter for a wording that no header can carry.
    """
    unstructured(neutral_subject, field="neutral_subject")
    wanted = {"subject": subject, "neutral_subject": neutral_subject}
    with transaction.atomic():
        # One choice at a time: the event says what it replaced.
        Organization.objects.select_for_update().get(pk=organization.pk)
        before = policy_of(organization)
        if before.changed_at is not None and {name: getattr(before, name) for name in wanted} == wanted:
            return before
        policy, _is_new = SendingPolicy.objects.update_or_create(organization=organization, defaults={**wanted, "changed_at": at})
        record(
            actor=actor,
            verb="sending_policy.changed",
            subject=f"organization:{organization.pk}",
            at=at,
            organization=organization,
            detail={"subject": subject.value, "neutral_subject": neutral_subject, "before": before.subject},
        )
    return policy
