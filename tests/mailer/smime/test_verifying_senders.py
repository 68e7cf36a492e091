"""Who a message says it is from, and every way to say it in two ways at once (rule 22 of the field). None is verified."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.smime.mailboxes import Mailbox, Unclear, parse
from mailer.smime.outcomes import Outcome
from mailer.smime.senders import judge

BODY = "\r\n\r\nThe code is 4711.\r\n"
SIGNED = b"Content-Type: text/plain" + BODY.encode()
BANK = ["bills@bank.example.com"]


def judged(*fields: str, signed: bytes = SIGNED, addresses: list[str] = BANK, encrypted: bool = False) -> Outcome:
    message = ("\r\n".join([*fields, "Content-Type: text/plain"]) + BODY).encode("utf-8", "surrogateescape")
    return judge(message, [signed], [addresses], encrypted=encrypted)


@pytest.mark.parametrize(
    "sender",
    [
        "bills@bank.example.com",
        "<bills@bank.example.com>",
        "Bills@BANK.example.com",
        "Example Bank <bills@bank.example.com>",
        '"Bank, Example" <bills@bank.example.com>',
        "bills@bank.example.com (Example Bank)",
        "=?utf-8?q?Sparkasse_M=C3=BCnchen?= <bills@bank.example.com>",
        "Sparkasse München <bills@bank.example.com>",
        "Example\r\n Bank <bills@bank.example.com>",
        '"bills@bank.example.com" <bills@bank.example.com>',
        "bills@bank.example.com <bills@bank.example.com>",
        'Bank (Example) "of" <bills@bank.example.com>',
    ],
)
def test_it_believes_the_signer(sender: str) -> None:
    assert judged(f"From: {sender}") is Outcome.VERIFIED


def test_it_reads_international_addresses() -> None:
    signer = ["kasse@xn--mnchen-3ya.example"]
    assert judged("From: kasse@münchen.example", addresses=signer) is Outcome.VERIFIED
    assert judged("From: kasse@xn--mnchen-3ya.example", addresses=["kasse@münchen.example"]) is Outcome.VERIFIED
    assert judged("From: käthe@bank.example.com", addresses=["käthe@bank.example.com"]) is Outcome.VERIFIED
    assert judged("From: käthe@bank.example.com", addresses=["kathe@bank.example.com"]) is Outcome.OTHER_SENDER


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ([], Outcome.NO_SENDER),
        (["From: charlie@example.org"], Outcome.OTHER_SENDER),
        (["From: bills@bank.example.com.evil.example"], Outcome.OTHER_SENDER),
        (["From: bills@bank.example.co"], Outcome.OTHER_SENDER),
        # Several.
        (["From: bills@bank.example.com", "From: charlie@example.org"], Outcome.SEVERAL_SENDERS),
        (["From: charlie@example.org", "From: bills@bank.example.com"], Outcome.SEVERAL_SENDERS),
        (["From: bills@bank.example.com", "from : charlie@example.org"], Outcome.SEVERAL_SENDERS),
        (["From: bills@bank.example.com", "FROM: bills@bank.example.com"], Outcome.SEVERAL_SENDERS),
        (["From: bills@bank.example.com, charlie@example.org"], Outcome.SEVERAL_SENDERS),
        (["From: Charlie <charlie@example.org>, Bank <bills@bank.example.com>"], Outcome.SEVERAL_SENDERS),
        # What programs read in different ways.
        (["From: <bills@bank.example.com> <charlie@example.org>"], Outcome.SENDER_UNCLEAR),
        (["From: bills@bank.example.com <charlie@example.org> <bills@bank.example.com>"], Outcome.SENDER_UNCLEAR),
        (["From: <charlie@example.org>bills@bank.example.com"], Outcome.SENDER_UNCLEAR),
        (["From: bills@bank.example.com> <charlie@example.org>"], Outcome.SENDER_UNCLEAR),
        (["From: Bank: bills@bank.example.com;"], Outcome.SENDER_UNCLEAR),
        (["From: <@charlie.example.org:bills@bank.example.com>"], Outcome.SENDER_UNCLEAR),
        (["From: <@charlie.example.org,bills@bank.example.com>"], Outcome.SENDER_UNCLEAR),
        (['From: "bills@bank.example.com'], Outcome.SENDER_UNCLEAR),
        (['From: "bills"@bank.example.com'], Outcome.SENDER_UNCLEAR),
        (["From: bills@bank.example.com@example.org"], Outcome.SENDER_UNCLEAR),
        (["From: bills @bank.example.com"], Outcome.SENDER_UNCLEAR),
        (["From: bills@[192.0.2.1]"], Outcome.SENDER_UNCLEAR),
        (["From: bills@bank.example.com (bank"], Outcome.SENDER_UNCLEAR),
        (["From: =?utf-8?q?bills=40bank.example.com?="], Outcome.SENDER_UNCLEAR),
        (["From: <=?utf-8?q?bills?=@bank.example.com>"], Outcome.SENDER_UNCLEAR),
        (["From: bills@bank.example.com\x00charlie@example.org"], Outcome.SENDER_UNCLEAR),
        (["From: bills\u202e@bank.example.com"], Outcome.SENDER_UNCLEAR),
        (["From:"], Outcome.SENDER_UNCLEAR),
        (["no field at all", "From: bills@bank.example.com"], Outcome.SENDER_UNCLEAR),
        # What the name shows.
        (["From: charlie@example.org <bills@bank.example.com>"], Outcome.MISLEADING_NAME),
        (['From: "charlie@example.org" <bills@bank.example.com>'], Outcome.MISLEADING_NAME),
        (["From: bills@bank.example.com (charlie@example.org)"], Outcome.MISLEADING_NAME),
        (["From: =?utf-8?q?charlie=40example=2Eorg?= <bills@bank.example.com>"], Outcome.MISLEADING_NAME),
        (["From: =?utf-8?b?Y2hhcmxpZUBleGFtcGxlLm9yZwA=?= <bills@bank.example.com>"], Outcome.MISLEADING_NAME),
        (["From: charlie＠example.org <bills@bank.example.com>"], Outcome.MISLEADING_NAME),  # noqa: RUF001 - that is the trick
        (["From: Bank\u202emoc.knab <bills@bank.example.com>"], Outcome.MISLEADING_NAME),
        (["From: Ba\u200bnk <bills@bank.example.com>"], Outcome.MISLEADING_NAME),
        (["From: =?utf-8?q?Bank=0D=0A=0D=0AYour_code?= <bills@bank.example.com>"], Outcome.MISLEADING_NAME),
        # Fields beside it.
        (["From: bills@bank.example.com", "Sender: charlie@example.org"], Outcome.FOREIGN_SENDER_FIELD),
        (["From: bills@bank.example.com", "Sender: <>"], Outcome.FOREIGN_SENDER_FIELD),
        (["From: bills@bank.example.com", "Reply-To: charlie@example.org"], Outcome.FOREIGN_REPLY_TO),
        (["From: bills@bank.example.com", "Reply-To: bills@bank.example.com, charlie@example.org"], Outcome.FOREIGN_REPLY_TO),
        (["From: bills@bank.example.com", "Reply-To: Bank: charlie@example.org;"], Outcome.FOREIGN_REPLY_TO),
        (["From: bills@bank.example.com", "Reply-To: a@b.example", "Reply-To: bills@bank.example.com"], Outcome.REPEATED_FIELD),
        (["From: bills@bank.example.com", "Subject: Your bill", "Subject: Your prize"], Outcome.REPEATED_FIELD),
    ],
)
def test_it_believes_nobody_else(fields: list[str], outcome: Outcome) -> None:
    assert judged(*fields) is outcome


def test_it_takes_the_signers_own_other_addresses() -> None:
    signer = [*BANK, "help@bank.example.com"]
    fields = ["From: Bills <bills@bank.example.com>", "Sender: help@bank.example.com", "Reply-To: Help <help@bank.example.com>"]
    assert judged(*fields, addresses=signer) is Outcome.VERIFIED
    assert judged(*fields) is Outcome.FOREIGN_SENDER_FIELD


def protected(*fields: str, hp: str = "clear") -> bytes:
    return ("\r\n".join([*fields, f'Content-Type: text/plain; hp="{hp}"']) + BODY).encode()


@pytest.mark.parametrize(
    ("outer", "signed", "encrypted", "outcome"),
    [
        (["From: bills@bank.example.com"], protected("From: Bills <bills@bank.example.com>"), False, Outcome.VERIFIED),
        (["From: bills@bank.example.com"], protected("From: charlie@example.org"), False, Outcome.HEADERS_DIFFER),
        (["From: bills@bank.example.com"], protected("From: bills@bank.example.com", "From: charlie@example.org"), False, Outcome.HEADERS_DIFFER),
        (["From: charlie@example.org"], protected("From: bills@bank.example.com"), False, Outcome.OTHER_SENDER),
        (["From: bills@bank.example.com", "Subject: a"], protected("From: bills@bank.example.com", "Subject: a"), False, Outcome.VERIFIED),
        (["From: bills@bank.example.com", "Subject: b"], protected("From: bills@bank.example.com", "Subject: a"), False, Outcome.HEADERS_DIFFER),
        (["From: bills@bank.example.com"], protected("From: bills@bank.example.com", "Subject: a"), False, Outcome.VERIFIED),
        (
            ["From: bills@bank.example.com", "Subject: A letter"],
            protected("From: bills@bank.example.com", "Subject: Your debts", hp="cipher"),
            True,
            Outcome.VERIFIED,
        ),
        (
            ["From: bills@bank.example.com"],
            protected("From: bills@bank.example.com", "Reply-To: charlie@example.org", hp="cipher"),
            True,
            Outcome.HEADERS_DIFFER,
        ),
        (
            ["From: bills@bank.example.com"],
            b"Content-Type: message/rfc822; forwarded=no\r\n\r\nFrom: bills@bank.example.com\r\nSubject: a\r\n\r\nx",
            False,
            Outcome.VERIFIED,
        ),
        (
            ["From: bills@bank.example.com"],
            b"Content-Type: message/rfc822\r\n\r\nFrom: charlie@example.org\r\nSubject: a\r\n\r\nx",
            False,
            Outcome.HEADERS_DIFFER,
        ),
    ],
    ids=range(11),
)
def test_it_compares_the_header_inside_the_signature(outer: list[str], signed: bytes, encrypted: bool, outcome: Outcome) -> None:  # noqa: FBT001
    assert judged(*outer, signed=signed, encrypted=encrypted) is outcome


def test_it_reads_names_for_showing() -> None:
    assert parse('"Bank, \\"Example\\"" <a@b.example> (Berlin)') == [Mailbox("a@b.example", 'Bank, "Example" Berlin')]
    assert parse("=?iso-8859-1?q?M=FCller?= <a@b.example>")[0].name == "Müller"
    assert parse("=?no-such-charset?q?x?= <a@b.example>")[0].address == "a@b.example"


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet='ab@.<>()",;:\\ =?_\x00\u202e\r\n\té', max_size=40))
def test_it_never_fails_without_a_name(text: str) -> None:
    try:
        found = parse(text)
    except Unclear:
        return
    assert all("@" in mailbox.address and not set(mailbox.address) & set(' <>()",;:\\') for mailbox in found)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_it_judges_any_octets(octets: bytes) -> None:
    assert judge(octets, [octets], [BANK], encrypted=False) is not Outcome.VERIFIED
