"""DKIM verified: RFC 8463's example, what our own signer and dkimpy sign, and no way for Charlie to pass for the bank."""

import json
import subprocess
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mailer.dkim import DomainSigner, _fields, body_hash, covered
from mailer.dkim_verifying import DnsFault, Texts, Verdict, verdict
from tests.interop.engine import need
from tests.mailer.test_dkim import AT, CHANGES, DKIMPY, KEYS, MAIL, signer

BANK = "bank.example.com"
NAME = "mail._domainkey.bank.example.com"

# RFC 8463 appendix A: two signatures over one mail, and the two records.
EXAMPLE = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
EXAMPLE_RECORDS = {
    "brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test._domainkey.football.example.com": (
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/b"
        "yYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
}
SIGN = """
import dkim, json, sys
given = json.loads(sys.argv[1])
mail = sys.stdin.buffer.read()
sys.stdout.buffer.write(dkim.sign(mail, b"mail", given["domain"].encode(), given["key"].encode(), signature_algorithm=given["algorithm"].encode(),
    canonicalize=tuple(form.encode() for form in given["forms"]), length=given["length"]))
"""


def known(records: Mapping[str, str | Sequence[str]]) -> Texts:
    """A DNS that has these records and no others."""

    def texts(name: str) -> list[bytes]:
        found = records.get(name, [])
        return [text.encode() for text in ([found] if isinstance(found, str) else found)]

    return texts


def no_dns(_name: str) -> list[bytes]:
    raise DnsFault


def judge(mail: bytes, records: Mapping[str, str | Sequence[str]], *, domain: str = BANK, at: datetime = AT) -> Verdict:
    return verdict(mail, domain=domain, texts=known(records), at=at)[0]


def record(kind: str = "ed25519") -> dict[str, str]:
    return dict([signer(kind).record])


def own(mail: bytes = MAIL, kind: str = "ed25519") -> bytes:
    return signer(kind).sign(mail, at=AT)


def theirs(mail: bytes, kind: str, forms: tuple[str, str], *, length: bool = False, domain: str = BANK) -> bytes:
    """The mail as dkimpy signs it."""
    need("dkimpy", DKIMPY)
    key, algorithm = KEYS[kind], f"{kind}-sha256"
    if isinstance(key, rsa.RSAPrivateKey):
        text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    else:
        text = b64encode(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())).decode()
    given = {"domain": domain, "key": text, "algorithm": algorithm, "forms": forms, "length": length}
    done = subprocess.run(["/usr/bin/python3", "-c", SIGN, json.dumps(given)], input=mail, capture_output=True, check=True, timeout=60)
    return done.stdout + mail


@pytest.mark.parametrize("selector", ["brisbane", "test"])
def test_it_verifies_the_example_of_rfc_8463(selector: str) -> None:
    name = f"{selector}._domainkey.football.example.com"
    records = {name: EXAMPLE_RECORDS[name]}
    assert judge(EXAMPLE, records, domain="football.example.com") is Verdict.HOLDS
    assert judge(EXAMPLE.replace(b"hungry", b"thirsty"), records, domain="football.example.com") is Verdict.FAILS


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("forms", [(head, body) for head in ("simple", "relaxed") for body in ("simple", "relaxed")], ids="/".join)
def test_it_verifies_what_dkimpy_signs(kind: str, forms: tuple[str, str]) -> None:
    signed = theirs(MAIL, kind, forms)
    assert judge(signed, record(kind)) is Verdict.HOLDS
    assert judge(signed.replace(b"\r\n", b"\n"), record(kind)) is Verdict.HOLDS, "as a file may have it"
    assert judge(signed.replace(b"Hello", b"Hallo"), record(kind)) is Verdict.FAILS
    refolded = judge(signed.replace(b"one  two\r\n three", b"one two three"), record(kind))
    assert refolded is (Verdict.HOLDS if forms[0] == "relaxed" else Verdict.FAILS)
    respaced = judge(signed.replace(b"you \r\n", b"you\r\n"), record(kind))
    assert respaced is (Verdict.HOLDS if forms[1] == "relaxed" else Verdict.FAILS)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b"a", b"a\r\n\r\n", b" \r\n", b"a\r\r\n\r\n", b"\r", b" \t a \t b\t\r\n \r\n"])
