"""Celery tasks of this room: they carry ids, may run twice, and hold no logic."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from onboarding.checks.running import run_checks
from onboarding.people.registering import forget_expired


@shared_task
def check_application(application_id: str) -> None:
    run_checks(UUID(application_id), at=timezone.now())


@shared_task
def forget_registrations() -> None:
    forget_expired(at=timezone.now())
