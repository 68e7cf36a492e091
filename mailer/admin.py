"""The mailer in the administration. Contents and keys are never shown, not even encrypted."""

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from directory.admin import MailboxAdmin
from directory.administration import ReadOnlyAdmin, ReasonForm, act, reason_given
from directory.errors import DirectoryError
from directory.models import Mailbox
from mailer.ca.errors import AuthorityError
from mailer.ca.shards import Reason
from mailer.custody import CustodyError
from mailer.issuing import intend_anew
from mailer.mailbox_erasing import erase_address
from mailer.models import (
    Authority,
    Batch,
    CertificateRevocationList,
    Consent,
    ConsentLink,
    DataKey,
    ErasedAddress,
    Invitation,
    Issuance,
    LedgerEvent,
    Message,
    Notice,
    OwnerLink,
    Pause,
    Publication,
    RelayedMail,
    RelayLog,
    Replacement,
    SendEvent,
    SendingPolicy,
    SigningIdentity,
    Suppression,
)
from mailer.reconciling import NotUnknownError, settle
from mailer.revoking import revoke

# The directory's own page, with the one action that is more than the directory's.
admin.site.unregister(Mailbox)


@admin.register(Mailbox)
class ErasableMailboxAdmin(MailboxAdmin):
    actions = (*MailboxAdmin.actions, "erase")

    @admin.action(description=_("Erase the mailbox, its certificates and all that leads into it for ever"), permissions=["act"])
    def erase(self, request: HttpRequest, rows: QuerySet[Mailbox]) -> None:
        # An erased row says no more whose it was: there is nothing left to keep out.
        named = rows.filter(erased_at=None)
        refusals = (AuthorityError, DirectoryError, CustodyError)
        act(self, request, named, lambda row, actor, at: erase_address(row.match, actor=actor, at=at), refusals=refusals)


class RevocationForm(ActionForm):
    """The action and the reason that the CRL will give."""

    reason = forms.ChoiceField(label=_("Reason:"), choices=[(reason.value, reason.value.replace("_", " ")) for reason in Reason], required=False)


@admin.register(Authority)
class AuthorityAdmin(ReadOnlyAdmin[Authority]):
    list_display = ("slug", "parent", "assigned", "created_at")


@admin.register(SigningIdentity)
class SigningIdentityAdmin(ReadOnlyAdmin[SigningIdentity]):
    list_display = ("address", "organization", "status", "created_at")
    list_filter = ("status",)
    list_select_related = ("organization",)
    search_fields = ("=match", "organization__legal_name")


@admin.register(Issuance)
class IssuanceAdmin(ReadOnlyAdmin[Issuance]):
    list_display = ("address", "profile", "status", "serial", "issued_at", "not_after", "revoked_at")
    list_filter = ("status", "profile")
    search_fields = ("=address", "=serial")
    list_select_related = ("organization",)
    actions = ("revoke", "intend_anew")
    action_form = RevocationForm

    @admin.action(description=_("Revoke"), permissions=["act"])
    def revoke(self, request: HttpRequest, rows: QuerySet[Issuance]) -> None:
        asked = request.POST.get("reason", "")
        reason = Reason(asked) if asked in set(Reason) else Reason.UNSPECIFIED
        refusals = (AuthorityError, DirectoryError)
        act(self, request, rows, lambda row, actor, at: revoke(issuance_id=row.id, reason=reason, actor=actor, at=at), refusals=refusals)

    @admin.action(description=_("Issue anew what was refused"), permissions=["act"])
    def intend_anew(self, request: HttpRequest, rows: QuerySet[Issuance]) -> None:
        act(self, request, rows, lambda row, actor, at: intend_anew(issuance=row, actor=actor, at=at), refusals=AuthorityError)


@admin.register(LedgerEvent)
class LedgerEventAdmin(ReadOnlyAdmin[LedgerEvent]):
    list_display = ("id", "at", "actor", "event", "issuance", "detail")
    list_filter = ("event",)


@admin.register(CertificateRevocationList)
class CertificateRevocationListAdmin(ReadOnlyAdmin[CertificateRevocationList]):
    list_display = ("authority", "shard", "number", "this_update", "next_update")