@pytest.mark.parametrize("form", ["simple", "relaxed"])
def test_it_reads_every_end_of_a_body_as_dkimpy_does(body: bytes, form: str) -> None:
    head, _gap, _body = MAIL.partition(b"\r\n\r\n")
    assert judge(theirs(head + b"\r\n\r\n" + body, "ed25519", ("relaxed", form)), record()) is Verdict.HOLDS


@pytest.mark.parametrize("kind", KEYS)
def test_it_verifies_what_we_sign(kind: str) -> None:
    assert judge(own(kind=kind), record(kind)) is Verdict.HOLDS


@pytest.mark.parametrize("change", CHANGES)
def test_charlie_changes_nothing_that_is_signed(change: str) -> None:
    assert judge(own().replace(*CHANGES[change]), record()) is Verdict.FAILS


def test_a_mail_without_a_signature_of_its_sender_says_nothing() -> None:
    """A list's own signature is not the sender's, nor is one of another version or algorithm."""
    lists = DomainSigner("lists.example.org", "mail", KEYS["ed25519"])
    assert judge(MAIL, {}) is Verdict.ABSENT
    assert judge(lists.sign(MAIL, at=AT), dict([lists.record])) is Verdict.ABSENT
    assert judge(own().replace(b"v=1;", b"v=2;"), record()) is Verdict.ABSENT
    assert judge(own().replace(b"ed25519-sha256", b"mldsa65-sha512"), record()) is Verdict.ABSENT


@pytest.mark.parametrize("claimed", ["example.com", "mx.bank.example.com", "BANK.example.COM"])
def test_a_signature_of_a_domain_above_or_below_counts_too(claimed: str) -> None:
    signed = theirs(MAIL, "ed25519", ("relaxed", "relaxed"), domain=claimed)
    text = next(iter(record().values()))
    assert judge(signed, {f"mail._domainkey.{claimed.lower()}": text}) is Verdict.HOLDS
    assert judge(signed.replace(b"Hello", b"Hallo"), {f"mail._domainkey.{claimed.lower()}": text}) is Verdict.FAILS


def test_a_key_that_cannot_be_asked_for_leaves_it_open() -> None:
    assert verdict(own(), domain=BANK, texts=no_dns, at=AT)[0] is Verdict.LATER
    assert verdict(own().replace(b"Hello", b"Hallo"), domain=BANK, texts=no_dns, at=AT)[0] is Verdict.FAILS, "whatever the key is"


def test_one_of_several_is_enough() -> None:
    """While algorithms change a mail has two (RFC 8463 section 3.3); one that is broken takes nothing from the other."""
    both = signer("rsa").sign(own(), at=AT)
    assert judge(both, record("rsa")) is Verdict.HOLDS
    broken = own().replace(b" b=", b" b=AAAA", 1)
    assert judge(broken, record()) is Verdict.FAILS
    assert judge(broken[: -len(MAIL)] + own(), record()) is Verdict.HOLDS


def test_only_the_first_few_signatures_are_computed() -> None:
    """Charlie puts many of the bank's name in front; each would be a question to the DNS."""
    asked: list[str] = []

    def texts(name: str) -> list[bytes]:
        asked.append(name)
        return []

    copies = b"".join(own().replace(b"s=mail;", b"s=s%d;" % number)[: -len(MAIL)] for number in range(20))
    assert verdict(copies + own(), domain=BANK, texts=texts, at=AT)[0] is Verdict.FAILS
    assert len(asked) == 5


def test_a_signature_over_a_part_of_the_body_is_none() -> None:
    """`l=`: Charlie could write on below what is signed. Where it is the whole length it says nothing."""
    signed = theirs(MAIL, "ed25519", ("relaxed", "relaxed"), length=True)
    assert b"l=" in signed
    assert judge(signed, record()) is Verdict.HOLDS
    assert judge(signed + b"Pay Charlie instead\r\n", record()) is Verdict.FAILS


def again(tags: bytes, *, mail: bytes = MAIL, key: ed25519.Ed25519PrivateKey | None = None, name: bytes = b"DKIM-Signature") -> bytes:
    """The mail under a signature with these tags, which fit it: `bh=` and `b=` are made for them."""
    head, _gap, body = mail.partition(b"\r\n\r\n")
    field = name + b": " + tags + b" bh=" + b64encode(body_hash(body)) + b"; b="
    names = [word.strip().lower() for word in tags.partition(b"h=")[2].partition(b";")[0].split(b":")]
    private = key or KEYS["ed25519"]
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    value = private.sign(sha256(covered(_fields(head + b"\r\n"), names, field)).digest())
    return field + b64encode(value) + b"\r\n" + mail


