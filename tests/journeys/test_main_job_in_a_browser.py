"""The main job, walked in Chromium from registration to send log; every page of the URLconf is visited, and axe finds nothing."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import FilePayload, sync_playwright

from portal.running.folders import CHECKOUT
from portal.running.nameserver import Zone
from portal.running.received import Inbox
from portal.running.story.applying import one_page_pdf
from portal.running.story.openssl import Recipient, openssl
from portal.running.story.stage import Person, Stage, new_person, text_of
from portal.running.supervisor import Portal
from tests.journeys.consenting import agree, hand_in_by_mail, refuse, signed_mail, trusted_authority
from tests.journeys.eyes import Eyes, Visitor
from tests.portal.rights.doors import routes

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("portal")]

SECRET = re.compile(r"\b(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}\b")
BANK, SENDER, NEUTRAL = "Bank of the Journey Ltd", "bills@bank.example.com", "A sealed message of your bank"
BOB = "bob@example.net"
# What is no page to look at, and why.
NO_PAGES = {
    "language": "leads back at once",
    "robots": "text",
    "favicon": "a picture",
    "health": "JSON",
    "certificate-file": "a file",
    "owner-still-mine": "asked a year after a proof; it has a look of its own in tests/portal",
    "send-log-csv": "a file",
    "pki-issuer": "a file",
    "pki-revocation-list": "a file",
    "demo-inbox-source": "a mail as text",
    "second-factor-qr": "a picture",
    "review-evidence": "a file",
    "logout": "leads on at once",
    "token-revoke": "leads on at once",
    **dict.fromkeys(("sending-pause", "sending-resume", "operations-pause", "operations-resume"), "leads on at once"),
    "application-evidence-remove": "leads on at once",
    "application-answer": "leads on at once",
    "review-claim": "leads on at once",
    "review-give-back": "leads on at once",
    "review-decide": "leads on at once",
    "admin:mailer_relaylog_change": "no relay with a log of its own is part of the journey",
    "admin:mailer_relayedmail_change": "no relay with a log of its own is part of the journey",
    "admin:mailer_consentlink_change": "made a day after a question; the list of them is visited",
    "admin:login": "leads on at once",
    "admin:jsi18n": "a script",
    "admin:autocomplete": "JSON",
}


def wanted() -> set[str]:
    """The names of all pages that there are."""
    names = {name for name, _pattern in routes()}
    return {name for name in names if name not in NO_PAGES and not name.startswith("api-")} | {"api-docs"}


@pytest.fixture
def eyes(portal: Portal) -> Iterator[Eyes]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "Chromium is missing: apt-get install -y chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield Eyes(browser, portal.url)
        browser.close()


@pytest.fixture
def stage(portal: Portal, tmp_path: Path) -> Stage:
    return Stage(portal.url, Inbox(portal.inbox), Zone(portal.zone), tmp_path, "Your balance is 1,234.56 EUR. 您的余额。", run=1)


def test_it_walks_the_main_job_and_sees_every_page(portal: Portal, stage: Stage, eyes: Eyes) -> None:
    alice = new_person("Alice Example", "alice@bank.example.com", "owner")
    rita, ravi = (desk(portal, name, "reviewer") for name in ("Rita", "Ravi"))
    olga = desk(portal, "Olga", "")
    with eyes.person() as owner:
        look_around(owner)
        register(owner, stage, alice)
        application = apply(owner, stage)
        for reviewer, last in ((rita, False), (ravi, True)):
            with eyes.person() as visitor:
                sign_in(visitor, reviewer)
                review(visitor, owner, application, last=last)
        choose_how_to_send(owner)
        token = make_token(owner)
        send(owner, stage, eyes, token)
        collect(portal, stage, eyes, token)
        read_the_send_log(owner)
        withdraw_another(owner)
    with eyes.person() as operator:
        sign_in(operator, olga)
        administer(operator)
    with eyes.person(language="zh-hans") as reader:
        reader.go("/")
        reader.reads("只有收信人能打开的信件")
    assert eyes.faults == [], "\n".join(eyes.faults)
    assert wanted() - eyes.seen == set(), "these pages exist and were not visited"


def desk(portal: Portal, name: str, role: str) -> Person:
    """An account of the desk, made by the command that a portal's operator uses."""
    person = new_person(f"{name} Desk", f"{name.lower()}@desk.example.org", role)
    command = [sys.executable, "manage.py", "create_operator", person.address, "--name", person.name, *(["--role", role] if role else [])]
    given = portal.environment | {"LETTERLOCK_OPERATOR_PASSWORD": person.password}
    printed = subprocess.run(command, cwd=CHECKOUT, env=given, capture_output=True, text=True, check=True).stdout
    found = SECRET.search(printed)
    assert found, printed
    person.secret = found.group()
    return person


