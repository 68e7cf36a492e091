"""Once a year a mailbox is asked whether its certificates are still its own (edge rule 20).

1. A year after its last proof a mail with a link goes to it, or where nobody ever proved it, a year after it was imported. The link
   shows what is published; its POST proves the mailbox for another year.
2. Whoever has not answered after 14 days is reminded, once.
3. 30 days after the first mail was handed over, and 16 after the second, the certificates that were issued elsewhere leave the answers, and a
   mail says so. What our own CA issued ends by its own validity.
4. A link that is too old gets another mailed, once in 24 hours.

Nobody else can spend these mails: they are none of the proof mails of the address (`mailer.proof_budget`), and at most three a question. One that
was not handed over is mailed again after 14 days; what was asked of nobody does not end.
"""

from datetime import datetime, timedelta
from urllib.parse import urljoin

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse

from directory import publishing
from directory.events import record
from directory.models import Certificate, CertificateStatus, Mailbox, Source
from directory.x509.names import EmailAddress
from mailer.models import LinkPurpose, NoticeStatus, OwnerLink
from mailer.notices import send_notice
from mailer.owner_links import LIFETIME, actor_of, find_link, store_link

YEAR = timedelta(days=365)
REMIND_AFTER, END_AFTER = timedelta(days=14), timedelta(days=30)
MOST_MAILS = 3
CHUNK = 500
WORKER = "system:worker"


def ask_due(*, at: datetime) -> int:
    """(1) Ask the mailboxes whose proof or import is a year old, oldest first, at most a chunk of each; returns how many were asked."""
    proven = _with_foreign_certificates(Mailbox.objects.filter(proven_at__lte=at - YEAR, reverify_asked_at=None, erased_at=None), at=at)
    due = list(proven.order_by("proven_at").values_list("pk", flat=True)[:CHUNK])
    # From the certificates, which have an index by age.
    of_nobody = _imported_a_year_ago(at=at).filter(mailbox__proven_at=None, mailbox__reverify_asked_at=None, mailbox__erased_at=None)
    imported = of_nobody.order_by("published_at").values_list("mailbox_id", flat=True)[:CHUNK]
    return sum(_ask(pk, at=at) for pk in dict.fromkeys([*due, *imported]))


def remind_due(*, at: datetime) -> int:
    """(2) Remind those that have not answered; returns how many."""
    waiting = Mailbox.objects.filter(reverify_asked_at__lte=at - REMIND_AFTER, erased_at=None)
    under_way = _links().filter(notice__status__in=[NoticeStatus.QUEUED, NoticeStatus.HANDING, NoticeStatus.HANDED])
    due = (
        _with_foreign_certificates(waiting, at=at)
        .filter(~Exists(_links().filter(created_at__gt=at - REMIND_AFTER)))
        .alias(mailed=_number_of(_links()), under_way=_number_of(under_way))
        .filter(mailed__lt=MOST_MAILS, under_way__lt=2)
    )
    return sum(_remind(pk, at=at) for pk in due.order_by("reverify_asked_at").values_list("pk", flat=True)[:CHUNK])


def end_due(*, at: datetime) -> int:
    """(3) Take out of the answers what nobody said is still theirs, and say so by mail; returns how many mailboxes."""
    over = _unanswered(at=at).order_by("reverify_asked_at")
    return sum(_end(pk, at=at) for pk in list(over.values_list("pk", flat=True)[:CHUNK]))


def confirm(secret: str, *, at: datetime) -> OwnerLink:
    """(1) The mailbox is still read, and its certificates stay for another year. Raises the errors of `find_link`."""
    link = find_link(secret, purpose=LinkPurpose.REVERIFY, at=at)
    with transaction.atomic():
        publishing.note_proof(match=link.match, at=at)
        record(actor=actor_of(link), verb="mailbox.proven_again", subject=f"owner_link:{link.id}", at=at)
    return link


@transaction.atomic
def renew(old: OwnerLink, *, at: datetime) -> OwnerLink | None:
    """(4) Mail a new link in place of one that is too old, to the same address; None where one was mailed within 24 hours."""
    mailbox = Mailbox.objects.select_for_update().filter(match=old.match, erased_at=None).first()
    recent = OwnerLink.objects.filter(match=old.match, purpose=LinkPurpose.REVERIFY, created_at__gt=at - LIFETIME)
    if mailbox is None or recent.exists():
        return None
    return _mail(mailbox, actor=actor_of(old), at=at)


