"""A signed answer to a challenge: in every form that people make, by the very certificate, and for the very publication."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from mailer.answering import MOST_OCTETS, AnswerError, Purpose, challenge_of, read_answer
from tests.mailer.answers import mailed_answer, openssl_answer, reply
from tests.mailer.signed_mail import signature
from tests.pki import Authority, Holder, Usage, key_of

TO = "dora@people.example.net"
CHALLENGE = "letterlock-publish-0123456789abcdef0123456789abcdef"
NOW = datetime.now(UTC)
MINE = UUID(int=1)


@pytest.fixture
def dora(authority: Authority) -> Holder:
    return authority.leaf(TO, "rsa2048", Usage.SIGN)


def outcome(answer: bytes, holder: Holder, *, challenge: str = CHALLENGE, at: datetime = NOW) -> str:
    """Why the answer is refused; empty where it is taken."""
    try:
        read_answer(answer, challenge=challenge, certificate_der=holder.der, at=at)
    except AnswerError as error:
        return error.outcome
    return ""


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384"])
@pytest.mark.parametrize(
    "form",
    [
        ("-nodetach", "-outform", "PEM"),
        ("-nodetach", "-outform", "DER"),
        ("-nodetach", "-outform", "SMIME"),
        ("-outform", "SMIME"),
        ("-nodetach", "-outform", "DER", "-nocerts"),
        ("-nodetach", "-outform", "DER", "-keyid"),
        ("-nodetach", "-outform", "DER", "-binary"),
    ],
    ids=" ".join,
)
def test_it_takes_what_openssl_makes(form: tuple[str, ...], kind: str, authority: Authority, tmp_path: Path) -> None:
    holder = authority.leaf(TO, kind, Usage.SIGN)
    assert outcome(openssl_answer(tmp_path, holder, CHALLENGE + "\n", *form), holder) == ""


@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.parametrize(
    "words",
    [
        reply(f"{CHALLENGE}\n"),
        reply(f"\n{CHALLENGE}\n\nDora\n\nYou wrote:\n> prove it\n"),
        reply(f"{CHALLENGE}\nGrüße\n", encoding="quoted-printable"),
        reply(f"{CHALLENGE}\nGrüße\n", encoding="base64"),
        reply(f"{CHALLENGE}\n", html=f"<p>{CHALLENGE}</p>"),
    ],
    ids=["plain", "above what is quoted", "quoted-printable", "base64", "with HTML"],
)
def test_it_takes_a_signed_reply(words: object, opaque: bool, dora: Holder, tmp_path: Path) -> None:  # noqa: FBT001 - pytest's parameter
    answer = mailed_answer(tmp_path, dora, words, opaque=opaque)  # type: ignore[arg-type]
    assert outcome(answer, dora) == ""


def test_it_takes_one_of_several_signers(authority: Authority) -> None:
    first, second = (authority.leaf(f"{name}@people.example.net", "p256", Usage.SIGN) for name in ("dora", "eve"))
    both = signature(first, [first.der, second.der], entity=CHALLENGE.encode(), second=second, opaque=True)
    assert outcome(both, first) == outcome(both, second) == ""


def test_it_takes_no_answer_by_charlie(dora: Holder, authority: Authority, tmp_path: Path) -> None:
    """Another certificate for the same address and of the same authority; and one of the same key, which is not the one in question."""
    charlie = authority.leaf(TO, "rsa2048", Usage.SIGN, key=key_of("rsa2048", "charlie"))
    assert outcome(openssl_answer(tmp_path, charlie, CHALLENGE), dora) == "other_signer"
    twin = authority.leaf(TO, "rsa2048", Usage.SIGN, key=dora.key)
    assert outcome(openssl_answer(tmp_path, twin, CHALLENGE), dora) == "other_signer"


def test_it_takes_no_answer_for_another_publication(dora: Holder, tmp_path: Path) -> None:
    replayed = openssl_answer(tmp_path, dora, CHALLENGE)
    assert outcome(replayed, dora, challenge=CHALLENGE.replace("0", "f")) == "no_challenge"
    assert outcome(replayed, dora, challenge=CHALLENGE.replace("publish", "replace")) == "no_challenge"


@pytest.mark.parametrize(
    "text",
    [
        "",
        CHALLENGE[:-1],
        CHALLENGE + "0",
        f"Dear Dora, what do you think of {CHALLENGE}?",
        f'<p>Hello</p><span style="display:none">{CHALLENGE}</span>',
        f"Subject: {CHALLENGE}",
        f"> {CHALLENGE}",
        f"Do not do anything.\n\nCharlie wrote:\n> {CHALLENGE}\n",
        f"Do not do anything.\n\nFrom: Charlie\n\n{CHALLENGE}\n",
    ],
)
def test_it_wants_the_challenge_where_the_signer_wrote_it(text: str, dora: Holder, tmp_path: Path) -> None:
    """Charlie could hide it in a mail that he has Dora answer, or ask her what it means."""
    assert outcome(openssl_answer(tmp_path, dora, text), dora) == "no_challenge"
    assert outcome(mailed_answer(tmp_path, dora, reply(text + "\n", html=f"<p>{CHALLENGE}</p>")), dora) == "no_challenge"


def test_it_takes_nothing_that_was_changed(dora: Holder, tmp_path: Path) -> None:
    answer = openssl_answer(tmp_path, dora, "x" * len(CHALLENGE), "-nodetach", "-outform", "DER")
    assert outcome(answer.replace(b"x" * len(CHALLENGE), CHALLENGE.encode()), dora) == "content_changed"
    mail = mailed_answer(tmp_path, dora, reply(f"{CHALLENGE[:-1]}\n"))
    assert outcome(mail.replace(CHALLENGE[:-1].encode(), CHALLENGE.encode()), dora) == "content_changed"


def test_it_takes_nothing_beside_what_is_signed(dora: Holder, tmp_path: Path) -> None:
    """Charlie has a signed mail of Dora's, and puts the challenge around it."""
    signed = mailed_answer(tmp_path, dora, reply("Hello\n"))
    assert outcome(signed + f"\r\n{CHALLENGE}\r\n".encode(), dora) == "partly_signed"
    around = b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\n%s\r\n--o\r\n%s\r\n--o--\r\n" % (CHALLENGE.encode(), signed)
    assert outcome(around, dora) == "partly_signed"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "malformed"),
        (CHALLENGE.encode(), "malformed"),
        (f"Subject: Re: Prove it\r\n\r\n{CHALLENGE}\r\n".encode(), "not_signed"),
        (b"0\x80" + bytes(200), "malformed"),
        (b"-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n", "malformed"),
        (b"0" * (MOST_OCTETS + 1), "too_large"),
    ],
)
def test_it_says_what_is_wrong(answer: bytes, why: str, dora: Holder) -> None:
    assert outcome(answer, dora) == why