def look_around(visitor: Visitor) -> None:
    for path in ("/", "/lookup", "/lookup?email=nobody@example.com", "/developers/", "/api/docs/", "/privacy/", "/accessibility/"):
        visitor.go(path)
    visitor.go("/")
    visitor.page.locator("#email").fill("nobody@example.com")
    visitor.press("Look up")
    visitor.reads("Nothing here can be sealed to")


def register(visitor: Visitor, stage: Stage, person: Person) -> None:
    visitor.go("/accounts/register/")
    visitor.fill(name=person.name, email=person.address, password=person.password)
    visitor.press("Make the account")
    visitor.reads("Look into your mailbox")
    visitor.go(link(stage, stage.mail(person.address).content))
    visitor.press("Confirm and make my account")
    visitor.fill(email=person.address, password=person.password)
    visitor.press("Continue")
    found = SECRET.search(visitor.page.locator("main").inner_text())
    assert found
    person.secret = found.group()
    visitor.fill(code=person.code())
    visitor.press("Switch it on")
    visitor.reads("ecovery")
    visitor.go("/accounts/")
    visitor.go("/accounts/second-factor/recovery-codes/")


def sign_in(visitor: Visitor, person: Person) -> None:
    visitor.go("/accounts/login/")
    visitor.fill(email=person.address, password=person.password)
    visitor.press("Continue")
    visitor.fill(code=person.code())
    visitor.press("Sign in")


def apply(visitor: Visitor, stage: Stage) -> str:
    """Fill in every part and send it; the application's path."""
    visitor.go("/apply/")
    visitor.press("Register an organisation")
    root = urlsplit(visitor.page.url).path
    visitor.go(f"{root}organisation/")
    visitor.fill(
        legal_name=BANK,
        country="GB",
        scheme="NTR",
        register_number="01234567",
        address="1 Example Street\nLondon EC1A 1AA",
        website="https://www.bank.example.com",
        time_zone="Europe/London",
    )
    visitor.press("Save and continue")
    visitor.go(f"{root}sending/")
    visitor.fill(sending_address=SENDER, domain="bank.example.com")
    visitor.press("Save and continue")
    visitor.go(f"{root}contact/")
    visitor.fill(contact_name="Alice Example", contact_role="Head of billing", contact_phone="+44 20 7946 0000")
    visitor.press("Save and continue")
    visitor.go(f"{root}domain/")
    value = re.search(r"letterlock-verify=[A-Za-z0-9_-]+", visitor.page.locator("main").inner_text())
    assert value
    stage.zone.add("_letterlock.bank.example.com", "TXT", value.group())
    visitor.press("Check now")
    visitor.reads("bank.example.com is proven")
    visitor.go(f"{root}evidence/")
    document = FilePayload(name="extract.pdf", mimeType="application/pdf", buffer=one_page_pdf(f"Extract: {BANK}"))
    visitor.page.locator("main [name=document]").set_input_files(document)
    visitor.press("Upload")
    visitor.go(f"{root}check/")
    visitor.page.locator("main [name=agree]").check()
    visitor.press("Accept and send")
    visitor.reads("Two reviewers decide by")
    return root


def review(visitor: Visitor, owner: Visitor, application: str, *, last: bool) -> None:
    """The first reviewer asks once before approving; the second cannot see what the first said."""
    visitor.go("/review/")
    visitor.press(BANK)
    if not last:
        visitor.press("Claim")
        visitor.fill(decision="ask", text="Which name does the register have?")
        visitor.press("Decide")
        visitor.reads("The applicant is asked")
        owner.go(application)
        owner.reads("Which name does the register have?")
        owner.fill(answer="The one that stands there.")
        owner.press("Send the answer")
        visitor.go("/review/")
        visitor.press(BANK)
    else:
        visitor.reads("hidden until you have decided")
    visitor.press("Claim")
    visitor.fill(decision="approve")
    visitor.press("Decide")
    visitor.reads("Approved" if last else "Your approval is kept")