GOOD = b"v=1; a=ed25519-sha256; c=relaxed/relaxed; d=bank.example.com; s=mail; h=from:subject;"
NOW, HOUR = int(AT.timestamp()), 3600


def test_the_tests_signatures_hold() -> None:
    assert judge(again(GOOD), record()) is Verdict.HOLDS


@pytest.mark.parametrize(
    "tags",
    [
        GOOD + b" x=%d;" % (NOW + HOUR),
        GOOD + b" t=%d; x=%d;" % (NOW - HOUR, NOW + HOUR),
        GOOD + b" i=alice@bank.example.com;",
        GOOD + b" i=@sub.bank.example.com;",
        GOOD + b" q=dns/txt;",
        GOOD + b" zz=unknown;",
    ],
)
def test_what_a_signature_may_say(tags: bytes) -> None:
    assert judge(again(tags), record()) is Verdict.HOLDS


REFUSED = {
    "expired": GOOD + b" x=%d;" % (NOW - 1),
    "ends before it begins": GOOD + b" t=%d; x=%d;" % (NOW + 60, NOW + 30),
    "signed in the future": GOOD + b" t=%d;" % (NOW + 2 * HOUR),
    "no number": GOOD + b" x=tomorrow;",
    "huge number": GOOD + b" x=" + b"9" * 5000 + b";",
    "somebody else's identity": GOOD + b" i=@shop.example.net;",
    "identity that only ends alike": GOOD + b" i=@notbank.example.com;",
    "From unsigned": GOOD.replace(b"from:", b""),
    "old algorithm": GOOD.replace(b"ed25519-sha256", b"rsa-sha1"),
    "no selector": GOOD.replace(b"s=mail", b"s=ma/il"),
    "tag twice": GOOD + b" d=shop.example.net;",
    "no tag": GOOD + b" what;",
    "no hash": GOOD.replace(b"h=from:subject;", b""),
    "part of the body": GOOD + b" l=3;",
    "nothing of the body": GOOD + b" l=0;",
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_a_signature_must_not_say(fault: str) -> None:
    assert judge(again(REFUSED[fault]), {**record(), "ma/il._domainkey.bank.example.com": next(iter(record().values()))}) is Verdict.FAILS


def key_text(bits: int) -> tuple[rsa.RSAPrivateKey, str]:
    key = rsa_key(bits)
    return key, b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def rsa_signed(key: rsa.RSAPrivateKey) -> bytes:
    made = DomainSigner(BANK, "mail", KEYS["rsa"])
    made._key = key  # our own signer takes none as short as these
    return made.sign(MAIL, at=AT)


@pytest.mark.parametrize(("bits", "expected"), [(1024, Verdict.HOLDS), (4096, Verdict.HOLDS), (4608, Verdict.FAILS)])
def test_keys_that_are_too_large_verify_nothing(bits: int, expected: Verdict) -> None:
    """RFC 8301 section 3.2."""
    key, text = key_text(bits)
    assert judge(rsa_signed(key), {NAME: f"v=DKIM1; k=rsa; p={text}"}) is expected


@pytest.mark.parametrize("bits", [512, 768, 1023])
def test_keys_that_are_too_short_verify_nothing(bits: int) -> None:
    """No library makes such keys any more, so the record has a number of that size, and the words must be about the key."""
    octets = rsa.RSAPublicNumbers(65537, (1 << bits) - 1).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    found = verdict(own(kind="rsa"), domain=BANK, texts=known({NAME: f"p={b64encode(octets).decode()}"}), at=AT)
    assert found == (Verdict.FAILS, "an RSA key that is too short to count or too large to be used")


def test_the_older_form_of_an_rsa_key_is_read_too() -> None:
    """RFC 6376 section 3.6.1 says RSAPublicKey, and its erratum SubjectPublicKeyInfo."""
    text = b64encode(KEYS["rsa"].public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)).decode()
    assert judge(own(kind="rsa"), {NAME: f"p={text}"}) is Verdict.HOLDS


