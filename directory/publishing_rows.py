"""The statements that publishing one certificate for a new mailbox takes, prepared once: a publication waits for each of them.

(1) The fingerprint is locked. (2) A new mailbox, and what the directory has seen of the fingerprint. That is a statement of its own, since one
sees only what was there when it began. (3) The certificate, its event and the `Change` for the mailer.
"""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from directory.copying import fetch_bound
from directory.events import Verb
from directory.models import Certificate, ChangeKind, Mailbox
from directory.x509.names import EmailAddress

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(name)b::text, 0))"

_BEGIN = """
WITH new AS (
    INSERT INTO directory_mailbox (address, match, proven_at) VALUES (%(address)b, %(match)b, %(proven_at)b::timestamptz)
    ON CONFLICT (match) DO NOTHING RETURNING id
)
SELECT
    (SELECT id FROM new),
    nextval(pg_get_serial_sequence('directory_certificate', 'id')),
    EXISTS (SELECT FROM directory_certificate WHERE fingerprint = %(fingerprint)b AND (status = 'revoked' OR revocation_reason <> ''))
"""

# A value that may be NULL says of what type it is: one without would be another statement to prepare.
_CASTS = {"organization_id": "::uuid", "smime_capabilities": "::bytea", "judged_at": "::timestamptz", "ended_at": "::timestamptz"}
_CASTS |= {"id": "::bigint", "mailbox_id": "::bigint", "key_bits": "::int", "chain": "::bytea[]"}
_COLUMNS = [field.attname for field in Certificate._meta.concrete_fields]
_PUBLISH = f"""
WITH certificate AS (
    INSERT INTO directory_certificate ({", ".join(_COLUMNS)}) VALUES ({", ".join(f"%({name})b{_CASTS.get(name, '')}" for name in _COLUMNS)})
), event AS (
    INSERT INTO directory_directoryevent (at, actor, verb, subject, organization_id, detail)
    VALUES (%(published_at)b, %(actor)b, %(verb)b, %(subject)b, %(organization_id)b::uuid, %(detail)b)
)
INSERT INTO directory_change (kind, address, match, fingerprint, organization_id, actor, at)
VALUES (%(kind)b, %(address)b, %(match)b, %(fingerprint)b, %(organization_id)b::uuid, %(actor)b, %(published_at)b) RETURNING id
"""  # noqa: S608 - the names of our own columns


class Begun(NamedTuple):
    """The mailbox: locked and empty if it is `new`, else to be read yet. Besides the id for a new certificate, and whether it was ever revoked."""

    mailbox: Mailbox
    new: bool
    certificate_id: int
    revoked: bool


def lock_fingerprint(fingerprint: str) -> None:
    """What is published here must not have been revoked there at the same time. Taken before any mailbox, and held to the end."""
    fetch_bound(_LOCK, {"name": f"certificate:{fingerprint}"})


def begin(address: EmailAddress, *, fingerprint: str, proven_at: datetime | None) -> Begun:
    """Make the address's mailbox if it has none. Call with the fingerprint locked."""
    given: dict[str, Any] = {"address": address.address, "match": address.match, "proven_at": proven_at}
    [(new, certificate_id, revoked)] = fetch_bound(_BEGIN, given | {"fingerprint": fingerprint})
    mailbox = Mailbox(pk=new, **given)
    mailbox._state.adding = False
    return Begun(mailbox, new is not None, certificate_id, revoked)


def write_published(certificate: Certificate, *, mailbox: Mailbox, actor: str) -> None:
    """Insert a certificate that has its id, and say that it was published."""
    columns = {name: getattr(certificate, name) for name in _COLUMNS}
    columns |= {name: str(columns[name]) for name in ("level", "source", "status")}  # psycopg has none of our enumerations
    said = {
        "actor": actor,
        "verb": Verb.CERTIFICATE_PUBLISHED.value,
        "subject": f"certificate:{certificate.fingerprint}",
        "detail": Jsonb({"level": columns["level"], "source": columns["source"]}),
        "kind": ChangeKind.PUBLISHED.value,
        "address": mailbox.address,
        "match": mailbox.match,
    }
    fetch_bound(_PUBLISH, columns | said)
    certificate._state.adding = False