def test_it_takes_nothing_that_is_signed_apart_from_its_text(dora: Holder, tmp_path: Path) -> None:
    assert outcome(openssl_answer(tmp_path, dora, CHALLENGE, "-outform", "DER"), dora) == "malformed"


def test_it_takes_no_broken_algorithm(dora: Holder, tmp_path: Path) -> None:
    assert outcome(openssl_answer(tmp_path, dora, CHALLENGE, "-nodetach", "-outform", "DER", "-md", "sha1"), dora) == "legacy_algorithm"


def test_it_takes_nothing_of_a_certificate_that_may_not_sign_or_has_run_out(authority: Authority, dora: Holder, tmp_path: Path) -> None:
    encrypts = authority.leaf(TO, "rsa2048", Usage.ENCRYPT)
    assert outcome(openssl_answer(tmp_path, encrypts, CHALLENGE), encrypts) == "wrong_usage"
    assert outcome(openssl_answer(tmp_path, dora, CHALLENGE), dora, at=NOW + timedelta(days=400)) == "not_valid_then"


@pytest.mark.django_db
def test_a_challenge_belongs_to_one_purpose_and_one_subject() -> None:
    challenges = {challenge_of(purpose, subject) for purpose in Purpose for subject in (MINE, UUID(int=2))}
    assert len(challenges) == 4
    assert challenge_of(Purpose.PUBLISH, MINE) in challenges
    assert all(str(MINE) not in one and len(one) < 76 for one in challenges)
