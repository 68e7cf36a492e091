"""A browser without script: cookies, redirects, forms with their hidden fields, and file uploads."""

import http.client
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

REDIRECTS = 8
SECONDS = 30
SHOWN = 1500
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
# Words go on across these; every other element parts them.
INLINE = frozenset({"a", "abbr", "b", "bdi", "code", "em", "i", "mark", "small", "span", "strong", "time", "wbr"})
UNSEEN = frozenset({"script", "style", "head", "svg", "template"})


class BrowserError(Exception):
    """The server answered otherwise than the story expects; the text holds the address, the status and what the page says."""


@dataclass(frozen=True)
class Upload:
    filename: str
    media_type: str
    content: bytes


Value = str | list[str] | Upload


@dataclass
class Form:
    """One form: where it goes, and the values it would send as it stands. `names` has every named control, also unticked ones."""

    action: str
    method: str
    values: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    multipart: bool = False


@dataclass(frozen=True)
class Page:
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    forms: list[Form]
    links: list[tuple[str, str]]
    text: str

    def form(self, *names: str, to: str = "") -> Form:
        """The first form that has all these fields, and whose address contains `to`."""
        for form in self.forms:
            if form.names.issuperset(names) and to in form.action:
                return form
        there = [f"{form.method} {form.action} {sorted(form.names)}" for form in self.forms]
        raise BrowserError(
            f"{self.url} has no form with {', '.join(names) or 'any field'} to {to or 'anywhere'}; it has {there}.\n{self.text[:SHOWN]}"
        )

    def link(self, part: str) -> str:
        """The address of the first link whose address or text contains `part`."""
        for url, text in self.links:
            if part in url or part in text:
                return url
        raise BrowserError(f"{self.url} has no link with {part!r}; it has {[url for url, _ in self.links]}.")


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self._form: Form | None = None
        self._select: str | None = None
        self._choices: list[tuple[str, bool]] = []
        self._area: str | None = None
        self._href: str | None = None
        self._collected = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self._open.append(tag)
        if tag not in INLINE:
            self.words.append(" ")
        if tag == "form":
            method = given.get("method", "get").lower()
            self._form = Form(urljoin(self.url, given.get("action") or self.url), method, multipart=given.get("enctype", "").startswith("multipart/"))
            self.forms.append(self._form)
        elif tag == "a" and "href" in given:
            self._href, self._collected = urljoin(self.url, given["href"]), ""
        elif self._form is not None:
            self._control(self._form, tag, given)

    def _control(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name = given.get("name", "")
        if tag == "option" and self._select is not None:
            self._choices.append((given.get("value", ""), "selected" in given))
            return
        if not name or "disabled" in given:
            return
        kind = given.get("type", "text").lower()
        if tag not in {"input", "select", "textarea"} or kind == "submit":
            return
        form.names.add(name)
        if tag == "select":
            self._select, self._choices = name, []
        elif tag == "textarea":
            self._area, self._collected = name, ""
        elif kind == "file":
            form.multipart = True
        elif kind not in {"checkbox", "radio"} or "checked" in given:
            form.values.append((name, given.get("value", "on" if kind in {"checkbox", "radio"} else "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._href is not None:
            self.links.append((self._href, " ".join(self._collected.split())))
            self._href = None
        elif tag == "form":
            self._form = None
        elif self._form is not None and tag == "select" and self._select is not None:
            chosen = [value for value, selected in self._choices if selected] or [value for value, _ in self._choices[:1]]
            self._form.values.extend((self._select, value) for value in chosen)
            self._select = None
        elif self._form is not None and tag == "textarea" and self._area is not None:
            self._form.values.append((self._area, self._collected.removeprefix("\n")))
            self._area = None
        if tag not in INLINE:
            self.words.append(" ")
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self._collected += data
        if not UNSEEN.intersection(self._open):
            self.words.append(data)


class Browser:
    """One person's browser, bound to one server."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self._cookies: dict[str, str] = {}

    def open(self, url: str) -> Page:
        """Follow an address. Raises BrowserError unless the page is a 200."""
        return self._follow("GET", url, b"", {})

    def submit(self, page: Page, form: Form, **changes: Value) -> Page:
        """Send a form with some values changed. Raises BrowserError for a field the form does not have, and for an answer of 400 or more."""
        unknown = set(changes) - form.names
        if unknown:
            raise BrowserError(f"The form at {page.url} has no {', '.join(sorted(unknown))}; it has {sorted(form.names)}.")
        pairs: list[tuple[str, str | Upload]] = [(name, value) for name, value in form.values if name not in changes]
        for name, value in changes.items():
            pairs.extend((name, one) for one in value) if isinstance(value, list) else pairs.append((name, value))
        if form.method == "get":
            plain = [(name, value) for name, value in pairs if isinstance(value, str)]
            return self._follow("GET", f"{form.action.split('?')[0]}?{urlencode(plain)}", b"", {})
        body, kind = encode(pairs, multipart=form.multipart)
        return self._follow("POST", form.action, body, {"Content-Type": kind, "Referer": page.url, "Origin": self.base})

    def _follow(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Page:
        url = urljoin(f"{self.base}/", url)
        for _ in range(REDIRECTS):
            status, answered, content = self._send(method, url, body, headers)
            if status in {301, 302, 303}:
                method, body, headers = "GET", b"", {}
                url = urljoin(url, answered["location"])
                continue
            page = read(url, status, answered, content)
            if status >= http.HTTPStatus.BAD_REQUEST:
                raise BrowserError(f"{method} {url} answered {status}:\n{page.text[:SHOWN]}")
            return page
        raise BrowserError(f"{url} leads round in circles.")

    def _send(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self.base:
            raise BrowserError(f"{url} is not on {self.base}.")
        sent = {"Accept": "text/html", "Accept-Language": "en", **headers}
        if self._cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        status, answered, content = exchange(self.base, method, f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", body, sent)
        for name, value in answered:
            if name == "set-cookie":
                for key, morsel in SimpleCookie(value).items():
                    self._cookies[key] = morsel.value
        return status, dict(answered), content


def exchange(base: str, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
    """One request and its response; header names come back in lower case."""
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=SECONDS)
    try:
        connection.request(method, path, body or None, dict(headers))
        response = connection.getresponse()
        return response.status, [(name.lower(), value) for name, value in response.getheaders()], response.read()
    finally:
        connection.close()


def read(url: str, status: int, headers: Mapping[str, str], body: bytes) -> Page:
    reader = _Reader(url)
    if "html" in headers.get("content-type", ""):
        reader.feed(body.decode())
        reader.close()
    return Page(url, status, headers, body, reader.forms, reader.links, " ".join("".join(reader.words).split()))


def encode(pairs: list[tuple[str, str | Upload]], *, multipart: bool) -> tuple[bytes, str]:
    """A form's body and its Content-Type."""
    if not multipart:
        return urlencode([(name, value) for name, value in pairs if isinstance(value, str)]).encode(), "application/x-www-form-urlencoded"
    boundary = secrets.token_hex(16)
    body = b""
    for name, value in pairs:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if isinstance(value, Upload):
            head += f'; filename="{value.filename}"\r\nContent-Type: {value.media_type}'
        body += f"{head}\r\n\r\n".encode() + (value.content if isinstance(value, Upload) else value.encode()) + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