P = next(iter(dict([signer().record]).values())).rpartition("p=")[2]
RECORDS: dict[str, tuple[str | list[str], Verdict]] = {
    "none": ([], Verdict.FAILS),
    "revoked": ("v=DKIM1; k=ed25519; p=", Verdict.FAILS),
    "other version": (f"v=DKIM2; k=ed25519; p={P}", Verdict.FAILS),
    "version not first": (f"k=ed25519; v=DKIM1; p={P}", Verdict.FAILS),
    "no version": (f"k=ed25519; p={P}", Verdict.HOLDS),
    "folded": (f" k = ed25519 ; p = {P[:10]} {P[10:]} ; n=a note", Verdict.HOLDS),
    "not for SHA-256": (f"k=ed25519; h=sha1; p={P}", Verdict.FAILS),
    "for several": (f"k=ed25519; h=sha1 : sha256; s=email; p={P}", Verdict.HOLDS),
    "not for mail": (f"k=ed25519; s=tlsrpt; p={P}", Verdict.FAILS),
    "other kind": (f"k=rsa; p={P}", Verdict.FAILS),
    "unknown kind": (f"k=mldsa; p={P}", Verdict.FAILS),
    "cut short": (f"k=ed25519; p={P[:20]}", Verdict.FAILS),
    "twice": ([f"k=ed25519; p={P}", f"k=ed25519; p={P}"], Verdict.FAILS),
    "beside another text": ([f"k=ed25519; p={P}", "v=spf1 -all"], Verdict.HOLDS),
    "huge": (f"k=ed25519; n={'x' * 5000}; p={P}", Verdict.FAILS),
    "huge after the key": (f"k=ed25519; p={P}; n={'x' * 100_000}", Verdict.FAILS),
    "a tag twice": (f"k=ed25519; p={P}; p={P}", Verdict.FAILS),
    "strict": (f"k=ed25519; t=s; p={P}", Verdict.HOLDS),
}


@pytest.mark.parametrize("case", RECORDS)
def test_what_a_key_record_must_say(case: str) -> None:
    record_of_case, expected = RECORDS[case]
    assert judge(again(GOOD), {NAME: record_of_case}) is expected


def test_a_strict_key_is_for_the_domain_alone() -> None:
    signed = again(GOOD + b" i=@sub.bank.example.com;")
    assert judge(signed, {NAME: f"k=ed25519; p={P}"}) is Verdict.HOLDS
    assert judge(signed, {NAME: f"k=ed25519; t=y:s; p={P}"}) is Verdict.FAILS


def test_a_failing_signature_of_a_key_on_trial_is_no_signature() -> None:
    """Section 3.6.1: the verdict on a domain that is trying DKIM out is no other than on one without."""
    foreign = again(GOOD, key=ed25519.Ed25519PrivateKey.generate())
    assert judge(foreign, {NAME: f"k=ed25519; p={P}"}) is Verdict.FAILS
    assert judge(foreign, {NAME: f"k=ed25519; t=y; p={P}"}) is Verdict.ABSENT


def test_a_key_of_charlies_is_not_the_banks() -> None:
    assert judge(again(GOOD, key=ed25519.Ed25519PrivateKey.generate()), record()) is Verdict.FAILS


def test_two_from_fields_are_nobodys_though_both_be_signed() -> None:
    mail = MAIL.replace(b"From: Bank", b"From: charlie@shop.example.net\r\nFrom: Bank")
    assert judge(again(GOOD.replace(b"h=from:", b"h=from:from:"), mail=mail), record()) is Verdict.FAILS


def test_octets_that_are_no_text_are_a_failure() -> None:
    assert judge(own().replace(b"c=relaxed", b"c=\xff\xfe"), record()) is Verdict.FAILS


def test_an_endless_head_is_a_failure() -> None:
    assert judge(own(b"X: y\r\n" * 2000 + MAIL), record()) is Verdict.FAILS
    assert judge(own(b"X: " + b"y" * 300_000 + b"\r\n" + MAIL), record()) is Verdict.FAILS


def test_a_domain_beyond_ascii_is_asked_for_in_its_ascii_form() -> None:
    tags = GOOD.replace(b"bank.example.com", "bücher.example".encode())
    records = {"mail._domainkey.xn--bcher-kva.example": f"k=ed25519; p={P}"}
    assert judge(again(tags), records, domain="xn--bcher-kva.example") is Verdict.HOLDS


def test_it_is_over_when_it_is_over() -> None:
    signed = again(GOOD + b" x=%d;" % NOW)
    assert judge(signed, record()) is Verdict.HOLDS
    assert judge(signed, record(), at=AT + timedelta(seconds=1)) is Verdict.FAILS
    assert judge(signed, record(), at=datetime(2030, 1, 1, tzinfo=UTC)) is Verdict.FAILS
