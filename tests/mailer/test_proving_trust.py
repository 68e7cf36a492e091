"""What an uploaded certificate of somebody else's CA is shown as: its level and name only as the operator's trust store says."""

from datetime import datetime

import pytest
from cryptography.x509.oid import NameOID

from directory.models import Certificate, Organization
from mailer.models import Publication
from mailer.proving import RevokedUploadError, submit
from mailer.uploads import handed_in
from portal.running.inbox import InboxServer
from tests.mailer.foreign import STRICT, ForeignAuthority, keep, trust
from tests.mailer.letters import CHARLIE, Desk
from tests.mailer.replacements import DORA, TO, upload
from tests.pki import Holder

pytestmark = pytest.mark.django_db


@pytest.fixture
def elsewhere(now: datetime) -> ForeignAuthority:
    """Its root is chosen, and its lists are at hand."""
    authority = ForeignAuthority(now)
    trust(authority.root, at=now)
    keep(authority.crl(issuer=authority.root), authority.crl(), at=now)
    return authority


def v4(authority: ForeignAuthority, organization: Organization) -> Holder:
    return authority.leaf(TO, STRICT["V4"], subject=[(NameOID.ORGANIZATION_NAME, organization.legal_name)])


def test_it_says_whom_a_chosen_authority_has_validated(
    bank: Organization, elsewhere: ForeignAuthority, inbox_server: InboxServer, desk: Desk, now: datetime
) -> None:
    holder = v4(elsewhere, bank)
    given = handed_in(elsewhere.issuer.pem + holder.pem, DORA)
    upload(holder, inbox_server, desk, now, chain=given.chain)
    certificate = Certificate.objects.get()
    assert (certificate.level, certificate.trust, certificate.organization_name) == ("V4", "verified", bank.legal_name)
    assert [bytes(der) for der in certificate.chain] == elsewhere.chain
    assert certificate.organization is None, "the name is told on; the organisation here is not it"


def test_charlies_authority_validates_nobody(
    bank: Organization, elsewhere: ForeignAuthority, inbox_server: InboxServer, desk: Desk, now: datetime
) -> None:
    """The same words under a root of the same name that nobody chose."""
    del elsewhere
    charlies = ForeignAuthority(now)
    upload(v4(charlies, bank), inbox_server, desk, now, chain=[*charlies.chain, charlies.root.der])
    certificate = Certificate.objects.get()
    assert (certificate.level, certificate.trust, certificate.organization_name) == ("external", "untrusted", "")


def test_it_refuses_what_its_issuer_has_revoked(bank: Organization, elsewhere: ForeignAuthority, now: datetime) -> None:
    holder = v4(elsewhere, bank)
    keep(elsewhere.crl([holder], number=2), elsewhere.crl(issuer=elsewhere.root), at=now)
    with pytest.raises(RevokedUploadError):
        submit(address=DORA, der=holder.der, chain=elsewhere.chain, organization=None, actor=CHARLIE, at=now)
    assert not Publication.objects.exists()
