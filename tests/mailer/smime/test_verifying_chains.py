"""Path and revocation, handed in as data: what is good, what is known to be bad, and what is not known, which is not good."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from mailer.smime.outcomes import Outcome
from mailer.smime.sign import Signer
from mailer.smime.trust import Revocation, Trust
from mailer.smime.verify import verify
from tests.mailer.smime.conftest import BANK, CHARLIE
from tests.mailer.smime.evidence import Evidence
from tests.pki import Authority, Holder, Usage

ENTITY = b"Content-Type: text/plain\r\n\r\nThe code is 4711.\r\n"


def crl(issuer: Holder, revoked: Sequence[Holder] = (), *, at: datetime, since: datetime | None = None, days: int = 7) -> bytes:
    """A CRL of today by `issuer`, on which the `revoked` have been `since` an hour ago."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(at - timedelta(days=2))
        .next_update(at + timedelta(days=days))
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    for holder in revoked:
        serial = holder.certificate.serial_number
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since or at - timedelta(hours=1)).build()
        )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


class Case:
    def __init__(self, authority: Authority, at: datetime) -> None:
        self.authority, self.at = authority, at
        self.bank = authority.leaf(BANK, "p256", Usage.SIGN)
        self.entity = Signer(self.bank.key, self.bank.der, authority.chain).sign(ENTITY, at=at)

    def judge(
        self, entity: bytes | None = None, *, revocation: Revocation = Revocation.REQUIRE, at: datetime | None = None, **handed: list[bytes]
    ) -> Outcome:
        trust = Trust([self.authority.root.der], revocation=revocation, **handed)  # type: ignore[arg-type]
        return verify(entity or self.entity, at=at or self.at, trust=trust, sender=BANK).outcome

    def crls(self, *revoked: Holder, since: datetime | None = None, days: int = 7) -> list[bytes]:
        root, issuer = self.authority.root, self.authority.issuer
        return [
            crl(root, [issuer] if issuer in revoked else [], at=self.at, since=since, days=days),
            crl(issuer, [holder for holder in revoked if holder is not issuer], at=self.at, since=since, days=days),
        ]


@pytest.fixture
def case(authority: Authority, at: datetime) -> Case:
    return Case(authority, at)


def test_it_takes_a_certificate_of_which_it_is_known_that_it_is_good(case: Case) -> None:
    assert case.judge(crls=case.crls()) is Outcome.VERIFIED


def test_it_does_not_take_what_is_unknown_for_good(case: Case, authority: Authority) -> None:
    root, issuer = case.crls()
    assert case.judge() is Outcome.UNKNOWN_REVOCATION
    assert case.judge(crls=[root]) is Outcome.UNKNOWN_REVOCATION
    assert case.judge(crls=[issuer]) is Outcome.UNKNOWN_REVOCATION
    assert case.judge(crls=case.crls(days=-1)) is Outcome.UNKNOWN_REVOCATION, "a CRL that has run out"
    assert case.judge(crls=[root, issuer[:-1] + bytes((issuer[-1] ^ 1,))]) is Outcome.UNKNOWN_REVOCATION, "a damaged one"
    charlie = authority.leaf(CHARLIE, "p256", Usage.SIGN)
    forged = crl(Holder(authority.issuer.certificate, charlie.key), at=case.at)
    assert case.judge(crls=[root, forged]) is Outcome.UNKNOWN_REVOCATION, "one that Charlie signed"
    assert case.judge(revocation=Revocation.IF_GIVEN) is Outcome.VERIFIED


@pytest.mark.parametrize("revocation", Revocation)
def test_it_never_takes_what_is_revoked(case: Case, authority: Authority, revocation: Revocation) -> None:
    assert case.judge(crls=case.crls(case.bank), revocation=revocation) is Outcome.REVOKED
    assert case.judge(crls=case.crls(authority.issuer), revocation=revocation) is Outcome.REVOKED


def test_it_finds_the_revoked_leaf_though_nothing_is_known_of_its_issuer(case: Case) -> None:
    assert case.judge(crls=case.crls(case.bank)[1:], revocation=Revocation.IF_GIVEN) is Outcome.REVOKED
    assert case.judge(crls=case.crls()[1:], revocation=Revocation.IF_GIVEN) is Outcome.VERIFIED


def test_it_asks_for_the_time_that_it_is_given(case: Case) -> None:
    """What was revoked after the message came was good then."""
    hour = timedelta(hours=1)
    crls = case.crls(case.bank, since=case.at - hour)
    assert case.judge(crls=crls, at=case.at - 2 * hour) is Outcome.VERIFIED
    assert case.judge(crls=crls) is Outcome.REVOKED


