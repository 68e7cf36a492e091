"""A certificate that only signs: a clear mail proves the mailbox, and a signed answer the key; and old keys agree to be replaced."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from directory.models import Certificate, Mailbox, Organization
from directory.publishing import revoke, supersede
from directory.tokens import make_token
from mailer.answering import Purpose, challenge_of
from mailer.models import Publication, PublicationStatus
from mailer.notices import deliver_notices
from mailer.proving import ExpiredProofError, RefusedAnswerError, UsedProofError, answer, answer_by_mail, challenge, confirm, submit
from mailer.replacing import WAIT, publish_due
from portal.running.inbox import InboxServer
from tests.mailer.answers import mailed_answer, openssl_answer, reply
from tests.mailer.letters import ALICE, CHARLIE, Desk, publish_for
from tests.mailer.replacements import DORA, TO, leaf, path_in, statuses, upload
from tests.pki import Authority, Holder, Usage

pytestmark = pytest.mark.django_db
CHALLENGE = re.compile(r"letterlock-(?:publish|replace)-[0-9a-f]{32}")


@pytest.fixture
def signs(authority: Authority) -> Holder:
    return leaf(authority, "dora", usage=Usage.SIGN)


def hand_in(holder: Holder, at: datetime, organization: Organization | None = None) -> Publication:
    return submit(address=DORA, der=holder.der, organization=organization, actor=ALICE, at=at)


def mail_to_dora(inbox_server: InboxServer, at: datetime) -> str:
    deliver_notices(at=at)
    return inbox_server.inbox.mails(TO)[-1].content.decode().replace("=\r\n", "")


def half_way(holder: Holder, inbox_server: InboxServer, at: datetime) -> tuple[Publication, str]:
    """Handed in, the mailbox proven by the link; with the link's path."""
    hand_in(holder, at)
    path = path_in(mail_to_dora(inbox_server, at), "publications")
    return confirm(path.split("/")[2], at=at), path


def attach(client: Client, path: str, content: bytes) -> Any:
    return client.post(path, {"answer": SimpleUploadedFile("answer.pem", content)})


def test_its_mail_is_clear_and_proves_the_mailbox_alone(signs: Holder, inbox_server: InboxServer, now: datetime) -> None:
    publication, path = half_way(signs, inbox_server, now)
    assert publication.status == PublicationStatus.AWAITING_POSSESSION_PROOF
    assert not Certificate.objects.exists()
    assert confirm(path.split("/")[2], at=now).status == PublicationStatus.AWAITING_POSSESSION_PROOF
    assert not Certificate.objects.exists()


def test_its_page_takes_what_its_own_command_makes(signs: Holder, inbox_server: InboxServer, client: Client, now: datetime, tmp_path: Path) -> None:
    hand_in(signs, now)
    path = path_in(mail_to_dora(inbox_server, now), "publications")
    page = client.post(path)
    assert page.status_code == HTTPStatus.OK
    (told,) = set(CHALLENGE.findall(page.content.decode()))
    assert client.get(path).status_code == HTTPStatus.OK, "it can be opened again until then"
    done = attach(client, path, openssl_answer(tmp_path, signs, told + "\n"))
    assert done.status_code == HTTPStatus.OK
    certificate = Certificate.objects.get()
    assert (certificate.can_sign, certificate.can_encrypt, certificate.status) == (True, False, "published")
    assert Mailbox.objects.get().proven_at is not None
    assert client.get(path).status_code == HTTPStatus.GONE


def test_a_signed_reply_to_the_mail_proves_both_at_once(
    signs: Holder, inbox_server: InboxServer, now: datetime, settings: Settings, tmp_path: Path
) -> None:
    settings.LETTERLOCK_INTAKE_DOMAIN = "in.example.org"
    publication = hand_in(signs, now)
    mail = mail_to_dora(inbox_server, now)
    assert f"Reply-To: proof+{publication.id}@in.example.org" in mail
    found = CHALLENGE.search(mail)
    assert found
    quoted = reply(f"{found[0]}\n\nYes, that is me.\n\n> Both at once\n")
    assert answer_by_mail(publication.id, mailed_answer(tmp_path, signs, quoted), now).status == PublicationStatus.PUBLISHED
    assert Certificate.objects.count() == 1
    with pytest.raises(UsedProofError):
        answer_by_mail(publication.id, mailed_answer(tmp_path, signs, quoted), now)


