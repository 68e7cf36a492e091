"""API tokens of an organisation: made and shown once, revoked at once."""

from datetime import datetime, timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from directory.errors import SuspendedOrganizationError, TokenRequestError
from directory.models import ApiToken
from directory.tokens import Scope, make_token, revoke_token
from onboarding.access import post_only
from onboarding.models import Membership
from portal.views.access import TOKEN_ROLES, member_page, room

EXPIRES_SOON = timedelta(days=30)
SCOPES: tuple[tuple[str, Promise], ...] = (
    (Scope.LOOKUP, _("look certificates up")),
    (Scope.SEND, _("send messages")),
    (Scope.READ_LOG, _("read the send log")),
    (Scope.PUBLISH, _("publish certificates")),
    (Scope.INVITE, _("invite recipients")),
)
LIFETIMES = ((365, _("12 months")), (180, _("6 months")), (30, _("30 days")))


class TokenForm(forms.Form):
    """What a new token is called, what it may do, and for how long."""

    name = forms.CharField(
        label=_("Name"), max_length=80, help_text=_("Where it will be used"), widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    scopes = forms.MultipleChoiceField(label=_("It may"), choices=SCOPES, widget=forms.CheckboxSelectMultiple)
    days = forms.TypedChoiceField(label=_("Expires after"), choices=LIFETIMES, coerce=int)

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not name.isprintable():
            raise forms.ValidationError(_("The name holds a character that cannot be printed. Type it anew."))
        return name


USUAL = {"scopes": [Scope.LOOKUP, Scope.SEND]}


@sensitive_variables("secret")
def _make(form: TokenForm, membership: Membership, *, at: datetime) -> tuple[ApiToken | None, str]:
    """Make what the form asks for; what stands against it becomes the form's error."""
    wanted = form.cleaned_data
    try:
        return make_token(
            organization=membership.organization,
            name=wanted["name"],
            scopes=wanted["scopes"],
            valid_days=wanted["days"],
            actor=membership.user.actor,
            at=at,
        )
    except SuspendedOrganizationError:
        form.add_error(None, _("This organisation is suspended: it can make no tokens now."))
    except TokenRequestError:
        form.add_error(None, _("This organisation has as many live tokens as it may. Revoke one that is no longer used, then make this one."))
    return None, ""


def state_of(token: ApiToken, *, at: datetime) -> str:
    """What a token's times make of it: live, expiring, expired or revoked."""
    if token.revoked_at:
        return "revoked"
    if token.expires_at <= at:
        return "expired"
    return "expiring" if token.expires_at - at < EXPIRES_SOON else "live"


@sensitive_variables("secret")
@require_http_methods(["GET", "HEAD", "POST"])
@member_page(roles=TOKEN_ROLES)
def tokens(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The tokens; a POST makes one and shows it in the answer, this once."""
    organization, now = membership.organization, timezone.now()
    made, secret = None, ""
    if request.method == "POST":
        form = TokenForm(request.POST)
        if form.is_valid():
            made, secret = _make(form, membership, at=now)
    else:
        form = TokenForm(initial=USUAL)
    if made:
        form = TokenForm(initial=USUAL)
    rows = [(token, state_of(token, at=now)) for token in organization.tokens.all()]
    live = sum(state in {"live", "expiring"} for _token, state in rows)
    context = room(membership, "tokens", form=form, rows=rows, live=live, made=made, secret=secret)
    return render(request, "organisation/tokens.html", context)


@post_only
@member_page(roles=TOKEN_ROLES)
def revoke(request: HttpRequest, membership: Membership, token_id: UUID) -> HttpResponse:
    """Revoke one token of this organisation; doing it twice changes nothing."""
    token = ApiToken.objects.filter(organization=membership.organization, id=token_id).first()
    if token is None:
        raise Http404
    revoke_token(token=token, actor=membership.user.actor, at=timezone.now())
    messages.success(request, gettext("“%(name)s” is revoked. Nobody can use it any more.") % {"name": token.name})
    return redirect("tokens", organization_id=membership.organization_id)
