"""The directory in the administration."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from directory.administration import ReadOnlyAdmin, ReasonForm, act, reason_given
from directory.errors import DirectoryError
from directory.models import (
    Answer,
    ApiToken,
    Certificate,
    Change,
    DirectoryEvent,
    LookupCount,
    Mailbox,
    Organization,
    RevocationSource,
    SendingDomain,
    TrustedAuthority,
)
from directory.organizations import reinstate, suspend
from directory.publishing import hide, revoke
from directory.tokens import revoke_token


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin[Organization]):
    list_display = ("legal_name", "country", "organization_identifier", "status", "validated_at", "valid_until")
    list_filter = ("status", "country")
    search_fields = ("legal_name", "organization_identifier", "domains__domain")
    actions = ("suspend", "reinstate")
    action_form = ReasonForm

    @admin.action(description=_("Suspend: stop all tokens"), permissions=["act"])
    def suspend(self, request: HttpRequest, rows: QuerySet[Organization]) -> None:
        reason = reason_given(self, request)
        if reason:
            act(self, request, rows, lambda row, actor, at: suspend(organization=row, reason=reason, actor=actor, at=at), refusals=DirectoryError)

    @admin.action(description=_("Reinstate"), permissions=["act"])
    def reinstate(self, request: HttpRequest, rows: QuerySet[Organization]) -> None:
        reason = reason_given(self, request)
        if reason:
            act(self, request, rows, lambda row, actor, at: reinstate(organization=row, reason=reason, actor=actor, at=at), refusals=DirectoryError)


@admin.register(SendingDomain)
class SendingDomainAdmin(ReadOnlyAdmin[SendingDomain]):
    list_display = ("domain", "organization", "proven_at", "valid_until")
    list_select_related = ("organization",)
    search_fields = ("domain", "organization__legal_name")


@admin.register(Mailbox)
class MailboxAdmin(ReadOnlyAdmin[Mailbox]):
    list_display = ("address", "hidden_at", "erased_at")
    search_fields = ("match",)
    # The mailer erases: what leads into the directory has to forget the address as well.
    actions: tuple[str, ...] = ("hide",)

    @admin.action(description=_("Hide: answer as if not known"), permissions=["act"])
    def hide(self, request: HttpRequest, rows: QuerySet[Mailbox]) -> None:
        act(self, request, rows, lambda row, actor, at: hide(mailbox=row, actor=actor, at=at), refusals=DirectoryError)


@admin.register(Certificate)
class CertificateAdmin(ReadOnlyAdmin[Certificate]):
    list_display = ("fingerprint", "mailbox", "level", "source", "status", "not_after", "published_at")
    list_filter = ("status", "level", "source")
    list_select_related = ("mailbox",)
    search_fields = ("=fingerprint", "=mailbox__match", "organization_name")
    actions = ("withdraw",)

    @admin.action(description=_("Take out of the directory for ever (issued ones: revoke the issuance)"), permissions=["act"])
    def withdraw(self, request: HttpRequest, rows: QuerySet[Certificate]) -> None:
        outside = rows.exclude(source="issued").select_related("mailbox")
        act(self, request, outside, lambda row, actor, at: revoke(certificate=row, reason="unspecified", actor=actor, at=at), refusals=DirectoryError)


@admin.register(Answer)
class AnswerAdmin(ReadOnlyAdmin[Answer]):
    list_display = ("match", "changes_at")
    search_fields = ("=match",)


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin[Change]):
    list_display = ("id", "kind", "match", "actor", "at", "done_at")
    list_filter = ("kind",)
    search_fields = ("=match", "=fingerprint")


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin[ApiToken]):
    list_display = ("prefix", "name", "organization", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("organization",)
    search_fields = ("=prefix", "name", "organization__legal_name")
    actions = ("revoke",)

    @admin.action(description=_("Revoke"), permissions=["act"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiToken]) -> None:
        act(self, request, rows, lambda row, actor, at: revoke_token(token=row, actor=actor, at=at), refusals=DirectoryError)


@admin.register(DirectoryEvent)
class DirectoryEventAdmin(ReadOnlyAdmin[DirectoryEvent]):
    list_display = ("id", "at", "actor", "verb", "subject")
    list_filter = ("verb",)
    search_fields = ("actor", "subject")


@admin.register(TrustedAuthority)
class TrustedAuthorityAdmin(ReadOnlyAdmin[TrustedAuthority]):
    list_display = ("subject", "kind", "source", "added_at", "removed_at", "actor")
    list_filter = ("kind", "source")
    search_fields = ("=fingerprint", "subject")


@admin.register(RevocationSource)
class RevocationSourceAdmin(ReadOnlyAdmin[RevocationSource]):
    list_display = ("url", "fetched_at", "fault", "added_at", "actor")


@admin.register(LookupCount)
class LookupCountAdmin(ReadOnlyAdmin[LookupCount]):
    list_display = ("hour", "organization", "lookups", "found")
    list_select_related = ("organization",)