def test_it_reads_ocsp_answers(case: Case, authority: Authority, tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, authority)
    root = case.crls()[:1]
    at = case.at + timedelta(seconds=5)
    good, revoked = evidence.ocsp(case.bank), evidence.ocsp(case.bank, revoked=True)
    later = at + timedelta(minutes=30)
    assert case.judge(crls=root, ocsp=[good], at=later) is Outcome.VERIFIED
    assert case.judge(crls=root, ocsp=[revoked], at=later) is Outcome.REVOKED
    other = evidence.ocsp(authority.leaf(BANK, "p256", Usage.SIGN))
    assert case.judge(crls=root, ocsp=[other], at=later) is Outcome.UNKNOWN_REVOCATION


def test_it_uses_the_answer_in_the_signature_itself(case: Case, authority: Authority, tmp_path: Path) -> None:
    """RFC 5940: the sender may embed it, since its issuer has signed it."""
    evidence, later = Evidence(tmp_path, authority), case.at + timedelta(minutes=30)
    signer = Signer(case.bank.key, case.bank.der, authority.chain)
    for revoked, outcome in ((False, Outcome.VERIFIED), (True, Outcome.REVOKED)):
        entity = signer.sign(ENTITY, at=case.at, ocsp=evidence.ocsp(case.bank, revoked=revoked))
        assert case.judge(entity, crls=case.crls()[:1], at=later) is outcome


def test_it_shows_the_time_stamp_to_who_checks_it(case: Case, authority: Authority, tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, authority)
    signer = Signer(case.bank.key, case.bank.der, authority.chain)
    found = verify(signer.sign(ENTITY, at=case.at, stamp=evidence.stamp), at=case.at, roots=[authority.root.der]).signatures[0]
    assert found.claimed_at == case.at
    assert found.stamp.startswith(b"\x30")