def choose_how_to_send(owner: Visitor) -> None:
    """Another wording of the subject outside, and a pause that ends at once."""
    owner.go("/accounts/")
    owner.press(BANK)
    owner.press("Sending", within=".sidenav")
    owner.fill(subject="neutral", neutral_subject=NEUTRAL)
    owner.press("Store")
    owner.reads(NEUTRAL)
    owner.fill(reason="a wrong amount")
    owner.press("Pause sending")
    owner.reads("Sending is paused", "a wrong amount")
    owner.press("Go on sending")
    owner.reads("Sending goes on.")


def make_token(owner: Visitor) -> str:
    """Wait for the certificate, then make a token; its text."""
    owner.press("Overview", within=".sidenav")
    deadline = time.monotonic() + 60
    while "organisation-validated" not in owner.page.locator("main").inner_text():
        assert time.monotonic() < deadline, "the signer issued no certificate"
        time.sleep(0.5)
        owner.page.reload()
    owner.press("Certificate", within=".sidenav")
    owner.reads("V4", SENDER, "NTRGB-01234567")
    owner.press("API tokens", within=".sidenav")
    owner.fill(name="billing", days="365")
    for scope in ("lookup", "send", "read_log", "publish"):
        owner.page.locator(f"main [name=scopes][value={scope}]").check()
    owner.press("Make token")
    return owner.page.locator("#secret").inner_text().strip()


def send(owner: Visitor, stage: Stage, eyes: Eyes, token: str) -> None:
    """Bob publishes a certificate and gets a sealed letter; Dora has none and gets an invitation."""
    bob = Recipient(BOB, stage.out, "bob")
    bob.make_key()
    call(stage.url, token, "/api/v1/publications", bob.certificate.read_bytes(), "application/x-pem-file")
    with eyes.person() as visitor:
        visitor.go(sealed_link(stage, bob))
        visitor.press("Publish this certificate")
        visitor.go(f"/lookup?email={bob.address}")
        visitor.reads("Selected certificate", "Can be sealed to")
    recipients = (bob.address, "dora@example.org")
    letters = [{"to": address, "subject": "Your statement", "text": stage.say, "reference": f"ST-{n}"} for n, address in enumerate(recipients)]
    call(stage.url, token, "/api/v1/messages", json.dumps({"from": SENDER, "messages": letters}).encode(), "application/json")
    assert f"Subject: {NEUTRAL}\r\n".encode() in stage.mail(bob.address, number=2).content
    with eyes.person() as visitor:
        visitor.go(link(stage, stage.mail("dora@example.org").content))
        visitor.reads(BANK)
        visitor.press("Never invite this address again")
        visitor.press("Never invite this address again")
        visitor.reads("We will not write again")
        visitor.go("/demo/inbox/")
    own_a_mailbox(stage, eyes, bob.address, number=3)
    owner.press("Overview", within=".sidenav")


def collect(portal: Portal, stage: Stage, eyes: Eyes, token: str) -> None:
    """Mails that two others signed are handed in, over HTTP and by mail; each is asked."""
    authority = trusted_authority(stage.out, portal.environment)
    eve, frank = "eve@example.net", "frank@example.net"
    call(stage.url, token, "/api/v1/contributions", signed_mail(authority, eve), "message/rfc822")
    hand_in_by_mail(portal.environment, signed_mail(authority, frank), sender=frank)
    with urlopen(f"{stage.url}/api/v1/certificates?email={BOB}", timeout=30) as answer:  # noqa: S310 - our own address
        assert answer.status == 200
    with eyes.person() as visitor:
        agree(visitor, eve, link(stage, stage.mail(eve).content))
        refuse(visitor, link(stage, stage.mail(frank).content))
        visitor.go("/mailbox/")
        visitor.fill(email=eve)
        visitor.press("Mail me a link")
        visitor.go(link(stage, stage.mail(eve, number=2).content))
        visitor.press("Erase everything")
        visitor.press("Erase everything for ever")
        visitor.reads("Everything is erased")
        # Bob has a certificate, which another one is not to replace.
        call(stage.url, token, "/api/v1/contributions", signed_mail(authority, BOB), "message/rfc822")
        visitor.go(link(stage, stage.mail(BOB, number=4).content))
        visitor.press("Publish this")
        visitor.reads("Your certificate waits")
        visitor.go(link(stage, stage.mail(BOB, number=5).content))
        visitor.press("This was not me: stop it")
        visitor.reads("The new certificate is stopped")