def test_it_takes_no_answer_by_charlie(signs: Holder, authority: Authority, inbox_server: InboxServer, now: datetime, tmp_path: Path) -> None:
    """He reads the mailbox and has handed in Dora's certificate, but not her key."""
    publication, path = half_way(signs, inbox_server, now)
    charlies = openssl_answer(tmp_path, leaf(authority, "charlie", usage=Usage.SIGN), challenge(publication))
    with pytest.raises(RefusedAnswerError):
        answer(publication.id, charlies, at=now)
    page = attach(Client(), path, charlies)
    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "another certificate" in page.content.decode()
    assert Client(enforce_csrf_checks=True).post(path).status_code == HTTPStatus.FORBIDDEN
    assert Publication.objects.get().status == PublicationStatus.AWAITING_POSSESSION_PROOF
    assert not Certificate.objects.exists()


def test_it_takes_no_answer_for_another_publication(signs: Holder, inbox_server: InboxServer, now: datetime, tmp_path: Path) -> None:
    first, _path = half_way(signs, inbox_server, now)
    replayed = openssl_answer(tmp_path, signs, challenge(first))
    second = hand_in(signs, now)
    with pytest.raises(RefusedAnswerError):
        answer(second.id, replayed, at=now)
    assert not Certificate.objects.exists()


@pytest.mark.parametrize("content", [b"x", b"Subject: Yes\r\n\r\nYes\r\n", b"0" * (1024 * 1024 + 1)])
def test_its_page_says_what_is_wrong(content: bytes, signs: Holder, inbox_server: InboxServer, client: Client, now: datetime) -> None:
    _publication, path = half_way(signs, inbox_server, now)
    for response in (attach(client, path, content), client.post(path)):
        assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert 'class="error' in response.content.decode()
    assert not Certificate.objects.exists()


def test_it_has_a_day_for_both(signs: Holder, inbox_server: InboxServer, now: datetime, tmp_path: Path) -> None:
    publication, path = half_way(signs, inbox_server, now)
    signed = openssl_answer(tmp_path, signs, challenge(publication))
    with pytest.raises(ExpiredProofError):
        answer(publication.id, signed, at=now + timedelta(hours=24))
    Publication.objects.update(expires_at=now)
    assert attach(Client(), path, signed).status_code == HTTPStatus.GONE
    assert not Certificate.objects.exists()


Post = Callable[..., Any]


def poster(organization: Organization, at: datetime) -> Post:
    _token, text = make_token(organization=organization, name="Directory", scopes=["publish"], actor=ALICE, at=at)
    client, headers = Client(), {"Authorization": f"Bearer {text}"}

    def call(publication: Publication, body: Any = None, content_type: str = "application/json") -> Any:
        path = f"/api/v1/publications/{publication.id}"
        if body is None:
            return client.get(path, headers=headers)
        return client.post(f"{path}/proof", body, content_type=content_type, headers=headers)

    return call


@pytest.mark.parametrize("kind", ["application/pkcs7-mime", "application/pkcs7-signature", "application/octet-stream", "message/rfc822"])
def test_the_api_takes_code_and_answer(kind: str, bank: Organization, signs: Holder, inbox_server: InboxServer, desk: Desk) -> None:
    now, tmp_path = datetime.now(UTC), desk.folder
    call, publication = poster(bank, now), hand_in(signs, now, bank)
    code = re.search(r"^[2-9A-Z]{4}-[2-9A-Z]{4}\r?$", mail_to_dora(inbox_server, now), re.MULTILINE)
    assert code
    assert "challenge" not in call(publication).json(), "whoever handed it in learns it with the mailbox"
    told = call(publication, {"code": code[0].strip()})
    assert told.status_code == HTTPStatus.OK, told.content
    assert told.json()["status"] == "awaiting_possession_proof"
    text = told.json()["challenge"]
    signed = mailed_answer(tmp_path, signs, reply(text)) if kind == "message/rfc822" else openssl_answer(tmp_path, signs, text)
    done = call(publication, signed, kind)
    assert (done.status_code, done.json()["status"]) == (HTTPStatus.OK, "published")
    assert call(publication, signed, kind).status_code == HTTPStatus.CONFLICT
    assert Certificate.objects.count() == 1


