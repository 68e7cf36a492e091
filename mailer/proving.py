"""Publishing one's own certificate: the mailbox is proven by a mail, and the key by decrypting that mail or by signing a challenge.

(1) The certificate is parsed and judged.
(2) A mail with a secret link and a code is stored with the publication, in one transaction: sealed to the certificate if it encrypts, else in clear.
(3) Whoever gives back link or code has the mailbox and, if the mail was sealed, the private key (edge rule 16). The link shows what will be
    published; only its POST does something. A code is given over the API; the fifth wrong one ends the publication.
(4) The key of a certificate that only signs is proven by a signed answer to a challenge (`mailer.answering`), which is told once the mailbox is
    proven, and in the clear mail: a mailed answer proves both at once.
(5) What is proven is published, or waits while it replaces a live certificate (`mailer.replacing`); whose key agrees to that by a signed answer.
(6) Link, code and challenge work once, for 24 hours.
"""

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urljoin
from uuid import UUID

from cryptography import x509
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from directory.errors import DirectoryError, RevokedCertificateError, RevokedIssuerError
from directory.events import record
from directory.models import Organization
from directory.publishing import MOST_CHAIN, note_proof, was_revoked
from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.errors import UnpublishableError, X509Error
from directory.x509.gate import check_publishable
from directory.x509.names import EmailAddress
from mailer.answering import AnswerError, Purpose, challenge_of, read_answer
from mailer.ca.authorities import names_one_of_ours
from mailer.ca.ledger import has_issued
from mailer.custody import cipher_of
from mailer.forgetting import let_in
from mailer.inviting import SECRET_BYTES, answer_invitations, digest_of
from mailer.models import Publication, PublicationStatus, Replacement
from mailer.notice_mail import clear_mail, new_message_id, sealed_mail, words
from mailer.notices import PORTAL, store_notice
from mailer.proof_budget import spent
from mailer.publication_states import TRANSITIONS, move
from mailer.replacing import ReplacementError, accept_old_key, publish_or_wait
from mailer.replacing import challenge as challenge_of_replacement
from mailer.reply_addresses import proof_address
from mailer.smime.recipients import Recipient
from mailer.trust_store import Judgement, check_unrevoked, judge_foreign

LIFETIME = timedelta(hours=24)
# No letter that is taken for a digit or for another letter when it is read aloud or typed from a screen.
CODE_LETTERS, CODE_LENGTH = "23456789ABCDEFGHJKMNPQRSTVWXYZ", 8
MOST_WRONG_CODES = 5
_CHUNK = 1000
_AWAITING = frozenset({PublicationStatus.AWAITING_MAILBOX_PROOF, PublicationStatus.AWAITING_POSSESSION_PROOF})


class ProvingError(Exception):
    """The root of what can go wrong on the way to a publication."""


class ForgedIssuerError(UnpublishableError):
    """The certificate names one of our CAs as its issuer, and the ledger does not have it."""

    code = "forged_issuer"


class RevokedUploadError(UnpublishableError):
    """It was revoked here, or its issuer has revoked it."""

    code = "revoked_certificate"


class RevokedIssuerUploadError(UnpublishableError):
    """An authority above it was revoked."""

    code = RevokedIssuerError.code


class TooManyProofsError(ProvingError):
    """The address has had its proof mails of the last 24 hours."""


class UnknownProofError(ProvingError):
    """No publication waits behind this link or number."""


class UsedProofError(ProvingError):
    """It has done its work, or its publication was refused."""


class ExpiredProofError(ProvingError):
    pass


class RefusedProofError(ProvingError):
    """Proven, and still not publishable; the cause is the directory's named error."""


class WrongCodeError(ProvingError):
    """Not the code that was mailed; `left` more may be given."""

    def __init__(self, left: int) -> None:
        super().__init__(left)
        self.left = left