@transaction.atomic
def _ask(pk: int, *, at: datetime) -> bool:
    is_due = Q(proven_at__lte=at - YEAR) | Q(Exists(_imported_a_year_ago(at=at).filter(mailbox=OuterRef("pk"))), proven_at=None)
    mailbox = Mailbox.objects.select_for_update(skip_locked=True).filter(is_due, pk=pk, reverify_asked_at=None, erased_at=None).first()
    if mailbox is None:
        return False
    Mailbox.objects.filter(pk=pk).update(reverify_asked_at=at)
    mailbox.reverify_asked_at = at
    _mail(mailbox, actor=WORKER, at=at)
    record(actor=WORKER, verb="mailbox.asked_again", subject=f"mailbox:{pk}", at=at)
    return True


@transaction.atomic
def _remind(pk: int, *, at: datetime) -> bool:
    mailbox = Mailbox.objects.select_for_update(skip_locked=True).filter(pk=pk, reverify_asked_at__isnull=False, erased_at=None).first()
    if mailbox is None or OwnerLink.objects.filter(match=mailbox.match, purpose=LinkPurpose.REVERIFY, created_at__gt=at - REMIND_AFTER).exists():
        return False
    _mail(mailbox, actor=WORKER, at=at)
    record(actor=WORKER, verb="mailbox.reminded", subject=f"mailbox:{pk}", at=at)
    return True


@transaction.atomic
def _end(pk: int, *, at: datetime) -> bool:
    mailbox = _unanswered(at=at).select_for_update(skip_locked=True, of=("self",)).filter(pk=pk).first()
    if mailbox is None:
        return False
    ended = list(_foreign(at=at).filter(mailbox=mailbox).order_by("id"))
    for certificate in ended:
        publishing.supersede(certificate=certificate, actor=WORKER, at=at)
    # Asked no more: whoever publishes again proves the mailbox by it.
    Mailbox.objects.filter(pk=pk).update(reverify_asked_at=None, proven_at=None)
    record(actor=WORKER, verb="mailbox.proof_lapsed", subject=f"mailbox:{pk}", at=at, detail={"certificates": len(ended)})
    if ended:
        context = {
            "address": mailbox.address,
            "certificates": ended,
            "days": END_AFTER.days,
            "url": urljoin(settings.LETTERLOCK_URL, reverse("publish")),
        }
        send_notice(to=EmailAddress.parse(mailbox.address), kind="proof_lapsed", context=context, actor=WORKER, at=at)
    return True


def _mail(mailbox: Mailbox, *, actor: str, at: datetime) -> OwnerLink:
    asked = mailbox.reverify_asked_at or at
    context = {
        "certificates": list(_foreign(at=at).filter(mailbox=mailbox).order_by("-published_at")),
        "is_reminder": asked < at,
        "ends_at": asked + END_AFTER,
    }
    return store_link(EmailAddress.parse(mailbox.address), purpose=LinkPurpose.REVERIFY, kind="reverify", context=context, actor=actor, at=at)


def _links() -> QuerySet[OwnerLink]:
    """Those that were mailed for the question that a mailbox was asked, of the outer query."""
    return OwnerLink.objects.filter(match=OuterRef("match"), purpose=LinkPurpose.REVERIFY, created_at__gte=OuterRef("reverify_asked_at"))


def _number_of(links: QuerySet[OwnerLink]) -> Coalesce:
    return Coalesce(Subquery(links.order_by().values("match").annotate(number=Count("pk")).values("number")), 0)


def _unanswered(*, at: datetime) -> QuerySet[Mailbox]:
    """(3) Whose two mails were handed over long enough ago."""
    handed = _links().filter(notice__status=NoticeStatus.HANDED)
    both = _number_of(handed.filter(notice__updated_at__lte=at - (END_AFTER - REMIND_AFTER)))
    asked = Mailbox.objects.filter(reverify_asked_at__lte=at - END_AFTER, erased_at=None)
    return asked.filter(Exists(handed.filter(notice__updated_at__lte=at - END_AFTER))).alias(both=both).filter(both__gte=2)


def _foreign(*, at: datetime) -> QuerySet[Certificate]:
    """Live certificates that were issued elsewhere."""
    return Certificate.objects.filter(status=CertificateStatus.PUBLISHED, not_after__gt=at).exclude(source=Source.ISSUED)


def _imported_a_year_ago(*, at: datetime) -> QuerySet[Certificate]:
    return _foreign(at=at).filter(source=Source.IMPORTED, published_at__lte=at - YEAR)


def _with_foreign_certificates(mailboxes: QuerySet[Mailbox], *, at: datetime) -> QuerySet[Mailbox]:
    return mailboxes.filter(Exists(_foreign(at=at).filter(mailbox=OuterRef("pk"))))