def test_the_api_says_why_not(bank: Organization, shop: Organization, signs: Holder, now: datetime, tmp_path: Path) -> None:
    call, publication = poster(bank, now), hand_in(signs, now, bank)
    wrong: list[tuple[Any, str, int]] = [
        ({"code": "2222-2222"}, "application/json", 422),
        ({"code": 22222222}, "application/json", 422),
        ({"code": "\u0662" * 8}, "application/json", 422),
        ([], "application/json", 422),
        (b"{", "application/json", 400),
        (b"", "message/rfc822", 422),
        (b"Subject: Yes\r\n\r\nYes\r\n", "message/rfc822", 422),
        (b"0" * (1024 * 1024 + 1), "application/pkcs7-mime", 413),
        (b"code=2222-2222", "application/x-www-form-urlencoded", 415),
        (openssl_answer(tmp_path, signs, "Yes"), "application/pkcs7-mime", 422),
    ]
    for body, kind, status in wrong:
        response = call(publication, body, kind)
        assert response.status_code == status, (body[:50] if isinstance(body, bytes) else body, response.content)
        assert response["Content-Type"] == "application/problem+json"
    charlie = poster(shop, now)
    assert charlie(publication, {"code": "2222-2222"}).status_code == HTTPStatus.NOT_FOUND
    assert Client().post(f"/api/v1/publications/{publication.id}/proof", b"x", content_type="message/rfc822").status_code == HTTPStatus.UNAUTHORIZED
    publication.refresh_from_db()
    assert publication.wrong_codes == 1


def test_the_old_key_need_not_wait(authority: Authority, inbox_server: InboxServer, desk: Desk, now: datetime, tmp_path: Path) -> None:
    old, new = leaf(authority, "dora"), leaf(authority, "dora's next")
    publish_for(old, TO, at=now)
    waiting = upload(new, inbox_server, desk, now)
    assert waiting.status == PublicationStatus.WAITING
    done = answer(waiting.id, openssl_answer(tmp_path, old, challenge(waiting)), at=now)
    assert done.status == PublicationStatus.PUBLISHED
    assert statuses(old, new) == ["superseded", "published"]
    assert publish_due(now + WAIT) == 0


def test_the_old_key_answers_on_the_page_by_api_and_by_mail(
    bank: Organization, inbox_server: InboxServer, desk: Desk, now: datetime, settings: Settings
) -> None:
    settings.LETTERLOCK_INTAKE_DOMAIN = "in.example.org"
    authority, tmp_path = desk.authority, desk.folder
    old = leaf(authority, "dora")
    publish_for(old, TO, at=now)
    for number, way in enumerate(("page", "api", "mail")):
        at = now + timedelta(days=3 * number)
        new = leaf(authority, f"dora {number}")
        deliver_notices(at=at)  # what was told before, so that the proof comes last
        publication = submit(address=DORA, der=new.der, organization=bank, actor=ALICE, at=at)
        deliver_notices(at=at)
        path = path_in(desk.decrypt(inbox_server.inbox.mails(TO)[-1].content, new), "publications")
        publication = confirm(path.split("/")[2], at=at)
        if way == "page":
            page = Client().get(path)
            (told,) = set(CHALLENGE.findall(page.content.decode()))
            response = attach(Client(), path, openssl_answer(tmp_path, old, told))
            assert response.status_code == HTTPStatus.OK, response.content
        elif way == "api":
            call = poster(bank, at)
            told = call(publication).json()["challenge"]
            assert call(publication, openssl_answer(tmp_path, old, told), "application/pkcs7-mime").json()["status"] == "published"
        else:
            mail = mail_to_dora(inbox_server, at)
            assert f"Reply-To: proof+{publication.id}@in.example.org" in mail
            found = CHALLENGE.search(mail)
            assert found
            answer_by_mail(publication.id, mailed_answer(tmp_path, old, reply(f"{found[0]}\n\n> Another certificate\n")), at)
        assert statuses(old, new) == ["superseded", "published"]
        old = new