class Chain:
    """A root and authorities under it with any extensions."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.root = self.certify("Root", None)

    def certify(
        self,
        name: str,
        issuer: Holder | None,
        *,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        ca: bool = True,
        email: str = "",
        subject_email: str = "",
    ) -> Holder:
        key = ec.generate_private_key(ec.SECP256R1())
        emails = [x509.NameAttribute(NameOID.EMAIL_ADDRESS, subject_email)] if subject_email else []
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), *emails])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.at - timedelta(days=1))
            .not_valid_after(self.at + timedelta(days=1))
        )
        given = {type(extension) for extension, _ in extensions}
        if ca and x509.BasicConstraints not in given:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        if email:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(email)]), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return Holder(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)

    def judge(self, leaf: Holder, *others: Holder) -> Outcome:
        entity = Signer(leaf.key, leaf.der, [other.der for other in others]).sign(ENTITY, at=self.at)
        return verify(entity, at=self.at, roots=[self.root.der], sender=BANK).outcome


def usage(*, certify: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certify,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def permitted(*names: str) -> x509.NameConstraints:
    return x509.NameConstraints([x509.RFC822Name(name) for name in names], None)


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.9"), b"\x05\x00")
SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


@pytest.mark.parametrize(
    ("authority_has", "leaf_has", "outcome"),
    [
        ([], [], Outcome.VERIFIED),
        ([(permitted("bank.example.com"), True)], [], Outcome.VERIFIED),
        ([(permitted("example.org"), True)], [], Outcome.UNTRUSTED),
        ([(x509.NameConstraints(None, [x509.RFC822Name("bank.example.com")]), True)], [], Outcome.UNTRUSTED),
        ([(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)], [], Outcome.VERIFIED),
        ([(SERVERS, False)], [], Outcome.UNTRUSTED),
        ([(usage(certify=True), True)], [], Outcome.VERIFIED),
        ([(usage(certify=False), True)], [], Outcome.UNTRUSTED),
        ([(x509.BasicConstraints(ca=False, path_length=None), True)], [], Outcome.UNTRUSTED),
        ([(UNKNOWN, True)], [], Outcome.UNTRUSTED),
        ([(UNKNOWN, False)], [], Outcome.VERIFIED),
        ([], [(UNKNOWN, True)], Outcome.UNTRUSTED),
        ([], [(UNKNOWN, False)], Outcome.VERIFIED),
        ([], [(SERVERS, False)], Outcome.WRONG_USAGE),
        ([], [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)], Outcome.VERIFIED),
    ],
    ids=range(15),
)
def test_it_minds_what_the_certificates_are_for(
    at: datetime,
    authority_has: list[tuple[x509.ExtensionType, bool]],
    leaf_has: list[tuple[x509.ExtensionType, bool]],
    outcome: Outcome,
) -> None:
    chain = Chain(at)
    authority = chain.certify("Authority", chain.root, extensions=authority_has)
    leaf = chain.certify("Bank", authority, extensions=leaf_has, ca=False, email=BANK)
    assert chain.judge(leaf, authority) is outcome


@pytest.mark.parametrize("limits", [permitted("example.org"), x509.NameConstraints(None, [x509.RFC822Name("bank.example.com")])], ids=["to", "from"])
@pytest.mark.parametrize("way", ["international", "subject", "subject beside a host"])
def test_a_limited_authority_names_nobody_elses_address_in_another_way(at: datetime, limits: x509.NameConstraints, way: str) -> None:
    """Charlie's authority is for his domain alone, and writes the bank's address where limits are not looked for."""
    chain = Chain(at)
    mailbox = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x0c" + bytes((len(BANK),)) + BANK.encode())
    names: dict[str, list[x509.GeneralName]] = {
        "international": [mailbox],
        "subject": [],
        "subject beside a host": [x509.DNSName("charlie.example.org")],
    }
    extensions = [(x509.SubjectAlternativeName(names[way]), False)] if names[way] else []
    email = "" if way == "international" else BANK
    free, limited = chain.certify("Free", chain.root), chain.certify("Charlie's", chain.root, extensions=[(limits, True)])
    certified = {
        name: chain.certify("Bank", upper, extensions=extensions, ca=False, subject_email=email) for name, upper in (("f", free), ("l", limited))
    }
    assert chain.judge(certified["f"], free) is (Outcome.OTHER_SENDER if way == "subject beside a host" else Outcome.VERIFIED)
    assert chain.judge(certified["l"], limited) in {Outcome.UNTRUSTED, Outcome.OTHER_SENDER}


def test_it_minds_the_length_of_the_path(at: datetime) -> None:
    chain = Chain(at)
    upper = chain.certify("Upper", chain.root, extensions=[(x509.BasicConstraints(ca=True, path_length=0), True)])
    lower = chain.certify("Lower", upper)
    assert chain.judge(chain.certify("Bank", upper, ca=False, email=BANK), upper) is Outcome.VERIFIED
    assert chain.judge(chain.certify("Bank", lower, ca=False, email=BANK), upper, lower) is Outcome.UNTRUSTED


def test_it_finds_its_way_past_certificates_that_lead_nowhere(at: datetime) -> None:
    chain = Chain(at)
    authority = chain.certify("Authority", chain.root)
    nowhere = [chain.certify("Authority", None) for _ in range(20)]
    leaf = chain.certify("Bank", authority, ca=False, email=BANK)
    assert chain.judge(leaf, *nowhere, authority) is Outcome.VERIFIED


def test_it_does_not_lose_itself_in_a_maze(at: datetime) -> None:
    """Charlie's authorities certify each other crosswise: the ways through them are more than can be tried."""
    chain = Chain(at)
    names = ["A", "B", "C", "D", "E"]
    authorities = {name: chain.certify(name, None) for name in names}
    cross = [_cross(chain, authorities[upper], authorities[lower]) for upper in names for lower in names if upper != lower]
    leaf = chain.certify("Bank", authorities["A"], ca=False, email=BANK)
    assert chain.judge(leaf, *cross) is Outcome.UNTRUSTED


def _cross(chain: Chain, upper: Holder, lower: Holder) -> Holder:
    certificate = (
        x509.CertificateBuilder()
        .subject_name(lower.certificate.subject)
        .issuer_name(upper.certificate.subject)
        .public_key(lower.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(chain.at - timedelta(days=1))
        .not_valid_after(chain.at + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(upper.key, hashes.SHA256())
    )
    return Holder(certificate, lower.key)


def test_it_never_fetches(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever addresses stand in a certificate: no name is looked up and nothing is connected to."""

    def refuse(*arguments: object, **options: object) -> None:
        pytest.fail(f"it wanted to connect: {arguments} {options}")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    chain = Chain(case.at)
    point = x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example/a.crl")], None, None, None)
    described = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.example/a.crt"))
    extensions = [(x509.CRLDistributionPoints([point]), False), (x509.AuthorityInformationAccess([described]), False)]
    leaf = chain.certify("Bank", chain.root, extensions=extensions, ca=False, email=BANK)
    entity = Signer(leaf.key, leaf.der).sign(ENTITY, at=chain.at)
    for revocation, outcome in ((Revocation.REQUIRE, Outcome.UNKNOWN_REVOCATION), (Revocation.IF_GIVEN, Outcome.VERIFIED)):
        assert verify(entity, at=chain.at, trust=Trust([chain.root.der], revocation=revocation)).outcome is outcome
