"""One certificate as everybody sees it: who validated what, and as a file. Hidden, erased and unknown are the same bytes."""

import base64
import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django import Settings

from directory.models import AuthorityKind, AuthoritySource, Certificate, Level, Organization, Source, TrustedAuthority
from directory.publishing import erase, hide, note_proof, publish, revoke, show
from directory.x509.certificate import parse_certificate
from directory.x509.names import EmailAddress
from portal import vcards
from portal.validations import checks_of
from tests.pki import Authority
from tests.portal.conftest import Published
from tests.portal.people import Cast

TO = "Dora@example.com"
DORA = EmailAddress.parse(TO)
pytestmark = pytest.mark.django_db
FORMS = ("/", ".crt", ".pem", ".vcf")


def path(certificate: Certificate, form: str = "/") -> str:
    return f"/certificates/{certificate.fingerprint}{form}"


def put(
    authority: Authority, at: datetime, *, level: Level = Level.EXTERNAL, source: Source = Source.UPLOADED, trust: str = "", address: str = TO,
    organization: Organization | None = None,
) -> Certificate:  # fmt: skip
    holder = authority.leaf(address, organization=organization.legal_name if organization else None)
    return publish(
        address=EmailAddress.parse(address), parsed=parse_certificate(holder.der), level=level, source=source, organization=organization,
        chain=[authority.issuer.der], trust=trust, actor="user:test", at=at,
    )  # fmt: skip


def verdicts(certificate: Certificate) -> dict[str, tuple[str, str]]:
    return {check.what: (check.verdict, check.how) for check in checks_of(certificate)}


# Who validated what


def test_of_a_certificate_from_elsewhere_nobody_known_to_us_validated_the_name(client: Client, now: datetime) -> None:
    certificate = put(Authority(), now)
    page = client.get(path(certificate))
    assert page.status_code == 200
    for part in ("Nobody known to us validated the name", "Test S/MIME CA", "uploaded", "EC P-256"):
        assert part in page.text
    assert {what: verdict for what, (verdict, _how) in verdicts(certificate).items()} == {
        "Name": "Not checked", "Mailbox": "Checked", "Key": "Checked", "Issuer": "Not checked",
    }  # fmt: skip


def test_of_a_verified_one_it_names_the_root(client: Client, now: datetime) -> None:
    authority = Authority()
    root = authority.root.certificate
    TrustedAuthority.objects.create(
        fingerprint=hashlib.sha256(authority.root.der).hexdigest(), der=authority.root.der, subject=root.subject.rfc4514_string(),
        kind=AuthorityKind.ROOT, source=AuthoritySource.ADDED, added_at=now, actor="user:operator",
    )  # fmt: skip
    certificate = put(authority, now, level=Level.V3, trust="verified")
    assert "CN=Test Root" in verdicts(certificate)["Issuer"][1]
    page = client.get(path(certificate)).text
    assert "CN=Test Root" in page
    assert "we checked the chain, not the name" in page
    TrustedAuthority.objects.update(removed_at=now)
    assert "CN=Test Root" not in verdicts(certificate)["Issuer"][1], "a root that was removed vouches for nothing"


@pytest.mark.parametrize(
    ("trust", "words"),
    [
        ("untrusted", "leads to no root"),
        ("unknown_revocation", "is not known here"),
        ("revoked", "has revoked it"),
        ("issuer_revoked", "authority above it was revoked"),
        ("not_judged", "was not judged"),
        ("", "was not judged"),
    ],
)
def test_it_says_why_a_chain_is_not_good(now: datetime, trust: str, words: str) -> None:
    verdict, how = verdicts(put(Authority(), now, trust=trust))["Issuer"]
    assert verdict == "Not checked"
    assert words in how


def test_of_what_was_issued_here_it_says_so(client: Client, cast: Cast, now: datetime) -> None:
    certificate = put(Authority(), now, level=Level.V4, source=Source.ISSUED, organization=cast.organization)
    page = client.get(path(certificate)).text
    assert "Two reviewers of this portal" in page
    assert "own certificate authority" in page
    assert cast.organization.legal_name in page


