"""The tables of claims: people, applications, evidence and decisions."""

from onboarding.applications import Application, ApplicationEvent, CheckResult, Decision, Evidence
from onboarding.people.models import EmailConfirmation, Membership, PersonEvent, Role, StaffRole, StaffRoleName, User

__all__ = [
    "Application",
    "ApplicationEvent",
    "CheckResult",
    "Decision",
    "EmailConfirmation",
    "Evidence",
    "Membership",
    "PersonEvent",
    "Role",
    "StaffRole",
    "StaffRoleName",
    "User",
]
