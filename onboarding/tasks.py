"""Celery tasks of this room: they carry ids, may run twice, and hold no logic."""

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from onboarding.checks.running import run_checks, unchecked
from onboarding.people.registering import forget_expired


@shared_task
def check_application(application_id: str) -> None:
    run_checks(UUID(application_id), at=timezone.now())


@shared_task
def check_waiting() -> None:
    """One task each: one application's fault keeps no other from its checks."""
    for application_id in unchecked():
        check_application.apply_async((str(application_id),), expires=60)


@shared_task
def forget_registrations() -> None:
    forget_expired(at=timezone.now())
