"""`seal`: looked up at the running portal, signed with the organisation's own key, encrypted here; opened by `openssl` alone."""

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest
from django.db import connection
from letterlock import (
    AsyncClient,
    Attachment,
    BadAddressError,
    Client,
    Content,
    ContentRefusedError,
    KeyFileError,
    NoCertificateError,
    Options,
    Outcome,
    OwnKey,
    SignatureForm,
    UnfitCertificateError,
    own_key,
    seal,
    seal_async,
    trust_in,
    verify,
)
from psycopg.sql import SQL, Identifier

from tests.clients.conftest import BOB, CAROL, SENDER, Publish
from tests.mailer.letters import SECRET_WORDS, SUBJECT, Desk
from tests.pki import Authority, Usage

CONTENT = Content(SUBJECT, SECRET_WORDS)


@pytest.mark.parametrize("kind", ["rsa2048", "rsa3072", "p256", "p384"])
def test_its_mail_opens_in_openssl(kind: str, client: Client, key: OwnKey, publish: Publish, desk: Desk) -> None:
    bob = publish(BOB, kind)
    [mail] = seal(CONTENT, sender=SENDER, recipients=BOB, key=key, client=client)
    opened = desk.open(mail.message, bob)
    assert opened.words.strip() == SECRET_WORDS
    assert (opened.signer, opened.mail["Subject"]) == (SENDER, SUBJECT)
    outer = message_from_bytes(mail.message, policy=SMTP)
    assert (outer["From"], outer["To"], outer["Message-ID"]) == (SENDER, BOB, mail.message_id)
    assert SECRET_WORDS.encode() not in mail.message


def test_it_seals_html_files_and_a_hidden_subject(client: Client, key: OwnKey, publish: Publish, desk: Desk) -> None:
    bob = publish(BOB)
    file = Attachment("Kontoauszug März.pdf", "application/pdf", bytes(range(256)) * 200)
    content = Content("对账单 11", SECRET_WORDS, f"<p>{SECRET_WORDS}</p>", [file])
    options = Options(sender_name="Muster Bank", neutral_subject="A sealed mail", form=SignatureForm.OPAQUE)
    [mail] = seal(content, sender=SENDER, recipients=[BOB], key=key, client=client, options=options)
    assert message_from_bytes(mail.message, policy=SMTP)["Subject"] == "A sealed mail"
    assert "对账单".encode() not in mail.message
    opened = desk.open(mail.message, bob)
    parts = {part.get_content_type(): part for part in opened.mail.walk()}
    assert parts["application/pdf"].get_payload(decode=True) == file.content
    assert SECRET_WORDS in parts["text/html"].get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert opened.mail["Subject"] == "对账单 11"


def test_each_recipient_has_a_mail_that_nobody_else_opens(client: Client, key: OwnKey, publish: Publish, desk: Desk) -> None:
    holders = {BOB: publish(BOB), CAROL: publish(CAROL, "rsa2048")}
    mails = seal(CONTENT, sender=SENDER, recipients=[BOB, CAROL, BOB.upper()], key=key, client=client)
    assert [mail.recipient for mail in mails] == [BOB, CAROL]
    for mail, other in zip(mails, (CAROL, BOB), strict=True):
        assert desk.open(mail.message, holders[mail.recipient]).words.strip() == SECRET_WORDS
        assert other.encode() not in mail.message
        with pytest.raises(AssertionError):
            desk.decrypt(mail.message, holders[other])


def test_it_seals_nothing_when_one_recipient_has_no_certificate(client: Client, key: OwnKey, publish: Publish) -> None:
    publish(BOB)
    with pytest.raises(NoCertificateError) as refused:
        seal(CONTENT, sender=SENDER, recipients=[BOB, CAROL, "dave@people.example.org"], key=key, client=client)
    assert refused.value.addresses == (CAROL, "dave@people.example.org")
    assert CAROL in str(refused.value)
    assert SECRET_WORDS not in str(refused.value)


def test_it_does_not_encrypt_to_a_key_that_only_signs(client: Client, key: OwnKey, publish: Publish) -> None:
    publish(BOB, "p256", Usage.SIGN)
    with pytest.raises(NoCertificateError):
        seal(CONTENT, sender=SENDER, recipients=BOB, key=key, client=client)


def test_the_portal_sees_nothing_of_it(client: Client, key: OwnKey, publish: Publish) -> None:
    """No row of any table has anything of the mail: not even that there was one."""
    publish(BOB)
    before = _rows()
    seal(CONTENT, sender=SENDER, recipients=BOB, key=key, client=client)
    after = _rows()
    assert {name for name, count in after.items() if count != before[name]} <= {"directory_lookupcount"}


def _rows() -> dict[str, int]:
    counts = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table)))
            counts[table] = cursor.fetchone()[0]
    return counts


def test_it_does_the_same_without_waiting(portal: str, key: OwnKey, publish: Publish, desk: Desk) -> None:
    bob, carol = publish(BOB), publish(CAROL)

    async def make() -> list[bytes]:
        async with AsyncClient(portal) as client:
            one = await seal_async(CONTENT, sender=SENDER, recipients=BOB, key=key, client=client)
            two = await seal_async(CONTENT, sender=SENDER, recipients=[BOB, CAROL], key=key, client=client)
            return [mail.message for mail in (*one, *two)]

    for message, holder in zip(asyncio.run(make()), (bob, bob, carol), strict=True):
        assert desk.open(message, holder).words.strip() == SECRET_WORDS


@pytest.mark.parametrize("sender", ["charlie@shop.example.net", "bills@bank.example.net"])
def test_it_does_not_sign_for_an_address_that_its_certificate_does_not_name(sender: str, client: Client, key: OwnKey, publish: Publish) -> None:
    publish(BOB)
    with pytest.raises(KeyFileError, match="does not name"):
        seal(CONTENT, sender=sender, recipients=BOB, key=key, client=client)