@admin.register(DataKey)
class DataKeyAdmin(ReadOnlyAdmin[DataKey]):
    list_display = ("owner", "created_at")


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin[Batch]):
    list_display = ("id", "organization", "on_missing", "actor", "accepted_at")
    list_select_related = ("organization",)
    ordering = ("-accepted_at",)


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin[Message]):
    # What leads is a link, and an erased recipient is blank.
    list_display = ("accepted_at", "recipient", "organization", "status", "updated_at", "id")
    list_filter = ("status",)
    list_select_related = ("organization",)
    search_fields = ("=match", "=message_id", "=reference")
    ordering = ("-accepted_at",)
    actions = ("settle_taken", "settle_not_taken")
    action_form = ReasonForm

    @admin.action(description=_("Unknown ones: the relay took them"), permissions=["act"])
    def settle_taken(self, request: HttpRequest, rows: QuerySet[Message]) -> None:
        self._settle(request, rows, taken=True)

    @admin.action(description=_("Unknown ones: the relay did not take them, send them"), permissions=["act"])
    def settle_not_taken(self, request: HttpRequest, rows: QuerySet[Message]) -> None:
        self._settle(request, rows, taken=False)

    def _settle(self, request: HttpRequest, rows: QuerySet[Message], *, taken: bool) -> None:
        reason = reason_given(self, request)
        if reason:
            act(self, request, rows, lambda row, actor, _at: settle(row, taken=taken, actor=actor, reason=reason), refusals=NotUnknownError)


@admin.register(SendEvent)
class SendEventAdmin(ReadOnlyAdmin[SendEvent]):
    list_display = ("id", "at", "message_id", "event", "attempt", "actor", "detail")
    list_filter = ("event",)
    search_fields = ("=message__id",)
    ordering = ("-id",)


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin[Pause]):
    list_display = ("paused_at", "organization", "domain", "reason", "paused_by", "resumed_at")
    list_filter = (("resumed_at", admin.EmptyFieldListFilter),)
    list_select_related = ("organization",)
    ordering = ("-paused_at",)


@admin.register(SendingPolicy)
class SendingPolicyAdmin(ReadOnlyAdmin[SendingPolicy]):
    list_display = ("organization", "subject", "neutral_subject", "changed_at")
    list_filter = ("subject",)
    list_select_related = ("organization",)


@admin.register(RelayedMail)
class RelayedMailAdmin(ReadOnlyAdmin[RelayedMail]):
    list_display = ("queue", "message_id", "is_taken", "is_delayed", "is_sent", "is_bounced", "is_closed", "seen_at")
    list_filter = ("is_closed", "is_delayed")
    search_fields = ("=queue", "=message__id")
    ordering = ("-seen_at",)


@admin.register(RelayLog)
class RelayLogAdmin(ReadOnlyAdmin[RelayLog]):
    list_display = ("path", "offset", "read_at")


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin[Notice]):
    list_display = ("recipient", "kind", "status", "attempt", "created_at", "updated_at")
    list_filter = ("kind", "status")
    search_fields = ("=match",)
    ordering = ("-created_at",)


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin[Publication]):
    list_display = ("address", "status", "actor", "created_at", "expires_at", "proven_at")
    list_filter = ("status",)
    search_fields = ("=match", "=fingerprint")


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin[Invitation]):
    list_display = ("address", "organization", "actor", "created_at", "answered_at")
    list_select_related = ("organization",)
    search_fields = ("=match",)


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin[Suppression]):
    list_display = ("__str__", "at")


@admin.register(Consent)
class ConsentAdmin(ReadOnlyAdmin[Consent]):
    list_display = ("created_at", "address", "status", "reason", "organization", "answered_at")
    list_filter = ("status",)
    list_select_related = ("organization",)
    search_fields = ("=match",)


@admin.register(Replacement)
class ReplacementAdmin(ReadOnlyAdmin[Replacement]):
    list_display = ("created_at", "address", "status", "source", "level", "publish_at", "ended_at")
    list_filter = ("status",)
    search_fields = ("=match", "=fingerprint")


@admin.register(ConsentLink)
class ConsentLinkAdmin(ReadOnlyAdmin[ConsentLink]):
    list_display = ("created_at", "consent")
    list_select_related = ("consent",)


@admin.register(OwnerLink)
class OwnerLinkAdmin(ReadOnlyAdmin[OwnerLink]):
    list_display = ("created_at", "address", "expires_at")
    search_fields = ("=match",)


@admin.register(ErasedAddress)
class ErasedAddressAdmin(ReadOnlyAdmin[ErasedAddress]):
    list_display = ("digest", "at")