class RefusedAnswerError(ProvingError):
    """The signed answer proves nothing; `outcome` is that of the AnswerError which is the cause."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def submit(
    *, address: EmailAddress, der: bytes, organization: Organization | None, actor: str, at: datetime, chain: Sequence[bytes] = ()
) -> Publication:
    """(1), (2): keep the certificate, and the intermediates that came with it, and mail its proof.

    Raises the errors of `parse_certificate` and `check_publishable`, ForgedIssuerError, RevokedUploadError,
    RevokedIssuerUploadError, TooManyProofsError.
    """
    parsed = parse_certificate(der)
    check_publishable(parsed, address=address, at=at)
    if names_one_of_ours(x509.load_der_x509_certificate(parsed.der)) and not has_issued(parsed.der):
        raise ForgedIssuerError("The certificate names this portal's CA as its issuer, which has not issued it.")
    kept = list(chain)[:MOST_CHAIN]
    if was_revoked(parsed.fingerprint):
        raise RevokedUploadError("The certificate was revoked.")
    try:
        check_unrevoked(judge_foreign(parsed.der, kept, at=at).trust)
    except RevokedCertificateError as error:
        raise RevokedUploadError(str(error)) from error
    except RevokedIssuerError as error:
        raise RevokedIssuerUploadError(str(error)) from error
    secret, code = secrets.token_urlsafe(SECRET_BYTES), "".join(secrets.choice(CODE_LETTERS) for _letter in range(CODE_LENGTH))
    with transaction.atomic():
        if spent(address.match, at=at, organization=organization):
            raise TooManyProofsError
        publication = Publication(
            organization=organization,
            address=address.address,
            match=address.match,
            der=parsed.der,
            chain=kept,
            fingerprint=parsed.fingerprint,
            secret_digest=digest_of(secret),
            actor=actor,
            created_at=at,
            expires_at=at + LIFETIME,
        )
        publication.code_digest = _digest_of_code(publication, code)
        message_id = new_message_id()
        mail = _proof_mail(publication, parsed, secret, code, to=address, message_id=message_id, at=at)
        publication.notice = store_notice(mail, to=address, kind="proof", message_id=message_id, actor=actor, at=at)
        publication.save(force_insert=True)
        record(actor=actor, verb="publication.submitted", subject=f"publication:{publication.id}", organization=organization, at=at)
    return publication


def is_sealed(publication: Publication) -> bool:
    """(2) Whether the proof was sealed to the certificate, so that link and code prove the key too."""
    return parse_certificate(bytes(publication.der)).can_encrypt


def find_proof(secret: str, *, at: datetime) -> Publication:
    """(3) What waits behind a mailed link. Raises UnknownProofError, UsedProofError, ExpiredProofError."""
    found = _check(Publication.objects.select_related("organization").filter(secret_digest=digest_of(secret)).first(), at=at)
    if found.expires_at <= at:
        raise ExpiredProofError
    return found


def confirm(secret: str, *, at: datetime) -> Publication:
    """(3) The link's POST. Raises as `find_proof`, and RefusedProofError, which ends the publication."""
    found = find_proof(secret, at=at)
    judgement = _judge(found, at=at)
    with transaction.atomic():
        publication, refusal = _prove_by_mail(_lock(found.pk, at=at), judgement, at=at)
    return _told(publication, refusal)


def confirm_code(publication_id: UUID, code: str, *, at: datetime) -> Publication:
    """(3) The mailed code. Raises as `confirm`, and WrongCodeError; the fifth wrong code ends the publication."""
    found = _check(Publication.objects.filter(pk=publication_id).first(), at=at)
    if found.status != PublicationStatus.AWAITING_MAILBOX_PROOF:
        raise UsedProofError
    judgement = _judge(found, at=at)
    refusal: X509Error | DirectoryError | None = None
    left = None
    with transaction.atomic():
        publication = _lock(found.pk, at=at)
        if publication.status != PublicationStatus.AWAITING_MAILBOX_PROOF:
            raise UsedProofError
        if hmac.compare_digest(publication.code_digest, _digest_of_code(publication, code)):
            publication, refusal = _prove_by_mail(publication, judgement, at=at)
        else:
            # Kept though an error is raised: it is raised outside.
            left = _count_wrong_code(publication, at=at)
    if left is not None:
        raise WrongCodeError(left)
    return _told(publication, refusal)


def answer(publication_id: UUID, message: bytes, *, at: datetime) -> Publication:
    """(4), (5): a signed answer, by the certificate's own key or by those that it replaces. Raises as `confirm`, and RefusedAnswerError."""
    found = _check(Publication.objects.filter(pk=publication_id).first(), at=at)
    try:
        if found.status == PublicationStatus.WAITING:
            return _agreed(found, message, at=at)
        read_answer(message, challenge=challenge(found), certificate_der=bytes(found.der), at=at)
    except AnswerError as error:
        raise RefusedAnswerError(error.outcome) from error
    judgement = _judge(found, at=at)
    with transaction.atomic():
        publication = _lock(found.pk, at=at)
        if publication.status not in _AWAITING:
            raise UsedProofError
        refusal = _publish(publication, judgement, at=at)
    return _told(publication, refusal)


def answer_by_mail(publication_id: UUID, message: bytes, at: datetime) -> Publication:
    """(4), (5): the answer as it came in by mail. Raises as `answer`."""
    return answer(publication_id, message, at=at)


def challenge(publication: Publication) -> str:
    """(4), (5): what a signed answer must hold now."""
    if publication.status == PublicationStatus.WAITING:
        return challenge_of_replacement(publication.replacement)
    return challenge_of(Purpose.PUBLISH, publication.id)


def expire_proofs(*, at: datetime) -> int:
    """(6) End what was not proven in time; returns how many."""
    over = list(Publication.objects.filter(status__in=_AWAITING, expires_at__lte=at)[:_CHUNK])
    return sum(move(publication, PublicationStatus.EXPIRED, actor="system:worker", at=at) for publication in over)


def _check(publication: Publication | None, *, at: datetime) -> Publication:
    if publication is None:
        raise UnknownProofError
    if publication.status == PublicationStatus.EXPIRED:
        raise ExpiredProofError
    if not TRANSITIONS[PublicationStatus(publication.status)]:
        raise UsedProofError
    if publication.status in _AWAITING and publication.expires_at <= at:
        raise ExpiredProofError
    return publication


