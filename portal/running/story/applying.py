"""Acts 1 and 2: an organisation registers and applies; two reviewers approve it."""

import re

from portal.running.story.browser import Browser, Page, Upload
from portal.running.story.stage import Person, Stage, StoryError, expect

SECRET = re.compile(r"\b(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}\b")
DNS_VALUE = re.compile(r"letterlock-verify=[A-Za-z0-9_-]+")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def register(stage: Stage, owner: Person) -> Browser:
    """Sign up, confirm the address by the mailed link, sign in, set the second factor."""
    browser = stage.browser()
    page = browser.open("/accounts/register/")
    browser.submit(page, page.form("name", "email", "password"), name=owner.name, email=owner.address, password=owner.password)
    page = browser.open(stage.link(stage.mail(owner.address).content))
    page = browser.submit(page, page.form("csrfmiddlewaretoken", to="/accounts/confirm/"))
    page = sign_in_form(browser, page, owner)
    found = SECRET.search(page.text)
    if not found:
        raise StoryError(f"{page.url} shows no secret for an authenticator:\n{page.text[:1500]}")
    owner.secret = found.group()
    page = browser.submit(page, page.form("code"), code=owner.code())
    expect(page, "ecovery")
    return browser


def sign_in_form(browser: Browser, page: Page, person: Person) -> Page:
    return browser.submit(page, page.form("email", "password"), email=person.address, password=person.password)


def sign_in(stage: Stage, person: Person) -> Browser:
    browser = stage.browser()
    page = sign_in_form(browser, browser.open("/accounts/login/"), person)
    browser.submit(page, page.form("code"), code=person.code())
    return browser


def apply(stage: Stage, browser: Browser, *, domain: str, sender: str, name: str) -> str:
    """Fill in the application, prove the domain by a TXT value, upload evidence, send it; the application's id."""
    page = browser.open("/apply/")
    page = browser.submit(page, page.form("csrfmiddlewaretoken", to="/apply/"))
    found = UUID.search(page.url)
    if not found:
        raise StoryError(f"Beginning an application led to {page.url}.")
    root = f"/apply/{found.group()}/"
    parts: dict[str, dict[str, str]] = {
        "organisation": {
            "legal_name": name,
            "country": "GB",
            "scheme": "NTR",
            "register_number": f"{10_000_000 + stage.run:08}",
            "address": "1 Example Street\nLondon EC1A 1AA",
            "website": f"https://www.{domain}",
            "time_zone": "Europe/London",
        },
        "sending": {"sending_address": sender, "domain": domain},
        "contact": {"contact_name": "Alice Example", "contact_role": "Head of billing", "contact_phone": "+44 20 7946 0000"},
    }
    for part, answers in parts.items():
        page = browser.open(f"{root}{part}/")
        browser.submit(page, page.form(*answers), **answers)
    prove_domain(stage, browser, root, domain)
    page = browser.open(f"{root}evidence/")
    browser.submit(page, page.form("document"), document=Upload("register-extract.pdf", "application/pdf", one_page_pdf(f"Extract: {name}")))
    page = browser.open(f"{root}check/")
    browser.submit(page, page.form("agree"), agree="on")
    return found.group()


def prove_domain(stage: Stage, browser: Browser, root: str, domain: str) -> None:
    page = browser.open(f"{root}domain/")
    value = DNS_VALUE.search(page.text)
    if not value:
        raise StoryError(f"{page.url} shows no value for the DNS.")
    stage.zone.add(f"_letterlock.{domain}", "TXT", value.group())
    page = browser.submit(page, page.form("csrfmiddlewaretoken", to="/domain/"))
    expect(page, f"{domain} is proven")


def approve(stage: Stage, reviewer: Person, application: str) -> None:
    """One reviewer signs in, claims the application, and approves the version that was read."""
    browser = sign_in(stage, reviewer)
    expect(browser.open("/review/"), stage.ids["organisation"])
    page = browser.open(f"/review/{application}/")
    page = browser.submit(page, page.form("csrfmiddlewaretoken", to="/claim/"))
    page = browser.submit(page, page.form("decision", "version"), decision="approve", text="The register's extract agrees with the application.")
    expect(page, "Your approval is kept", "Approved")


def one_page_pdf(text: str) -> bytes:
    """A PDF of one page with one line of ASCII text (ISO 32000-1 annex H.2)."""
    shown = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    drawing = f"BT /F1 18 Tf 72 720 Td ({shown}) Tj ET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return body + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, table, size, len(body))
