"""What the tests of replacing share: Dora's mailbox with a live certificate, and another that is proven for it."""

import re
from collections.abc import Sequence
from datetime import datetime

from directory.models import Certificate, CertificateStatus, Organization
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from mailer.models import Publication, Replacement
from mailer.notices import deliver_notices
from mailer.proving import confirm_code, submit
from mailer.replacing import publish_or_wait
from portal.running.inbox import InboxServer
from tests.mailer.letters import ALICE, Desk
from tests.pki import Authority, Holder, Usage, key_of

TO = "Dora@people.example.net"
DORA = EmailAddress.parse(TO)
Given = Certificate | Replacement


def leaf(authority: Authority, owner: str, *, kind: str = "p256", usage: Usage = Usage.DUAL, address: str = TO, days: int = 365) -> Holder:
    """A certificate for Dora's address with a key of somebody's own."""
    return authority.leaf(address, kind, usage, key=key_of(kind, owner), days=(-1, days))


def proven(holder: Holder, at: datetime, *, by_old_key: bool = False, organization: Organization | None = None, source: str = "uploaded") -> Given:
    """What becomes of a certificate for Dora's address that was proven."""
    parsed = parse_certificate(holder.der)
    level = "V4" if source == "issued" else "external"
    return publish_or_wait(
        address=DORA, parsed=parsed, level=level, source=source, organization=organization, actor=ALICE, at=at, by_old_key=by_old_key
    )


def published(match: str = DORA.match) -> set[str]:
    """The fingerprints of what stands published for an address."""
    rows = Certificate.objects.filter(mailbox__match=match, status=CertificateStatus.PUBLISHED)
    return set(rows.values_list("fingerprint", flat=True))


def path_in(content: bytes | str, room: str) -> str:
    text = (content.decode() if isinstance(content, bytes) else content).replace("=\r\n", "").replace("=\n", "")
    found = re.search(rf"/{room}/[\w-]+/", text)
    assert found, text
    return found[0]


def stop_path(inbox_server: InboxServer, at: datetime) -> str:
    """The link in the mail to the old holder, which is in clear: whoever reads the mailbox may stop it."""
    deliver_notices(at=at)
    return path_in(inbox_server.inbox.mails(TO)[-1].content, "replacements")


def upload(holder: Holder, inbox_server: InboxServer, desk: Desk, at: datetime, *, chain: Sequence[bytes] = ()) -> Publication:
    """Hand in and prove by the mailed code."""
    publication = submit(address=DORA, der=holder.der, chain=chain, organization=None, actor=ALICE, at=at)
    deliver_notices(at=at)
    content = desk.decrypt(inbox_server.inbox.mails(TO)[-1].content, holder).decode()
    found = re.search(r"^[2-9A-Z]{4}-[2-9A-Z]{4}\r?$", content, re.MULTILINE)
    assert found
    return confirm_code(publication.id, found[0].strip(), at=at)


def statuses(*holders: Holder) -> list[str]:
    rows = dict(Certificate.objects.values_list("fingerprint", "status"))
    return [rows.get(parse_certificate(holder.der).fingerprint, "") for holder in holders]
