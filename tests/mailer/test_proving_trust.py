"""What an uploaded certificate of somebody else's CA is shown as: its level and name only as the operator's trust store says."""

from datetime import datetime

import pytest
from cryptography.x509.oid import NameOID

from directory.errors import RevokedIssuerError
from directory.models import Certificate, Organization
from mailer.explanations import explain
from mailer.models import Publication, PublicationStatus
from mailer.notices import deliver_notices
from mailer.proving import RefusedProofError, RevokedIssuerUploadError, RevokedUploadError, confirm, submit
from mailer.uploads import handed_in
from portal.running.inbox import InboxServer
from tests.mailer.foreign import STRICT, ForeignAuthority, keep, trust
from tests.mailer.letters import CHARLIE, Desk
from tests.mailer.replacements import DORA, TO, path_in, upload
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


def test_it_refuses_what_has_a_revoked_authority_above_it(bank: Organization, elsewhere: ForeignAuthority, now: datetime) -> None:
    keep(elsewhere.crl([elsewhere.issuer], issuer=elsewhere.root, number=2), elsewhere.crl(), at=now)
    with pytest.raises(RevokedIssuerUploadError) as refused:
        submit(address=DORA, der=v4(elsewhere, bank).der, chain=elsewhere.chain, organization=None, actor=CHARLIE, at=now)
    assert "authority" in explain(refused.value)
    assert not Publication.objects.exists()


def test_its_authority_may_be_revoked_while_the_proof_is_on_its_way(
    bank: Organization, elsewhere: ForeignAuthority, inbox_server: InboxServer, desk: Desk, now: datetime
) -> None:
    holder = v4(elsewhere, bank)
    publication = submit(address=DORA, der=holder.der, chain=elsewhere.chain, organization=None, actor=CHARLIE, at=now)
    deliver_notices(at=now)
    path = path_in(desk.decrypt(inbox_server.inbox.mails(TO)[-1].content, holder), "publications")
    keep(elsewhere.crl([elsewhere.issuer], issuer=elsewhere.root, number=2), elsewhere.crl(), at=now)
    with pytest.raises(RefusedProofError) as refused:
        confirm(path.split("/")[2], at=now)
    assert isinstance(refused.value.__cause__, RevokedIssuerError)
    publication.refresh_from_db()
    assert (publication.status, publication.reason) == (PublicationStatus.REFUSED, "revoked_issuer")
    assert not Certificate.objects.exists()