def test_an_import_has_proven_nothing(now: datetime) -> None:
    certificate = put(Authority(), now, source=Source.IMPORTED)
    assert {verdict for verdict, _how in verdicts(certificate).values()} == {"Not checked"}
    note_proof(match=certificate.mailbox.match, at=now)
    certificate.mailbox.refresh_from_db()
    assert verdicts(certificate)["Mailbox"][0] == "Checked"


@pytest.mark.parametrize("source", list(Source))
@pytest.mark.parametrize("level", list(Level))
def test_it_has_words_for_every_level_and_source(client: Client, now: datetime, level: Level, source: Source) -> None:
    assert client.get(path(put(Authority(), now, level=level, source=source))).status_code == 200


def test_it_says_what_has_become_of_it(client: Client, published: Published, now: datetime) -> None:
    certificate = published(TO)
    revoke(certificate=certificate, reason="key_compromise", actor="user:test", at=now)
    assert "Revoked" in client.get(path(certificate)).text
    Certificate.objects.update(status="published", not_after=now - timedelta(days=1))
    assert "Expired" in client.get(path(certificate)).text


# What nobody may see


@pytest.mark.parametrize("form", FORMS)
def test_hidden_erased_and_unknown_are_the_same_bytes(client: Client, form: str, now: datetime) -> None:
    authority = Authority()
    holder = authority.leaf(TO)
    url = f"/certificates/{parse_certificate(holder.der).fingerprint}{form}"

    def answer() -> tuple[int, bytes, dict[str, str]]:
        response = client.get(url)
        return response.status_code, response.content, dict(response.headers)

    unknown = answer()
    certificate = publish(address=DORA, parsed=parse_certificate(holder.der), level="external", source="uploaded", actor="user:test", at=now)
    assert client.get(url).status_code == 200
    hide(mailbox=certificate.mailbox, actor="user:test", at=now)
    hidden = answer()
    show(mailbox=certificate.mailbox, actor="user:test", at=now)
    assert client.get(url).status_code == 200
    erase(mailbox=certificate.mailbox, actor="user:test", at=now)
    erased = answer()
    assert unknown[0] == 404
    assert unknown == hidden == erased


def test_hidden_and_unknown_are_the_same_bytes_when_looked_up(client: Client, published: Published, now: datetime) -> None:
    hide(mailbox=published("aaaa@example.com").mailbox, actor="user:test", at=now)
    erase(mailbox=published("bbbb@example.com").mailbox, actor="user:test", at=now)
    moment = re.compile(rb"<time[^>]*>[^<]*</time>")
    answers = {
        moment.sub(b"", client.get("/lookup", {"email": f"{letter * 4}@example.com"}).content).replace(letter.encode() * 4, b"xxxx")
        for letter in "abc"
    }
    assert len(answers) == 1


def test_it_shows_one_mailbox_and_not_the_hidden_one_beside_it(client: Client, now: datetime) -> None:
    """The same certificate under two mailboxes, of which one is hidden: neither page nor card names that one."""
    both = Authority().leaf(TO)
    parsed = parse_certificate(both.der)
    certificate = publish(address=DORA, parsed=parsed, level="external", source="uploaded", actor="user:test", at=now)
    other = Certificate.objects.get(pk=certificate.pk)
    other.pk, other.mailbox = None, type(certificate.mailbox).objects.create(address="secret@example.net", match="secret@example.net", hidden_at=now)
    other.save(force_insert=True)
    assert "secret" not in client.get(path(certificate)).text
    assert b"secret" not in client.get(path(certificate, ".vcf")).content