def _lock(publication_id: UUID, *, at: datetime) -> Publication:
    return _check(Publication.objects.select_for_update().filter(pk=publication_id).first(), at=at)


def _judge(publication: Publication, *, at: datetime) -> Judgement:
    return judge_foreign(bytes(publication.der), [bytes(der) for der in publication.chain], at=at)


def _prove_by_mail(publication: Publication, judgement: Judgement, *, at: datetime) -> tuple[Publication, X509Error | DirectoryError | None]:
    """(3) The row is locked. What was proven before stays as it is."""
    if publication.status != PublicationStatus.AWAITING_MAILBOX_PROOF:
        return publication, None
    if is_sealed(publication):
        return publication, _publish(publication, judgement, at=at)
    actor = f"publication:{publication.id}"
    move(publication, PublicationStatus.AWAITING_POSSESSION_PROOF, actor=actor, at=at, facts={"proven_at": at})
    note_proof(match=publication.match, at=at)
    return publication, None


def _publish(publication: Publication, judgement: Judgement, *, at: datetime) -> X509Error | DirectoryError | None:
    """(5) The row is locked. The error for which it was refused is given back, so that the refusal is kept."""
    actor = f"publication:{publication.id}"
    try:
        with transaction.atomic():
            check_unrevoked(judgement.trust)
            done = publish_or_wait(
                address=EmailAddress.parse(publication.address),
                parsed=parse_certificate(bytes(publication.der)),
                level=judgement.level,
                source=publication.source,
                chain=[bytes(der) for der in publication.chain],
                trust=judgement.trust,
                actor=actor,
                at=at,
                publication=publication,
            )
    except (X509Error, DirectoryError) as error:
        move(publication, PublicationStatus.REFUSED, actor=actor, at=at, reason=error.code)
        return error
    if isinstance(done, Replacement):
        move(publication, PublicationStatus.WAITING, actor=actor, at=at, facts={"proven_at": at, "publish_at": done.publish_at})
        note_proof(match=publication.match, at=at)
    else:
        move(publication, PublicationStatus.PUBLISHED, actor=actor, at=at, facts={"proven_at": at})
        # Who was erased and proves the mailbox anew wants to be in again; one that waits may still be stopped.
        if let_in(publication.match):
            record(actor=actor, verb="mailbox.let_in", subject=actor, organization=publication.organization, at=at)
    answer_invitations(publication.match, at=at)
    return None


def _agreed(publication: Publication, message: bytes, *, at: datetime) -> Publication:
    """(5) The keys that it replaces agree. No lock is held here: `replacing` takes its own row first."""
    try:
        accept_old_key(publication.replacement.pk, message, at=at)
    except ReplacementError as error:
        raise UsedProofError from error
    publication.refresh_from_db()
    return publication


def _told(publication: Publication, refusal: X509Error | DirectoryError | None) -> Publication:
    if refusal is not None:
        raise RefusedProofError from refusal
    return publication


def _count_wrong_code(publication: Publication, *, at: datetime) -> int:
    publication.wrong_codes += 1
    publication.save(update_fields=["wrong_codes"])
    left = MOST_WRONG_CODES - publication.wrong_codes
    if left <= 0:
        move(publication, PublicationStatus.REFUSED, actor=f"publication:{publication.id}", at=at, reason="wrong_codes")
    return max(left, 0)


def _digest_of_code(publication: Publication, code: str) -> str:
    """Keyed, since a code is short enough to be tried; blanks, hyphens and case do not count."""
    plain = "".join(code.upper().split()).replace("-", "")
    return cipher_of(PORTAL).digest(plain, context=f"code:{publication.id}")


def _proof_mail(
    publication: Publication, parsed: ParsedCertificate, secret: str, code: str, *, to: EmailAddress, message_id: str, at: datetime
) -> bytes:
    """(2) Sealed where the certificate encrypts: then nobody without the key reads link and code."""
    reply_to = proof_address(publication.id)
    context = {
        "publication": publication,
        "parsed": parsed,
        "organization": publication.organization,
        "code": f"{code[:4]}-{code[4:]}",
        "challenge": challenge_of(Purpose.PUBLISH, publication.id),
        "reply_to": reply_to,
        "url": urljoin(settings.LETTERLOCK_URL, reverse("publication", args=[secret])),
        "hours": LIFETIME.total_seconds() // 3600,
    }
    if not parsed.can_encrypt:
        return clear_mail(words("proof_signing", context), to=to, message_id=message_id, at=at, reply_to=reply_to)
    with translation.override(settings.LANGUAGE_CODE):
        subject = _("Open this mail to publish your certificate")
    recipient = Recipient.from_parts(parsed.issuer_and_serial, parsed.spki)
    return sealed_mail(words("proof", context), subject=subject, to=to, recipients=[recipient], message_id=message_id, at=at)
