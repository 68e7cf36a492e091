"""Evidence: documents of an application, looked at by their content, encrypted under the application's data key."""

import hashlib
import unicodedata
import uuid
from datetime import datetime

from django.db import transaction

from mailer.custody import decrypt_for, encrypt_for
from onboarding.applications import OPEN_TO_APPLICANT, Application, Evidence
from onboarding.moving import NotOpenError, note
from onboarding.people.models import User
from onboarding.sniffing import MediaType, sniff

LARGEST_FILE = 10 * 1024 * 1024
MOST_FILES = 10
LONGEST_NAME = 100
ENDINGS = {MediaType.PDF: ".pdf", MediaType.PNG: ".png", MediaType.JPEG: ".jpg"}


class FileTooLargeError(Exception):
    """The file is larger than 10 MB."""


class EmptyFileError(Exception):
    """The file has no content."""


class TooManyFilesError(Exception):
    """The application has ten files already."""


class SameFileError(Exception):
    """The application has this very file already."""


def add(application: Application, *, filename: str, content: bytes, actor: User, at: datetime) -> Evidence:
    """Keep a document, encrypted.

    Raises EmptyFileError, FileTooLargeError, sniffing.NotEvidenceError, sniffing.DamagedFileError, TooManyFilesError, SameFileError, and
    NotOpenError where the application is with the reviewers.
    """
    if not content:
        raise EmptyFileError
    if len(content) > LARGEST_FILE:
        raise FileTooLargeError
    kind = sniff(content)
    digest = hashlib.sha256(content).hexdigest()
    key = uuid.uuid4()
    with transaction.atomic():
        _lock_open(application)
        if application.evidence.count() >= MOST_FILES:
            raise TooManyFilesError
        if application.evidence.filter(digest=digest).exists():
            raise SameFileError
        kept = Evidence.objects.create(
            id=key,
            application=application,
            filename=safe_name(filename, kind),
            media_type=kind.value,
            size=len(content),
            digest=digest,
            content=encrypt_for(application.pk, content, context=_context(key)),
            actor=actor.actor,
            at=at,
        )
        note(application, "add_evidence", actor=actor.actor, reason=kept.filename, at=at)
    return kept


def remove(evidence: Evidence, *, actor: User, at: datetime) -> None:
    """Delete a document; NotOpenError where the application is with the reviewers."""
    with transaction.atomic():
        _lock_open(evidence.application)
        Evidence.objects.filter(pk=evidence.pk).delete()
        note(evidence.application, "remove_evidence", actor=actor.actor, reason=evidence.filename, at=at)


def open_content(evidence: Evidence) -> bytes:
    """The document itself, for a machine; a person reads it by `read`."""
    return decrypt_for(evidence.application_id, bytes(evidence.content), context=_context(evidence.pk))


def read(evidence: Evidence, *, actor: User, at: datetime) -> bytes:
    """The document itself. That it was read is written down."""
    content = open_content(evidence)
    note(evidence.application, "read_evidence", actor=actor.actor, reason=evidence.filename, at=at)
    return content


def safe_name(filename: str, kind: MediaType) -> str:
    """A name that is only a name: no path, no control or direction characters, the ending that the content has."""
    plain = unicodedata.normalize("NFC", filename).replace("\\", "/").rpartition("/")[2]
    plain = "".join(character for character in plain if unicodedata.category(character)[0] not in "CZ" or character == " ")
    stem = "".join("-" if character in '<>:"|?*%' else character for character in plain).rpartition(".")[0] or plain
    return (stem.strip(" .")[:LONGEST_NAME] or "document") + ENDINGS[kind]


def _lock_open(application: Application) -> None:
    # The lock keeps a submission from passing between the look at the status and the change.
    status = Application.objects.select_for_update().values_list("status", flat=True).get(pk=application.pk)
    if status not in OPEN_TO_APPLICANT:
        raise NotOpenError


def _context(key: uuid.UUID) -> str:
    return f"evidence:{key}"
