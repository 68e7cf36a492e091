"""The face's own tags: icons, statuses, identity levels, fingerprints, form fields, moments."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django import template
from django.forms import BaseForm, BoundField, CheckboxInput, FileInput
from django.forms.widgets import CheckboxSelectMultiple, RadioSelect
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext

from directory.models import Certificate
from mailer.models import Message
from portal import statuses

register = template.Library()

LEVELS: Mapping[str, tuple[int, Promise]] = {
    "V1": (1, _("mailbox-validated")),
    "V2": (2, _("individual-validated")),
    "V3": (3, _("sponsor-validated")),
    "V4": (4, _("organisation-validated")),
}
FOLDS = ("M0 7h3v2H0z", "M4 5h3v4H4z", "M8 3h3v6H8z", "M12 1h3v8H12z")
GROUP = 4
NOTICES = {
    "success": ("ok", "ok"),
    "warning": ("wait", "warn"),
    "error": ("bad", "bad"),
}


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """An icon of the page's sprite; `size` is empty, `lg` or `xl`. Always beside a word."""
    return format_html('<svg class="icon{}" aria-hidden="true"><use href="#i-{}"/></svg>', f" is-{size}" if size else "", name)


@register.simple_tag
def status(value: str, kind: str = "message", *, bare: bool = False, word: str | Promise | None = None) -> SafeString:
    """A status as icon and word. `word` replaces the mapping's own."""
    seen = statuses.look(value, kind)
    shown = seen.word if word is None else word
    if bare:
        return format_html('<span class="status is-bare is-{}">{}<span>{}</span></span>', seen.tone, icon(seen.icon), shown)
    return format_html('<span class="status is-{}">{}{}</span>', seen.tone, icon(seen.icon), shown)


@register.filter
def tone(value: str, kind: str = "message") -> str:
    """The class of a status's tone, such as `is-ok`."""
    return f"is-{statuses.look(value, kind).tone}"


@register.filter
def status_icon(value: str, kind: str = "message") -> str:
    """The name of a status's icon."""
    return statuses.look(value, kind).icon


@register.simple_tag
def level(value: Any, *, short: bool = False) -> SafeString:
    """An identity level, V1 to V4 or external: as many folds as were checked. Takes a level or anything that has one."""
    name = str(getattr(value, "level", value) or "")
    if name not in LEVELS:
        return format_html('<span class="level is-outside"><b>{}</b></span>', _("external"))
    folds, word = LEVELS[name]
    paths = format_html_join("", '<path class="{}" d="{}"/>', (("on" if at < folds else "off", path) for at, path in enumerate(FOLDS)))
    shown = "" if short else format_html(" {}", word)
    return format_html(
        '<span class="level is-{}"><b><svg class="pips" viewBox="0 0 15 9" aria-hidden="true">{}</svg>{}</b>{}</span>',
        name.lower(),
        paths,
        name,
        shown,
    )


@register.simple_tag
def fingerprint(value: bytes | str, *, short: bool = False, narrow: bool = False) -> SafeString:
    """A SHA-256 fingerprint (bytes or lower-case hex) in groups of four; `short` shows the two first groups and the last."""
    text = value.hex() if isinstance(value, bytes | memoryview) else str(value)
    groups = [text[at : at + GROUP] for at in range(0, len(text), GROUP)]
    if short:
        return format_html('<code class="mono nowrap">{} {} … {}</code>', groups[0], groups[1], groups[-1])
    spans = format_html_join(" ", "<span>{}</span>", ((group,) for group in groups))
    return format_html('<code class="fingerprint{}">{}</code>', " is-narrow" if narrow else "", spans)


@register.filter
def soft_address(value: object) -> SafeString:
    """An e-mail address that may be broken before its @."""
    local, at, domain = str(value).rpartition("@")
    return format_html("{}<wbr>{}{}", local, at, domain) if at else format_html("{}", domain)


