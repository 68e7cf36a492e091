"""People, applications and decisions in the administration. Evidence is read on the review desk, not here."""

from django.contrib import admin

from directory.administration import ReadOnlyAdmin
from onboarding.models import (
    Application,
    ApplicationEvent,
    CheckResult,
    Decision,
    EmailConfirmation,
    Evidence,
    Membership,
    PersonEvent,
    StaffRole,
    User,
)


@admin.register(User)
class UserAdmin(ReadOnlyAdmin[User]):
    list_display = ("email", "name", "is_active", "is_staff", "email_confirmed_at", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("email",)


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin[Membership]):
    list_display = ("user", "organization", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "organization")
    search_fields = ("user__email", "organization__legal_name")


@admin.register(StaffRole)
class StaffRoleAdmin(ReadOnlyAdmin[StaffRole]):
    list_display = ("user", "role")
    list_filter = ("role",)
    list_select_related = ("user",)


@admin.register(EmailConfirmation)
class EmailConfirmationAdmin(ReadOnlyAdmin[EmailConfirmation]):
    list_display = ("email", "created_at", "expires_at", "used_at")
    search_fields = ("email",)


@admin.register(PersonEvent)
class PersonEventAdmin(ReadOnlyAdmin[PersonEvent]):
    list_display = ("id", "at", "user", "verb", "actor")
    list_filter = ("verb",)
    list_select_related = ("user",)


@admin.register(Application)
class ApplicationAdmin(ReadOnlyAdmin[Application]):
    list_display = ("legal_name", "country", "domain", "status", "applicant", "submitted_at", "deadline_at", "claimed_by")
    list_filter = ("status", "country")
    list_select_related = ("applicant", "claimed_by")
    search_fields = ("legal_name", "domain", "register_number", "applicant__email")
    ordering = ("-created_at",)


@admin.register(Evidence)
class EvidenceAdmin(ReadOnlyAdmin[Evidence]):
    list_display = ("filename", "application", "media_type", "size", "actor", "at")
    list_select_related = ("application",)


@admin.register(CheckResult)
class CheckResultAdmin(ReadOnlyAdmin[CheckResult]):
    list_display = ("check_name", "application", "outcome", "code", "at")
    list_filter = ("outcome", "check_name")
    list_select_related = ("application",)


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin[Decision]):
    list_display = ("application", "reviewer", "round", "verdict", "at")
    list_filter = ("verdict",)
    list_select_related = ("application", "reviewer")


@admin.register(ApplicationEvent)
class ApplicationEventAdmin(ReadOnlyAdmin[ApplicationEvent]):
    list_display = ("id", "at", "application", "action", "from_status", "to_status", "actor")
    list_filter = ("action",)
    list_select_related = ("application",)
