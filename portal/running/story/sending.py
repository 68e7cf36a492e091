"""Acts 3 to 6: certificate, token, recipients' certificates, sending, opening, send log."""

import base64
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from portal.running.story.browser import Browser, exchange
from portal.running.story.openssl import Recipient, accepts, openssl, pem_of_certificate, pem_of_crl
from portal.running.story.stage import Stage, StoryError, expect, text_of

SCOPES = ["lookup", "send", "read_log", "publish", "invite"]
TOKEN = re.compile(r"ll_live_[A-Za-z0-9]{8}_[A-Za-z0-9_-]+")
ORGANIZATION = re.compile(r"/organizations/([0-9a-f-]{36})/")
ADDRESS = re.compile(r"URI:(http://\S+)")
ENDS = frozenset({"handed", "delivered", "bounced", "failed", "expired", "cancelled", "unknown", "held"})


class Api:
    """The API as a business system calls it."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url, self.token = url, token

    def call(self, method: str, path: str, body: object = None, *, wanted: int = 200, **headers: str) -> Any:
        """One call; the parsed answer. Raises StoryError for any other status than `wanted`."""
        sent = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if content:
            sent.setdefault("Content-Type", "application/json")
        status, _, answer = exchange(self.url, method, path, content, sent)
        if status != wanted:
            raise StoryError(f"{method} {path} answered {status}: {answer.decode(errors='replace')[:1500]}")
        return json.loads(answer)


def make_token(browser: Browser, organization: str) -> str:
    """The owner makes a token on the organisation's page; it is shown once."""
    page = browser.open(f"/organizations/{organization}/tokens/")
    page = browser.submit(
        page, page.form("name", "scopes", "days"), name="Billing system", scopes=["lookup", "send", "read_log", "publish", "invite"], days="365"
    )
    found = TOKEN.search(page.text)
    if not found:
        raise StoryError(f"{page.url} shows no token.")
    return found.group()


def wait_for_certificate(stage: Stage, sender: str) -> dict[str, Any]:
    """The organisation's signing certificate, once the signer has issued it and it is in the directory."""

    def look() -> dict[str, Any] | None:
        found = Api(stage.url).call("GET", f"/api/v1/certificates?email={quote(sender)}&usage=sign")
        return found["certificates"][0] if found["status"] == "found" else None

    return stage.wait(f"The signing certificate of {sender}", look)


def publish(stage: Stage, api: Api, recipient: Recipient) -> str:
    """Upload a recipient's certificate and follow the link in the mail that is sealed to it; the certificate's fingerprint."""
    made = api.call("POST", "/api/v1/publications", recipient.certificate.read_bytes(), wanted=202, Content_Type="application/x-pem-file")
    browser = stage.browser()
    page = browser.open(stage.link(recipient.decrypted(stage.mail(recipient.address).content)))
    browser.submit(page, page.form("csrfmiddlewaretoken", to=urlsplit(page.url).path))

    def look() -> str | None:
        found = api.call("GET", f"/api/v1/publications/{made['id']}")
        if found["status"] in {"refused", "expired"}:
            raise StoryError(f"The certificate of {recipient.address} was not published: {found}")
        return str(found["status"]) if found["status"] == "published" else None

    stage.wait(f"The publication for {recipient.address}", look)
    return openssl("x509", "-in", recipient.certificate, "-noout", "-fingerprint", "-sha256").decode().split("=")[1].strip().replace(":", "").lower()


def send(stage: Stage, api: Api, sender: str, to: list[str]) -> list[dict[str, Any]]:
    """One batch of the same confidential text; what the API answers for each message. The same key asked twice sends once."""
    body = {
        "from": sender,
        "messages": [
            {"to": address, "subject": f"Your statement {stage.marker}", "text": stage.say, "reference": f"demo-{stage.run}-{n}"}
            for n, address in enumerate(to)
        ],
        "on_missing": "hold",
    }
    key = f"demo-{stage.run}-{int(time.time())}"
    first, again = (api.call("POST", "/api/v1/messages", body, wanted=202, Idempotency_Key=key) for _ in range(2))
    if first != again:
        raise StoryError(f"The same Idempotency-Key gave two answers: {first} and {again}")
    accepted: list[dict[str, Any]] = first["messages"]
    return accepted


def check_ends(stage: Stage, api: Api, wanted: Mapping[str, str]) -> None:
    """Each message must come to the end that is wanted for its recipient."""
    for message in stage.messages:
        path, end = f"/api/v1/messages/{message['id']}", wanted[message["to"]]

        def look(path: str = path) -> dict[str, Any] | None:
            found: dict[str, Any] = api.call("GET", path)
            return found if found["status"] in ENDS else None

        found = stage.wait(f"The end of the message to {message['to']}", look)
        if found["status"] != end:
            raise StoryError(f"The message to {message['to']} ended {found['status']} instead of {end}: {found['events']}")


