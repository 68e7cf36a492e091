"""Mails to people of this room: each is a row of the mailer's own outbox, written in the transaction of the step it tells of."""

from datetime import datetime
from urllib.parse import urljoin

from django.conf import settings
from django.urls import reverse

from directory.x509.names import EmailAddress
from mailer.notices import send_notice
from onboarding.applications import Application

SUBMITTED = "application_submitted"
INFORMATION_REQUESTED = "information_requested"
APPROVED = "application_approved"
REJECTED = "application_rejected"


def tell_applicant(application: Application, kind: str, *, at: datetime, text: str = "") -> None:
    """Tell the applicant of a step: the organisation's name, where to read on, the deadline in its own time zone, and the reviewers' text."""
    person = application.applicant
    context = {
        "name": person.name,
        "legal_name": application.legal_name,
        "url": urljoin(settings.LETTERLOCK_URL, reverse("application", args=[application.pk])),
        "deadline": application.deadline_at.astimezone(application.zone) if application.deadline_at else None,
        "time_zone": application.time_zone,
        "text": text,
    }
    send_notice(to=EmailAddress.parse(person.email), kind=kind, context=context, language=person.language, at=at)
