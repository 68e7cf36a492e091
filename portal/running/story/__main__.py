"""Play the main job once against a running portal: `python -m portal.running.story --url ... --state ... --out ...`."""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from portal.running.nameserver import Zone
from portal.running.received import Inbox
from portal.running.story import applying, sending
from portal.running.story.browser import BrowserError
from portal.running.story.desk import Desk
from portal.running.story.openssl import OpensslError, Recipient
from portal.running.story.stage import Logins, Person, Stage, StoryError, new_person, tell

SAY = "Dear customer, your balance on 30 November is 1,234.56 EUR. 您的余额为 1,234.56 欧元。"


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="story")
    parser.add_argument("--url", required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--say", default=SAY)
    return parser.parse_args(arguments)


def play(stage: Stage, logins: Logins) -> None:
    """The main job from registration to send log. Raises StoryError, BrowserError or OpensslError at the first thing that is not as it should be."""
    domain = f"{stage.label('bank')}.example.com"
    sender, stage.ids["organisation"] = f"bills@{domain}", f"{stage.label('Example Bank')} Ltd"
    owner, desk = new_person("Alice Example", f"alice@{domain}", "owner"), Desk(logins)
    with stage.step(f"{owner.address} registers, confirms the address and sets a second factor"):
        browser = applying.register(stage, owner)
        logins.keep(owner)
    with stage.step(f"{stage.ids['organisation']} applies: register number, TXT value for {domain}, evidence"):
        application = applying.apply(stage, browser, domain=domain, sender=sender, name=stage.ids["organisation"])
        stage.ids["application"] = application
    with stage.step("The desk has two reviewers, each with a second factor"):
        reviewers = desk.reviewers()
    for ordinal, reviewer in zip(("first", "second"), reviewers, strict=True):
        with stage.step(f"{reviewer.name} gives the {ordinal} look and approves"):
            applying.approve(stage, reviewer, application)
            logins.keep(reviewer)
    with stage.step("The signer issues the organisation's signing certificate"):
        certificate = sending.wait_for_certificate(stage, sender)
        stage.ids |= {"certificate": certificate["fingerprint"], "organization": certificate["identity"]["organization_id"]}
    organization = sending.own_organization(browser)
    with stage.step("The owner makes an API token"):
        api = sending.Api(stage.url, sending.make_token(browser, organization))
    deliver(stage, api, sender)
    with stage.step("The organisation reads its send log"):
        sending.check_send_log(browser, organization, stage.messages)


def deliver(stage: Stage, api: sending.Api, sender: str) -> None:
    """Recipients, look-up, sending, opening."""
    rsa, ec = (Recipient(f"{stage.label(name)}@example.net", stage.out, name) for name in ("bob", "carol"))
    missing = f"{stage.label('dora')}@example.org"
    with stage.step("Two customers make keys with openssl, RSA-2048 and P-256, and publish their certificates"):
        rsa.make_key()
        ec.make_key(curve="P-256")
        prints = [sending.publish(stage, api, recipient) for recipient in (rsa, ec)]
    with stage.step("The bank looks three customers up; one has no certificate"):
        sending.check_lookup(api, {rsa.address: prints[0], ec.address: prints[1], missing: None})
    with stage.step("The bank sends a confidential notification to all three"):
        stage.messages = sending.send(stage, api, sender, [rsa.address, ec.address, missing])
        stage.ids |= {f"message to {message['to']}": str(message["id"]) for message in stage.messages}
    with stage.step("The worker seals and hands over two, and holds the third"):
        sending.check_ends(stage, api, {rsa.address: "handed", ec.address: "handed", missing: "held"})
    with stage.step("openssl opens and verifies both mails, and accepts the signer strictly and against its CRL"):
        chain, crl = sending.fetch_pki(stage, sender)
        sending.open_all(stage, [rsa, ec], chain, crl)
    with stage.step(f"{missing} got one invitation, which says nothing of the content"):
        sending.check_invitation(stage, missing, sender)


def next_run(state: Path) -> int:
    """The number of this run on the data of `state`."""
    path = state / "story-runs"
    number = int(path.read_text(encoding="ascii")) + 1 if path.exists() else 1
    path.write_text(str(number), encoding="ascii")
    return number


def epilogue(stage: Stage, people: Iterable[Person]) -> None:
    tell(f"done in {stage.steps_seconds():.1f} s; what was received is in {stage.out}")
    tell(f"portal: {stage.url}/   received mails: {stage.url}/demo/inbox/")
    tell("logins, each with a one-time code from `.venv/bin/python manage.py demo_code <login>`:")
    for person in people:
        tell(f"  {person.role:9} {person.address}  password {person.password}")


def main(arguments: list[str]) -> int:
    given = options(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    stage = Stage(given.url, Inbox(given.state / "inbox"), Zone(given.state / "zone.json"), given.out, given.say, next_run(given.state))
    logins = Logins(given.state)
    begun, failure = time.monotonic(), ""
    try:
        play(stage, logins)
    except (StoryError, BrowserError, OpensslError) as error:
        failure = str(error)
    seconds = round(time.monotonic() - begun, 2)
    told = {"ok": not failure, "failure": failure, "seconds": seconds, "steps": stage.steps, "ids": stage.ids}
    (given.out / "story.json").write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
    if failure:
        tell(f"FAILED at step {len(stage.steps) + 1}: {failure}")
        return 1
    people = list(logins.people().values())
    # Owners of earlier runs have organisations of their own; the newest is the one that was just told of.
    owners = [person for person in people if person.role == "owner"]
    epilogue(stage, [*owners[-1:], *(person for person in people if person.role != "owner")])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
