"""API tokens: `ll_live_<8 public characters>_<secret>`, shown once and stored as SHA-256."""

import hashlib
import re
import secrets
import string
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hmac import compare_digest

from django.db import transaction
from django.db.models import Q

from directory.errors import BadTokenError, SuspendedOrganizationError, TokenRequestError
from directory.events import Verb, record
from directory.models import ApiToken, Organization, OrganizationStatus


class Scope(StrEnum):
    LOOKUP = "lookup"
    INVITE = "invite"
    PUBLISH = "publish"
    ENROL = "enrol"
    REVOKE = "revoke"
    SEND = "send"
    TEMPLATE = "template"
    WEBHOOK = "webhook"
    READ_LOG = "read_log"


SCOPES: tuple[str, ...] = tuple(Scope)
MOST_LIVE_TOKENS = 20
MOST_VALID_DAYS = 730
MOST_NAME_LENGTH = 80
# How long a process may go on with what it last read of a token: a revocation counts everywhere after this.
KNOWN_FOR = timedelta(seconds=5)
USED_EVERY = timedelta(minutes=1)

_PREFIX_ALPHABET = string.ascii_letters + string.digits
_PREFIX_LENGTH = 8
_SECRET_BYTES = 32
_FORM = re.compile(r"ll_live_([A-Za-z0-9]{8})_[A-Za-z0-9_-]{43}\Z")
_MOST_KNOWN = 10_000

_known: dict[str, tuple[ApiToken, datetime]] = {}
_UNKNOWN: tuple[ApiToken | None, datetime] = (None, datetime.min.replace(tzinfo=UTC))
# What was no live token when it was read, and until when it is not read again: apart, so that bad ones do not push out good ones.
_refused: dict[str, datetime] = {}


def make_token(
    *, organization: Organization, name: str, scopes: Iterable[str], actor: str, at: datetime, valid_days: int = 365
) -> tuple[ApiToken, str]:
    """A new token and its text, which is kept nowhere; raises TokenRequestError or SuspendedOrganizationError."""
    name, wanted = name.strip(), set(scopes)
    if not name or len(name) > MOST_NAME_LENGTH or not name.isprintable():
        raise TokenRequestError(f"A token has a name of at most {MOST_NAME_LENGTH} printable characters.")
    if not wanted or not wanted <= set(SCOPES):
        raise TokenRequestError("A token has at least one scope, each of them a known one.")
    if not 1 <= valid_days <= MOST_VALID_DAYS:
        raise TokenRequestError(f"A token lives from 1 to {MOST_VALID_DAYS} days.")
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(_PREFIX_LENGTH))
    text = f"ll_live_{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    with transaction.atomic():
        owner = Organization.objects.select_for_update().get(pk=organization.pk)
        if owner.status != OrganizationStatus.ACTIVE:
            raise SuspendedOrganizationError("The organisation is suspended.")
        if owner.tokens.filter(revoked_at=None, expires_at__gt=at).count() >= MOST_LIVE_TOKENS:
            raise TokenRequestError(f"An organisation has at most {MOST_LIVE_TOKENS} live tokens.")
        token = ApiToken.objects.create(
            organization=owner,
            name=name,
            prefix=prefix,
            digest=_digest(text),
            scopes=[scope for scope in SCOPES if scope in wanted],
            created_by=actor,
            created_at=at,
            expires_at=at + timedelta(days=valid_days),
        )
        record(actor=actor, verb=Verb.TOKEN_MADE, subject=f"token:{prefix}", at=at, organization=owner, detail={"scopes": token.scopes})
    return token, text


@transaction.atomic
def revoke_token(*, token: ApiToken, actor: str, at: datetime) -> None:
    """End a token, here at once and in every process within 5 s. To revoke it again changes nothing."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=at):
        token.revoked_at = at
        record(actor=actor, verb=Verb.TOKEN_REVOKED, subject=f"token:{token.prefix}", at=at, organization=token.organization)
    forget_known()


def find_token(text: str, *, at: datetime) -> ApiToken:
    """The live token of an active organisation that `text` is, with its organisation loaded; raises BadTokenError."""
    form = _FORM.match(text)
    if form is None:
        raise BadTokenError("This is not a token.")
    token = ApiToken.objects.select_related("organization").filter(prefix=form[1]).first()
    if token is None or not compare_digest(token.digest, _digest(text)):
        raise BadTokenError("There is no such token.")
    if token.revoked_at is not None or token.expires_at <= at or token.organization.status != OrganizationStatus.ACTIVE:
        raise BadTokenError("The token no longer works.")
    return token


def recall_token(text: str, *, at: datetime) -> ApiToken | None:
    """The token that this process has read at most 5 s ago, from memory alone; None where `find_known_token` has to be asked."""
    token, until = _known.get(_digest(text), _UNKNOWN)
    return token if token is not None and at < until and at < token.expires_at else None


def find_known_token(text: str, *, at: datetime) -> ApiToken:
    """As `find_token`, by what this process read at most 5 s ago; notes about once a minute that the token is in use."""
    token = recall_token(text, at=at)
    if token is not None:
        return token
    digest = _digest(text)
    if at < _refused.get(digest, at):
        raise BadTokenError("The token did not work a moment ago.")
    try:
        token = find_token(text, at=at)
    except BadTokenError:
        if len(_refused) >= _MOST_KNOWN:
            _refused.clear()
        _refused[digest] = at + KNOWN_FOR
        raise
    if token.last_used_at is None or token.last_used_at < at - USED_EVERY:
        ApiToken.objects.filter(Q(last_used_at=None) | Q(last_used_at__lt=at - USED_EVERY), pk=token.pk).update(last_used_at=at)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[digest] = (token, at + KNOWN_FOR)
    return token


def forget_known() -> None:
    """Make this process read every token anew."""
    _known.clear()
    _refused.clear()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