@pytest.mark.parametrize("form", FORMS)
def test_it_is_no_way_around_the_quota(client: Client, published: Published, settings: Settings, form: str) -> None:
    settings.LETTERLOCK_ANONYMOUS_QUOTA = 2
    certificate, there = published(TO), f"2001:db8:{secrets.token_hex(2)}::1"
    assert client.get("/lookup", {"email": TO}, REMOTE_ADDR=there).status_code == 200
    assert client.get(path(certificate, form), REMOTE_ADDR=there).status_code == 200
    for name in (certificate.fingerprint, "0" * 64):
        refused = client.get(f"/certificates/{name}{form}", REMOTE_ADDR=there)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 60


def test_it_runs_nothing_that_a_certificate_says(client: Client, now: datetime) -> None:
    certificate = put(Authority('<script>alert("1")</script>'), now)
    assert "<script>" not in client.get(path(certificate)).text


# vCard 4.0


def unfolded(card: bytes) -> list[str]:
    return card.decode().replace("\r\n ", "").split("\r\n")


def test_it_gives_a_card_with_address_and_key(client: Client, published: Published) -> None:
    certificate = published(TO)
    answer = client.get(path(certificate, ".vcf"))
    assert answer.headers["Content-Type"] == "text/vcard; charset=utf-8"
    assert answer.headers["Content-Disposition"].endswith('.vcf"')
    lines = unfolded(answer.content)
    assert lines[:3] == ["BEGIN:VCARD", "VERSION:4.0", "KIND:individual"]
    assert lines[-2:] == ["END:VCARD", ""]
    assert f"EMAIL:{TO}" in lines
    assert f"FN:{TO}" in lines
    (key,) = (line for line in lines if line.startswith("KEY:"))
    kind, _comma, body = key.removeprefix("KEY:data:").partition(",")
    assert kind == "application/pkix-cert;base64"
    assert base64.b64decode(body, validate=True) == bytes(certificate.der)


def test_an_organisations_card_is_an_organisations(client: Client, cast: Cast, now: datetime) -> None:
    certificate = put(Authority(), now, level=Level.V4, source=Source.ISSUED, organization=cast.organization)
    lines = unfolded(client.get(path(certificate, ".vcf")).content)
    assert {"KIND:org", f"FN:{cast.organization.legal_name}", f"ORG:{cast.organization.legal_name}"} <= set(lines)


def card(name: str, organization: str = "", address: str = TO) -> bytes:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    return vcards.vcard(name=name, organization=organization, addresses=[address], der=b"\x30" * 900, is_organization=False, revised_at=at)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Frost, Dora", "FN:Frost\\, Dora"),
        ("a\\b", "FN:a\\\\b"),
        ("Dora\r\nEMAIL:charlie@example.net", "FN:Dora\\nEMAIL:charlie@example.net"),
        ("Dora\x00\x1b[2J", "FN:Dora[2J"),
        ("Dora\x85END:VCARD", "FN:DoraEND:VCARD"),
    ],
)
def test_a_name_begins_no_line_of_its_own(name: str, written: str) -> None:
    """RFC 6350 section 3.4: Charlie's certificate must not write an address into Dora's address book."""
    lines = unfolded(card(name))
    assert written in lines
    assert [line.partition(":")[0] for line in lines if line] == ["BEGIN", "VERSION", "KIND", "FN", "EMAIL", "KEY", "REV", "END"]


def test_a_semicolon_makes_no_second_unit() -> None:
    assert "ORG:Muster\\; Partner\\, Berlin" in unfolded(card("Dora", "Muster; Partner, Berlin"))


@pytest.mark.parametrize("name", ["x" * 300, "ü" * 200, "名" * 150, "🗝" * 100, "a" + "🗝" * 100, "ab" + "名" * 100])
def test_it_folds_before_75_octets_and_never_inside_a_character(name: str) -> None:
    """RFC 6350 section 3.2."""
    written = card(name)
    lines = written.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()
    assert f"FN:{name}" in unfolded(written)


def test_every_length_survives_folding() -> None:
    for length in range(220):
        line = "N:" + "é" * length
        assert vcards.folded(line).replace(b"\r\n ", b"").removesuffix(b"\r\n").decode() == line
