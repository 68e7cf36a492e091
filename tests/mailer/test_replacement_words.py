"""What the old holder is told of another certificate: what was shown of it, by the way it came in, and no more."""

from datetime import datetime

import pytest
from django.test import Client

from directory.models import Organization
from mailer.models import Replacement
from portal.running.inbox import InboxServer
from tests.mailer.letters import publish_for
from tests.mailer.replacements import TO, leaf, proven, stop_path
from tests.pki import Authority

pytestmark = pytest.mark.django_db
HAVE_KEY = "they read mail to it and have the key"
WORDS = {
    "uploaded": HAVE_KEY,
    "collected": "They have not shown that they have its key.",
    "issued": "Our own authority issued another certificate for this address to",
    "imported": "Nobody has shown that they read mail to the address or have the key.",
}


@pytest.mark.parametrize("source", WORDS)
def test_it_says_what_was_shown(inbox_server: InboxServer, bank: Organization, authority: Authority, now: datetime, source: str) -> None:
    """Whoever agrees by mail that a certificate out of signed mail is published has shown no key of it: Charlie's may be pointed to as Dora's."""
    publish_for(leaf(authority, "dora"), TO, at=now)
    organization = bank if source == "issued" else None
    assert isinstance(proven(leaf(authority, "charlie"), now, source=source, organization=organization), Replacement)
    path = stop_path(inbox_server, now)
    mail = inbox_server.inbox.mails(TO)[-1].content.decode().replace("=\r\n", "")
    for told in (mail, Client().get(path).text):
        assert WORDS[source] in told
        assert (HAVE_KEY in told) == (source == "uploaded")
        assert (bank.legal_name in told) == (source == "issued")
