"""The habits of every page in the administration: it shows, it does not edit; what changes goes through the verbs.

The site itself lets in nobody but staff with the second factor, so what is asked here is only who is staff.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ActionForm
from django.db.models import BinaryField, Model, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from directory.errors import DirectoryError
from directory.explanations import explain

ModelT = TypeVar("ModelT", bound=Model)
# Never drawn, not even encrypted or hashed.
SECRET_FIELDS = frozenset({"password", "digest", "secret_digest", "chain", "dns_value"})


class ReasonForm(ActionForm):
    """An action and, where it must be accounted for, the reason."""

    reason = forms.CharField(label=_("Reason:"), max_length=200, required=False)


class ReadOnlyAdmin(ModelAdmin[ModelT]):
    """Lists and shows rows. Bytes and secrets stay out."""

    show_full_result_count = False
    list_per_page = 50

    def has_view_permission(self, request: HttpRequest, obj: ModelT | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return request.user.is_active and bool(getattr(request.user, "is_staff", False))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Who may use the actions: whoever may look."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: ModelT | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ModelT | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def get_urls(self) -> list[URLPattern]:
        """The list and the single row alone: nothing is added, deleted or edited here, so there is no history of edits either."""
        return [url for url in super().get_urls() if url.name is not None and url.name.endswith(("_changelist", "_change"))]

    def get_fields(self, request: HttpRequest, obj: ModelT | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django's signature
        """Every column but bytes and secrets."""
        return tuple(
            field.name
            for field in self.model._meta.get_fields()
            if field.concrete and not field.many_to_many and not isinstance(field, BinaryField) and field.name not in SECRET_FIELDS
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelT]:
        """Bytes are not even read."""
        heavy = [field.name for field in self.model._meta.get_fields() if isinstance(field, BinaryField)]
        return super().get_queryset(request).defer(*heavy)


def act(
    admin: ModelAdmin[ModelT],
    request: HttpRequest,
    rows: Iterable[ModelT],
    verb: Callable[[ModelT, str, datetime], Any],
    *,
    refusals: type[Exception] | tuple[type[Exception], ...],
) -> None:
    """Call `verb(row, actor, at)` for each row, and tell how many were done and what was refused."""
    actor: str = getattr(request.user, "actor")  # noqa: B009 - every user of ours has one; Django's own type does not know it
    done = 0
    for row in rows:
        try:
            verb(row, actor, timezone.now())
        except refusals as error:
            admin.message_user(request, f"{row}: {explain(error) if isinstance(error, DirectoryError) else error}", messages.ERROR)
        else:
            done += 1
    if done:
        admin.message_user(request, ngettext("Done for %(count)d row.", "Done for %(count)d rows.", done) % {"count": done}, messages.SUCCESS)


def reason_given(admin: ModelAdmin[ModelT], request: HttpRequest) -> str | None:
    """The reason typed beside the action; without one the action is refused with a message."""
    reason = request.POST.get("reason", "").strip()
    if not reason:
        admin.message_user(request, gettext("Type the reason beside the action: it goes into the log."), messages.ERROR)
        return None
    return reason[:200]