@register.simple_tag
def recipient(letter: Message) -> SafeString:
    """Who a letter is for, or that this was erased."""
    return soft_address(letter.recipient) if letter.recipient else format_html('<span class="mute">{}</span>', _("erased"))


@register.simple_tag
def moment(value: datetime | date | None, style: str = "MINUTE") -> SafeString:
    """A point in time as `<time>` in the reader's zone: DAY, MINUTE (day and minute), EXACT (with seconds). Nothing for None."""
    if value is None:
        return SafeString("")
    local = timezone.localtime(value) if isinstance(value, datetime) else value
    if not isinstance(local, datetime) or style == "DAY":
        return format_html('<time datetime="{}">{}</time>', f"{local:%Y-%m-%d}", date_format(local, "SHORT_DATE_FORMAT"))
    clock = f"{local:%H:%M:%S}" if style == "EXACT" else f"{local:%H:%M}"
    words = pgettext("a day and a time of it", "%(day)s, %(clock)s") % {"day": date_format(local, "SHORT_DATE_FORMAT"), "clock": clock}
    return format_html('<time datetime="{}">{}</time>', local.isoformat(timespec="seconds"), words)


@register.inclusion_tag("parts/error_summary.html")
def error_summary(form: BaseForm) -> dict[str, object]:
    """What is wrong with a form, each line a link to its field. For the top of a page that draws its fields one by one."""
    return {"form": form}


@register.simple_tag
def field(bound: BoundField) -> SafeString:
    """One field of a form: label, hint, error, control."""
    return bound.as_field_group()


@register.simple_tag
def control(bound: BoundField) -> SafeString:
    """A field's control alone, with this portal's class on it. A widget's own classes (`is-8`, `is-mono`) are kept."""
    widget = bound.field.widget
    own = widget.attrs.get("class", "")
    plain = isinstance(widget, CheckboxInput | FileInput | CheckboxSelectMultiple | RadioSelect)
    names = " ".join(part for part in ("" if plain else "input", own) if part)
    return bound.as_widget(attrs={"class": names} if names else {})


@register.filter
def is_checkbox(bound: BoundField) -> bool:
    """Whether a field is one tick box, whose label stands behind it."""
    return isinstance(bound.field.widget, CheckboxInput)


@register.filter
def has_choices(bound: BoundField) -> bool:
    """Whether a field is a group of radios or tick boxes."""
    return isinstance(bound.field.widget, RadioSelect | CheckboxSelectMultiple)


@register.filter
def focus_id(bound: BoundField) -> str:
    """The id of what takes the focus when a field is pointed at: a group's first choice, else the control."""
    return f"{bound.auto_id}_0" if has_choices(bound) else bound.id_for_label


@register.filter
def notice_tone(tag: str) -> str:
    """The class of a notice for the level of a message from `django.contrib.messages`."""
    return f"is-{NOTICES.get(tag, ('idle', 'info'))[0]}"


@register.filter
def notice_icon(tag: str) -> str:
    """The icon of a notice for the level of a message."""
    return NOTICES.get(tag, ("idle", "info"))[1]


@register.simple_tag
def event_look(event: str) -> statuses.Look:
    """How a line of the send log looks: tone, icon, word. A name without a look is shown as it is."""
    return statuses.event(event)


@register.filter
def event_detail(detail: str) -> str | Promise:
    """What is told beside a line of the send log: the mailer's codes in words, a relay's words as they are."""
    return statuses.detail(detail)


@register.simple_tag
def key_name(certificate: Certificate) -> str:
    """A certificate's key and its use in words, such as `RSA 3072, encrypts only`."""
    kind = f"EC {certificate.key_curve}" if certificate.key_curve else f"{certificate.key_type} {certificate.key_bits}"
    uses = {
        (True, True): _("%(key)s, signs and encrypts"),
        (True, False): _("%(key)s, signs only"),
        (False, True): _("%(key)s, encrypts only"),
        (False, False): _("%(key)s, of no use"),
    }
    return str(uses[certificate.can_sign, certificate.can_encrypt]) % {"key": kind}