def test_charlies_key_does_not_agree_for_dora(authority: Authority, inbox_server: InboxServer, desk: Desk, now: datetime, tmp_path: Path) -> None:
    """Not the new key, not a third one, not Dora's for another purpose."""
    old, new = leaf(authority, "dora"), leaf(authority, "charlie")
    publish_for(old, TO, at=now)
    waiting = upload(new, inbox_server, desk, now)
    tried = [
        openssl_answer(tmp_path, new, challenge(waiting)),
        openssl_answer(tmp_path, leaf(authority, "eve"), challenge(waiting)),
        openssl_answer(tmp_path, old, challenge_of(Purpose.PUBLISH, waiting.id)),
        openssl_answer(tmp_path, old, challenge_of(Purpose.PUBLISH, waiting.replacement.id)),
    ]
    for signed in tried:
        with pytest.raises(RefusedAnswerError):
            answer(waiting.id, signed, at=now)
    assert statuses(old, new) == ["published", ""]


def test_every_key_that_is_replaced_must_agree(authority: Authority, inbox_server: InboxServer, desk: Desk, now: datetime, tmp_path: Path) -> None:
    """Charlie got a certificate that signs in beside Dora's, which only encrypts; it does not speak for hers."""
    encrypts, charlies = leaf(authority, "dora", usage=Usage.ENCRYPT), leaf(authority, "charlie", usage=Usage.SIGN)
    publish_for(encrypts, TO, at=now)
    publish_for(charlies, TO, at=now)
    waiting = upload(leaf(authority, "charlie's next"), inbox_server, desk, now)
    with pytest.raises(RefusedAnswerError):
        answer(waiting.id, openssl_answer(tmp_path, charlies, challenge(waiting)), at=now)
    assert statuses(encrypts, charlies) == ["published", "published"]


def test_a_revoked_key_does_not_agree(authority: Authority, inbox_server: InboxServer, desk: Desk, now: datetime, tmp_path: Path) -> None:
    old, new = leaf(authority, "dora"), leaf(authority, "charlie")
    revoke(certificate=publish_for(old, TO, at=now), reason="key_compromise", actor=CHARLIE, at=now)
    waiting = upload(new, inbox_server, desk, now)
    assert waiting.status == PublicationStatus.WAITING
    with pytest.raises(RefusedAnswerError):
        answer(waiting.id, openssl_answer(tmp_path, old, challenge(waiting)), at=now)
    assert statuses(old, new) == ["revoked", ""]


def test_charlie_does_not_withdraw_what_does_not_agree(
    authority: Authority, inbox_server: InboxServer, desk: Desk, now: datetime, tmp_path: Path
) -> None:
    """What was withdrawn an hour ago is asked as well, where nothing else does what it did."""
    encrypts, charlies = leaf(authority, "dora", usage=Usage.ENCRYPT), leaf(authority, "charlie", usage=Usage.SIGN)
    supersede(certificate=publish_for(encrypts, TO, at=now), actor="owner", at=now)
    publish_for(charlies, TO, at=now)
    waiting = upload(leaf(authority, "charlie's next"), inbox_server, desk, now)
    with pytest.raises(RefusedAnswerError):
        answer(waiting.id, openssl_answer(tmp_path, charlies, challenge(waiting)), at=now)
    assert statuses(encrypts, charlies) == ["superseded", "published"]
