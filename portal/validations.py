"""Who validated what of a published certificate, in words: name, mailbox, key and chain, each by whom and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from directory.models import Certificate, Level, Source, TrustedAuthority
from mailer.smime.outcomes import Outcome

MOST_STEPS = 6
_TRUST: Mapping[str, Promise] = {
    Outcome.UNTRUSTED: gettext_lazy("Its chain leads to no root that this installation trusts for mail."),
    Outcome.UNKNOWN_REVOCATION: gettext_lazy("Its chain leads to a trusted root, but whether it was revoked is not known here: that is not good."),
    Outcome.REVOKED: gettext_lazy("Its issuer has revoked it."),
    "issuer_revoked": gettext_lazy("An authority above it was revoked."),
}
_IDENTITY: Mapping[str, Promise] = {
    Level.V1: gettext_lazy("The mailbox alone: no name was checked."),
    Level.V2: gettext_lazy("A person was identified, beside the mailbox."),
    Level.V3: gettext_lazy("A person who works for a checked organisation."),
    Level.V4: gettext_lazy("The organisation itself: its register, its domain and its evidence."),
}


@dataclass(frozen=True)
class Check:
    """One line: what it is about, whether somebody known to us checked it, by whom and how, and when (None where it was not)."""

    what: str
    tone: str
    icon: str
    verdict: str
    how: str
    at: datetime | None


def checks_of(row: Certificate) -> list[Check]:
    """The lines for one certificate, in the order in which a reader asks."""
    return [_name(row), _mailbox(row), _key(row), _chain(row)]


def root_of(row: Certificate) -> str:
    """The name of the root in the trust store to which the chain of a verified certificate leads; empty where that is not found."""
    above = {bytes(der) for der in row.chain}
    known = {certificate.subject: certificate for der in above if (certificate := _load(der)) is not None}
    at = _load(bytes(row.der))
    for _step in range(MOST_STEPS):
        if at is None:
            break
        issuer = at.issuer
        subject = issuer.rfc4514_string()
        stored = list(TrustedAuthority.objects.filter(removed_at=None, subject=subject[:500]).order_by("kind")[:2])
        if any(one.kind == "root" for one in stored):
            return subject
        at = known.get(issuer) or (_load(bytes(stored[0].der)) if stored else None)
    return ""


def _name(row: Certificate) -> Check:
    what = _("Name")
    if row.level == Level.EXTERNAL:
        return _no(what, _("Nobody known to us validated the name in this certificate. Go by the address and the fingerprint alone."))
    how = str(_IDENTITY[row.level])
    if row.source == Source.ISSUED:
        by = (
            _("Two reviewers of this portal checked it before our own authority issued the certificate.")
            if row.level == Level.V4
            else _("Checked by this portal before our own authority issued the certificate.")
        )
        return _yes(what, f"{how} {by}", row.not_before)
    by = _("Its issuer says so under the rules of the CA/Browser Forum; we checked the chain, not the name.")
    return Check(what, "move", "check", _("By its issuer"), f"{how} {by}", row.judged_at or row.published_at)


def _mailbox(row: Certificate) -> Check:
    what = _("Mailbox")
    if row.source == Source.ISSUED:
        return _yes(
            what, _("Control of it, or of its whole domain, was shown before we issued the certificate."), row.mailbox.proven_at or row.not_before
        )
    if row.source == Source.UPLOADED:
        return _yes(what, _("Its owner opened a link that we mailed to it."), row.mailbox.proven_at or row.published_at)
    if row.source == Source.COLLECTED:
        return _yes(what, _("Its owner agreed to the publication by a link that we mailed to it."), row.mailbox.proven_at or row.published_at)
    if row.mailbox.proven_at is not None:
        return _yes(what, _("Its owner opened a link that we mailed to it."), row.mailbox.proven_at)
    return _no(what, _("Imported by those who run this portal; its owner was not asked by us."))


def _key(row: Certificate) -> Check:
    what = _("Key")
    if row.source == Source.ISSUED:
        return _yes(what, _("Our authority was shown it, or keeps it for the organisation that the certificate names."), row.not_before)
    if row.source == Source.UPLOADED:
        return _yes(what, _("Its holder opened a mail sealed to it, or answered with a mail signed by it."), row.published_at)
    if row.source == Source.COLLECTED:
        return _yes(
            what,
            _("A mail from this address was signed with it, or names it as the key to seal to, under a signature that we verified."),
            row.published_at,
        )
    return _no(what, _("Nobody showed us that the private key is the mailbox owner's."))


def _chain(row: Certificate) -> Check:
    what = _("Issuer")
    if row.source == Source.ISSUED:
        return _yes(what, _("Issued here, by this portal's own certificate authority."), row.not_before)
    if row.trust == Outcome.VERIFIED:
        root = root_of(row)
        told = (
            _("Its chain leads to the trusted root %(root)s and nothing in it is revoked.") % {"root": root}
            if root
            else _("Its chain leads to a trusted root and nothing in it is revoked.")
        )
        return _yes(what, told, row.judged_at)
    if row.trust in _TRUST:
        return _no(what, str(_TRUST[row.trust]), row.judged_at)
    return _no(what, _("Its chain was not judged, or could not be."), row.judged_at)


def _yes(what: str, how: str, at: datetime | None) -> Check:
    return Check(what, "ok", "check", _("Checked"), how, at)


def _no(what: str, how: str, at: datetime | None = None) -> Check:
    return Check(what, "wait", "warn", _("Not checked"), how, at)


def _load(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None
