"""A browser that looks at every page it comes to: axe, sideways scrolling on a phone, errors of scripts and policy."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from django.urls import resolve
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, ViewportSize

DESK = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=360, height=740)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], "resultTypes": ["violations"], "preload": False}
OPEN_ALL = "() => { for (const part of document.querySelectorAll('details')) part.open = true }"
SIDEWAYS = "() => document.documentElement.scrollWidth - window.innerWidth"
PATIENCE = 30_000


@dataclass
class Eyes:
    """What was seen by whoever looked: the routes, and what was wrong with them."""

    browser: Browser
    url: str
    seen: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    axe: Axe = field(default_factory=Axe)
    judging: bool = False

    @contextmanager
    def person(self, *, language: str = "en") -> Iterator["Visitor"]:
        """A browser of somebody's own, with their own cookies."""
        context = self.browser.new_context(
            viewport=DESK, base_url=self.url, locale="zh-CN" if language == "zh-hans" else "en-GB", reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        try:
            yield Visitor(self, page)
        finally:
            context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        # What axe itself tries on a page is not the page's doing.
        if message.type in {"error", "warning"} and not self.judging:
            self.faults.append(f"{message.location.get('url')}: {message.text}")

    def look(self, page: Page, response: Response | None) -> None:
        """Judge a page, once for each route: light on a desk, dark on a phone."""
        name = resolve(urlsplit(page.url).path).view_name
        if response is not None and response.status != 200:
            self.faults.append(f"{name} answered {response.status} at {page.url}")
        if name in self.seen:
            return
        self.seen.add(name)
        if name.startswith("admin:"):
            # Django's own templates: one of each kind is enough for axe, and its tables scroll in a frame of their own.
            kind = f"admin {name.rsplit('_', 1)[-1]}"
            if kind not in self.seen:
                self.seen.add(kind)
                self._judge(page, name)
            return
        self._keep(page, name, "desk")
        page.evaluate(OPEN_ALL)
        self._judge(page, f"{name} on a desk")
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="dark")
        if (wide := page.evaluate(SIDEWAYS)) > 0:
            self.faults.append(f"{name} scrolls sideways by {wide} px on a phone")
        self._judge(page, f"{name} on a phone in the dark")
        self._keep(page, name, "phone")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(DESK)

    def _keep(self, page: Page, name: str, where: str) -> None:
        """With SCREENSHOTS=folder: a picture for eyes of flesh and blood."""
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            page.screenshot(path=Path(folder) / f"{name.replace(':', '-')}.{where}.png", full_page=where == "phone")

    def _judge(self, page: Page, where: str) -> None:
        self.judging = True
        try:
            found = self.axe.run(page, options=RULES).response["violations"]
        finally:
            self.judging = False
        self.faults += [f"{where}: {fault['id']} at {[node['target'] for node in fault['nodes']][:3]}" for fault in found]


@dataclass
class Visitor:
    """One person at a browser."""

    eyes: Eyes
    page: Page

    def go(self, path: str) -> None:
        self.eyes.look(self.page, self.page.goto(path))

    def press(self, name: str, *, within: str = "main") -> None:
        """Press a button or link with this name and look at the page it leads to."""
        place = self.page.locator(within)
        found = place.get_by_role("button", name=name, exact=True).or_(place.get_by_role("link", name=name, exact=True)).first
        with self.page.expect_navigation() as arrived:
            found.click()
        self.eyes.look(self.page, arrived.value)

    def fill(self, **answers: str) -> None:
        """Answer the fields with these names; a select or a radio takes the value."""
        for name, answer in answers.items():
            place = self.page.locator(f"main [name={name}]").first
            kind = place.evaluate("field => field.type")
            if kind == "select-one":
                place.select_option(answer)
            elif kind in {"radio", "checkbox"}:
                self.page.locator(f"main [name={name}][value='{answer}']").check()
            else:
                place.fill(answer)

    def reads(self, *words: str) -> None:
        """The page shows each of these."""
        text = self.page.locator("main").inner_text()
        assert [word for word in words if word not in text] == [], f"{self.page.url} shows:\n{text[:2000]}"