def check_lookup(api: Api, wanted: Mapping[str, str | None]) -> None:
    """The look-up of all addresses at once finds the certificates that were published, and no other."""
    answer = api.call("POST", "/api/v1/lookups", {"emails": list(wanted)})
    for (address, fingerprint), result in zip(wanted.items(), answer["results"], strict=True):
        selected = [found["fingerprint"] for found in result["certificates"] if found["selected"]]
        if selected != ([fingerprint] if fingerprint else []):
            raise StoryError(f"The look-up of {address} answers {result}")


def own_organization(browser: Browser) -> str:
    """The organisation of the signed-in owner, from the address its dashboard has."""
    page = browser.open("/accounts/")
    found = ORGANIZATION.search(page.link("/organizations/"))
    if not found:
        raise StoryError("The owner's account page links to no organisation.")
    return found.group(1)


def fetch_pki(stage: Stage, sender: str) -> tuple[Path, Path]:
    """The chain above the sender's signing certificate (root last) and the CRLs of it and its issuers, from the addresses they name."""
    certificate = base64.b64decode(wait_for_certificate(stage, sender)["der"])
    chain, lists, issued = [], [], certificate
    while True:
        shown = openssl("x509", "-inform", "DER", "-noout", "-ext", "crlDistributionPoints", feed=issued).decode()
        lists += [pem_of_crl(_fetch(stage, address)) for address in ADDRESS.findall(shown)]
        shown = openssl("x509", "-inform", "DER", "-noout", "-ext", "authorityInfoAccess", feed=issued).decode()
        found = [address for address in ADDRESS.findall(shown) if address.endswith(".crt")]
        if not found:
            break
        issued = _fetch(stage, found[0])
        chain.append(pem_of_certificate(issued))
    if not chain or not lists:
        raise StoryError("The signing certificate names no issuer or no revocation list.")
    paths = stage.out / "chain.pem", stage.out / "crl.pem"
    paths[0].write_bytes(b"".join(chain))
    paths[1].write_bytes(b"".join(lists))
    return paths


def _fetch(stage: Stage, address: str) -> bytes:
    """A file of the CA; its public name leads to the server that is running here."""
    status, _, content = exchange(stage.url, "GET", urlsplit(address).path, b"", {})
    if status != 200:  # noqa: PLR2004 - HTTP's OK
        raise StoryError(f"{address} answered {status}.")
    return content


def open_all(stage: Stage, recipients: list[Recipient], chain: Path, crl: Path) -> None:
    """Each mail as received, decrypted and verified by openssl, must hold the text; what went over the wire must not."""
    signer = stage.out / "signer.pem"
    for recipient in recipients:
        # The first mail asked for the proof of the mailbox; the second is the letter.
        recipient.mail.write_bytes(stage.mail(recipient.address, number=2).content)
        if stage.shows(recipient.mail.read_bytes()):
            raise StoryError(f"The mail to {recipient.address} shows its text to everybody on the way.")
        content = recipient.opened(chain, signer)
        text = text_of(content).replace("\r\n", "\n")
        if stage.say.replace("\r\n", "\n").strip() not in text or stage.marker.encode() not in content:
            raise StoryError(f"The mail to {recipient.address} was opened and holds something else: {text[:500]!r}")
    accepts(signer, chain, crl)


def check_invitation(stage: Stage, address: str, sender: str) -> None:
    """Exactly one mail went to the recipient without a certificate, and it says nothing of the content."""
    stage.mail(address)
    # A second one would follow at once if a worker invited twice.
    time.sleep(1)
    mails = stage.inbox.mails(address)
    if len(mails) != 1:
        raise StoryError(f"{address} got {len(mails)} mails instead of one invitation.")
    if stage.shows(mails[0].content):
        raise StoryError(f"The invitation to {address} tells what the message says.")
    if mails[0].sender == sender:
        raise StoryError("The invitation came in the organisation's name.")


def check_send_log(browser: Browser, organization: str, messages: list[dict[str, Any]]) -> None:
    """The organisation sees every message in its send log, and in the export."""
    page = browser.open(f"/organizations/{organization}/send-log/")
    export = browser.open(f"/organizations/{organization}/send-log.csv").body.decode("utf-8-sig")
    for message in messages:
        if message["to"] not in export:
            raise StoryError(f"The export does not list {message['to']}.")
        detail = browser.open(page.link(str(message["id"])))
        expect(detail, str(message["to"]))