def test_it_does_not_sign_with_a_certificate_out_of_its_time_or_use(client: Client, authority: Authority, publish: Publish) -> None:
    publish(BOB)
    old, encrypting = authority.leaf(SENDER, days=(-30, -1)), authority.leaf(SENDER, usage=Usage.ENCRYPT)
    for holder, reason in ((old, "not valid at this time"), (encrypting, "not for signing")):
        with pytest.raises(KeyFileError, match=reason):
            seal(CONTENT, sender=SENDER, recipients=BOB, key=own_key(holder.key, holder.der, authority.chain), client=client)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (Content("a\r\nBcc: charlie@shop.example.net", "x"), Options()),
        (Content("a", "x\x00"), Options()),
        (Content("a", "x"), Options(sender_name="Bank\r\nBcc: charlie@shop.example.net")),
        (Content("a", "x"), Options(neutral_subject="a\nX: y")),
        (Content("a", "x"), Options(message_id="<a@b.example>\r\nX: y")),
        (Content("a", "x", None, [Attachment("a\r\nb", "text/plain", b"")]), Options()),
        (Content("a", "x" * (11 * 1024 * 1024)), Options()),
    ],
)
def test_charlie_cannot_write_header_fields(content: Content, options: Options, client: Client, key: OwnKey, publish: Publish) -> None:
    publish(BOB)
    with pytest.raises(ContentRefusedError) as refused:
        seal(content, sender=SENDER, recipients=BOB, key=key, client=client, options=options)
    assert refused.value.field


@pytest.mark.parametrize("recipient", [f"{BOB}\r\nBcc: charlie@shop.example.net", f"{BOB}, charlie@shop.example.net", f"Bob <{BOB}>", ""])
def test_charlie_cannot_slip_in_a_recipient(recipient: str, client: Client, key: OwnKey) -> None:
    with pytest.raises(BadAddressError):
        seal(CONTENT, sender=SENDER, recipients=[recipient], key=key, client=client)


def test_it_wants_a_recipient(client: Client, key: OwnKey) -> None:
    with pytest.raises(ContentRefusedError):
        seal(CONTENT, sender=SENDER, recipients=[], key=key, client=client)


def test_recipients_may_have_to_lead_to_a_root(client: Client, key: OwnKey, publish: Publish, authority: Authority) -> None:
    publish(BOB)
    trusted = trust_in([authority.root.der], authority.chain)
    assert seal(CONTENT, sender=SENDER, recipients=BOB, key=key, client=client, options=Options(recipient_trust=trusted))
    other = trust_in([Authority("Charlie").root.der], authority.chain)
    with pytest.raises(UnfitCertificateError) as refused:
        seal(CONTENT, sender=SENDER, recipients=BOB, key=key, client=client, options=Options(recipient_trust=other))
    assert refused.value.code == Outcome.UNTRUSTED


def test_what_it_made_is_verified_by_it(client: Client, key: OwnKey, publish: Publish, authority: Authority) -> None:
    bob = publish(BOB)
    [mail] = seal(CONTENT, sender=SENDER, recipients=BOB, key=key, client=client)
    trust, opening = trust_in([authority.root.der]), [own_key(bob.key, bob.der)]
    verdict = verify(mail.message, trust=trust, keys=opening)
    assert verdict.verified
    assert verdict.encrypted
    assert verdict.addresses == (SENDER,)
    assert SECRET_WORDS.encode() in verdict.content
    assert verdict.certificate == key.certificate.der
    assert verify(mail.message, trust=trust).outcome is Outcome.NOT_OPENED
    assert verify(mail.message, trust=trust_in([Authority("Charlie").root.der]), keys=opening).outcome is Outcome.UNTRUSTED
    assert verify(mail.message, trust=trust_in([key.certificate.der]), keys=opening).outcome is Outcome.UNTRUSTED
    assert verify(mail.message, trust=trust, keys=opening, at=datetime.now(UTC) + timedelta(days=800)).outcome is Outcome.NOT_VALID_THEN
    strict = trust_in([authority.root.der], revocation=True)
    assert verify(mail.message, trust=strict, keys=opening).outcome is Outcome.UNKNOWN_REVOCATION
    forged = mail.message.replace(f"From: {SENDER}".encode(), b"From: charlie@shop.example.net", 1)
    assert not verify(forged, trust=trust, keys=opening).verified


def test_it_reads_a_mail_that_openssl_signed(authority: Authority, key_files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "entity").write_bytes(b"Content-Type: text/plain\r\n\r\nHello\r\n")
    names = ("-signer", key_files["certificate"], "-inkey", key_files["key"], "-certfile", key_files["chain"], "-from", SENDER, "-to", BOB)
    signing = ["openssl", "cms", "-sign", "-in", "entity", *names, "-subject", "Hello", "-out", "mail.eml"]
    subprocess.run(signing, cwd=tmp_path, check=True, capture_output=True)
    octets, trust = (tmp_path / "mail.eml").read_bytes(), trust_in([authority.root.der])
    verdict = verify(octets, trust=trust)
    assert (verdict.outcome, verdict.addresses, verdict.encrypted) == (Outcome.VERIFIED, (SENDER,), False)
    assert verify(octets.replace(b"Hello", b"Hallo"), trust=trust).outcome is not Outcome.VERIFIED
    assert verify(b"From: a@b.example\r\n\r\nhi", trust=trust).outcome is Outcome.NOT_SIGNED
    assert verify(b"x" * (33 * 1024 * 1024), trust=trust).outcome is Outcome.TOO_LARGE