def own_a_mailbox(stage: Stage, eyes: Eyes, address: str, *, number: int) -> None:
    """The owner's pages, by a mailed link: see, hide, show, and think better of erasing."""
    with eyes.person() as visitor:
        visitor.go("/publish/")
        visitor.go("/mailbox/")
        visitor.fill(email=address)
        visitor.press("Mail me a link")
        own = link(stage, stage.mail(address, number=number).content)
        visitor.go(own)
        visitor.reads("Shown to whoever asks")
        visitor.press("View certificate 1")
        visitor.reads("Who validated what", "Nobody known to us validated the name")
        visitor.go(own)
        visitor.press("Hide my mailbox")
        visitor.reads("Hidden since")
        visitor.press("Show my certificates again")
        visitor.press("Publish another certificate")
        visitor.go(own)
        visitor.press("Erase everything")
        visitor.reads("for every past moment")
        visitor.press("Keep it")


def sealed_link(stage: Stage, recipient: Recipient) -> str:
    """The link in the proof, which only the key opens."""
    mail = stage.out / "proof.eml"
    mail.write_bytes(stage.mail(recipient.address).content)
    return link(stage, openssl("cms", "-decrypt", "-in", mail, "-recip", recipient.certificate, "-inkey", recipient.key))


def link(stage: Stage, content: bytes) -> str:
    """The first address in a mail that leads to the portal."""
    found = re.search(re.escape(stage.url) + r"/[^\s<>\"']+", text_of(content) or content.decode())
    assert found, content
    return found.group()


def call(url: str, token: str, path: str, body: bytes, kind: str) -> None:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, "Idempotency-Key": secrets.token_hex(8)}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    assert answer.status == 202, answer.read()
    connection.close()


def read_the_send_log(owner: Visitor) -> None:
    deadline = time.monotonic() + 60
    owner.press("Send log", within=".sidenav")
    while not {"Handed over", "Held"} <= set(re.findall(r"Handed over|Held", owner.page.locator("tbody").inner_text())):
        assert time.monotonic() < deadline, owner.page.locator("tbody").inner_text()
        time.sleep(0.5)
        owner.page.reload()
    owner.fill(to="dora", status="held")
    owner.press("Filter")
    assert owner.page.locator("tbody tr").count() == 1
    with owner.page.expect_navigation() as arrived:
        owner.page.locator("tbody a.row").click()
    owner.eyes.look(owner.page, arrived.value)
    owner.reads("Accepted", "Held", "encrypted at rest")
    owner.press("Take back")
    owner.press("Take it back")
    owner.reads("Taken back.", "Cancelled")


def withdraw_another(owner: Visitor) -> None:
    owner.go("/apply/")
    owner.press("Register an organisation")
    owner.go(f"{urlsplit(owner.page.url).path}withdraw/")
    owner.press("Withdraw and delete the documents")


def administer(operator: Visitor) -> None:
    """The administration: each app, each list, and the first row of each list that has one."""
    operator.go("/operations/")
    operator.fill(domain="slow.example.org", reason="it answers nothing")
    operator.press("Pause")
    operator.reads("slow.example.org", "it answers nothing")
    operator.press("Let it go on slow.example.org")
    operator.reads("Nothing is paused.")
    operator.go("/admin/")
    links = operator.page.locator("#content a").evaluate_all("links => links.map(link => new URL(link.href).pathname)")
    for path in sorted({link for link in links if re.fullmatch(r"/admin/\w+/(\w+/)?", link)}):
        operator.go(path)
        row = operator.page.locator("#result_list tbody th a").first
        if row.count():
            operator.go(str(row.get_attribute("href")))
