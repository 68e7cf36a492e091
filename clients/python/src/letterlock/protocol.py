"""The API without any input or output: each question is a generator that yields requests and pauses and is sent responses.

The clients that wait and those that do not only differ in how they carry these out.
"""

import json
import re
import ssl
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from ._core.directory.x509.certificate import clean
from ._core.directory.x509.errors import AddressError
from ._core.directory.x509.names import EmailAddress
from .answers import AcceptedMessage, Lookup, malformed, read_accepted, read_lookup, read_lookups, written
from .cache import Cache
from .errors import (
    AuthenticationError,
    BadAddressError,
    ConfigurationError,
    InvalidRequestError,
    NotAllowedError,
    OverQuotaError,
    ProblemError,
    RedirectRefusedError,
    ServerError,
    TransportError,
    UnusableAnswerError,
)

LOOKUP_PATH = "/api/v1/certificates"
MOST_ADDRESSES = 1000
MOST_ANSWER_OCTETS = 4 * 1024 * 1024
# An address has seldom more than two certificates of 2 KB; what is over is not believed to be an answer.
MOST_OCTETS_PER_ADDRESS = 64 * 1024
MOST_WAIT_SECONDS = 24 * 3600.0
# Between attempts of what may be repeated safely.
PAUSES = (0.5, 2.0)
_TOKEN = re.compile(r"[\x21-\x7e]{1,200}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_USAGES = ("encrypt", "sign")


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the API; `most` is how many octets of answer are read, `repeatable` that it may be sent again after a failure."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    most: int = MOST_ANSWER_OCTETS


@dataclass(frozen=True, slots=True)
class Response:
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """To be waited, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """The request got no response."""

    error: TransportError


T = TypeVar("T")
Asking = Generator[Request | Pause, Response | Failure | None, T]


@dataclass(frozen=True, slots=True)
class Server:
    """Where the API is and how it is spoken to; `local` if without TLS, on this very machine."""

    url: str
    token: str | None = field(repr=False)
    context: ssl.SSLContext = field(repr=False)
    local: bool = False

    @classmethod
    def at(cls, url: str, *, token: str | None, ca: str | Path | None) -> "Server":
        """Raises ConfigurationError. Without TLS only what runs on this machine is spoken to."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            odd = bool(parts.username or parts.password or parts.query or parts.fragment) or parts.port == 0
        except ValueError as error:
            raise ConfigurationError("the server's address cannot be read") from error
        if not host or odd or parts.scheme not in {"http", "https"}:
            raise ConfigurationError("the server's address is like https://letterlock.example.com")
        if token is not None and not _TOKEN.fullmatch(token):
            raise ConfigurationError("the token has characters that no token has")
        local = parts.scheme == "http"
        if local and not is_this_machine(host):
            raise ConfigurationError("a server elsewhere is spoken to by https only")
        try:
            context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError("the file of authorities for TLS cannot be read") from error
        return cls(url.rstrip("/"), token, context, local)

    def headers(self, request: Request) -> dict[str, str]:
        """Answers are asked for uncompressed: what a small body could unpack to has no limit."""
        named = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "letterlock-python", **request.headers}
        return named if self.token is None else {**named, "authorization": f"Bearer {self.token}"}


def is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_address(text: str) -> EmailAddress:
    """Raises BadAddressError."""
    try:
        return EmailAddress.parse(text)
    except AddressError as error:
        raise BadAddressError(text, str(error)) from error


def distinct(addresses: Iterable[EmailAddress]) -> list[EmailAddress]:
    """Each mailbox once, as it is written first."""
    found: dict[str, EmailAddress] = {}
    for address in addresses:
        found.setdefault(address.match, address)
    return list(found.values())


class Api:
    """The questions. `patience` is how many seconds may be waited in all where the server says 429, `retries` how often what failed is repeated."""

    def __init__(self, *, cache: Cache, patience: float, retries: int, clock: Callable[[], datetime]) -> None:
        self.cache, self._patience, self._retries, self._clock = cache, patience, retries, clock

    def look_up(self, text: str, *, usage: str, moment: datetime | None, receipt: bool) -> Asking[Lookup]:
        address = parse_address(text)
        _check_usage(usage)
        query = {"email": address.address}
        query |= {"usage": usage} if usage != "encrypt" else {}
        query |= {"at": written(moment)} if moment else {}
        query |= {"receipt": "1"} if receipt else {}
        key = (address.match, *sorted((name, value) for name, value in query.items() if name != "email"))
        at = self._clock()
        kept = self.cache.get(key, at=at)
        if kept is not None and kept.fresh_until > at:
            return kept.lookup
        headers = {"if-none-match": kept.etag} if kept is not None and kept.etag else {}
        response = yield from self._exchange(Request("GET", f"{LOOKUP_PATH}?{urlencode(query)}", headers))
        if kept is not None and headers and response.status == HTTPStatus.NOT_MODIFIED:
            self.cache.confirm(key, kept, response.headers, at=at)
            return kept.lookup
        lookup = read_lookup(_json(response, HTTPStatus.OK), asked=address)
        self.cache.put(key, lookup, response.headers, at=at)
        return lookup

    def look_up_many(self, texts: Iterable[str], *, usage: str, moment: datetime | None) -> Asking[list[Lookup]]:
        """One result an address, in order. The batch answers for encryption now; anything else is asked for one by one."""
        texts = list(texts)
        _check_usage(usage)
        parsed = [_try_address(text) for text in texts]
        wanted = distinct(address for address in parsed if address is not None)
        if usage == "encrypt" and moment is None:
            found = yield from self._batches(wanted)
        else:
            found = {}
            for address in wanted:
                found[address.match] = yield from self.look_up(address.address, usage=usage, moment=moment, receipt=False)
        return [malformed(text) if address is None else found[address.match] for text, address in zip(texts, parsed, strict=True)]

    def _batches(self, addresses: Sequence[EmailAddress]) -> Asking[dict[str, Lookup]]:
        found: dict[str, Lookup] = {}
        for start in range(0, len(addresses), MOST_ADDRESSES):
            part = addresses[start : start + MOST_ADDRESSES]
            body = json.dumps({"emails": [address.address for address in part]}).encode()
            most = MOST_ANSWER_OCTETS + len(part) * MOST_OCTETS_PER_ADDRESS
            response = yield from self._exchange(Request("POST", "/api/v1/lookups", {"content-type": "application/json"}, body, most))
            lookups = read_lookups(_json(response, HTTPStatus.OK), asked=part)
            found |= {address.match: lookup for address, lookup in zip(part, lookups, strict=True)}
        return found

    def send(self, request: Mapping[str, Any], *, key: str) -> Asking[list[AcceptedMessage]]:
        """Hand messages over to be sealed there. Asked again after a failure with the same key, which the portal takes once."""
        if not _KEY.fullmatch(key):
            raise ConfigurationError("an Idempotency-Key is 1 to 255 visible ASCII characters")
        headers = {"content-type": "application/json", "idempotency-key": key}
        response = yield from self._exchange(Request("POST", "/api/v1/messages", headers, json.dumps(request).encode()))
        return read_accepted(_json(response, HTTPStatus.ACCEPTED))

    def _exchange(self, request: Request) -> Asking[Response]:
        """One response that is no problem. Every request of this API may be sent twice."""
        patience, pauses = self._patience, iter([PAUSES[min(attempt, len(PAUSES) - 1)] for attempt in range(self._retries)])
        while True:
            response = yield request
            problem: ProblemError | None = None
            if isinstance(response, Response):
                problem = problem_of(response, at=self._clock())
                if problem is None:
                    return response
            if isinstance(problem, OverQuotaError):
                if problem.retry_after is None or problem.retry_after > patience:
                    raise problem
                patience -= max(problem.retry_after, 1.0)
                yield Pause(max(problem.retry_after, 1.0))
            elif problem is None or isinstance(problem, ServerError):
                seconds = next(pauses, None)
                if seconds is None:
                    raise problem or (response.error if isinstance(response, Failure) else TransportError("no response"))
                yield Pause(seconds)
            else:
                raise problem


def problem_of(response: Response, *, at: datetime) -> ProblemError | None:
    """The named error that a status is; None for a good one. Raises RedirectRefusedError."""
    status = response.status
    if status < HTTPStatus.MULTIPLE_CHOICES or status == HTTPStatus.NOT_MODIFIED:
        return None
    if status < HTTPStatus.BAD_REQUEST:
        raise RedirectRefusedError(f"the server sent us elsewhere ({status}), which is not followed")
    told = _problem_document(response)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        over = OverQuotaError(status, *told[:2], kind=told[2], errors=told[3])
        over.retry_after = _retry_after(response.headers.get("retry-after", ""), at=at)
        return over
    kinds: dict[int, type[ProblemError]] = {HTTPStatus.UNAUTHORIZED: AuthenticationError, HTTPStatus.FORBIDDEN: NotAllowedError}
    kind = kinds.get(status, ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else InvalidRequestError)
    return kind(status, *told[:2], kind=told[2], errors=told[3])


def _problem_document(response: Response) -> tuple[str, str, str, list[tuple[str, str]]]:
    title = HTTPStatus(response.status).phrase if response.status in HTTPStatus.__members__.values() else "Error"
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return title, "", "", []
    try:
        found = json.loads(response.body)
        errors = [(clean(str(item["pointer"]), 200), clean(str(item["detail"]), 300)) for item in list(found.get("errors", []))[:100]]
        kind = str(found.get("type", "")).rpartition("#problem-")[2]
        return clean(str(found.get("title", title)), 200), clean(str(found.get("detail", "")), 500), clean(kind, 100), errors
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return title, "", "", []


def _json(response: Response, status: int) -> object:
    if response.status != status or response.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise UnusableAnswerError(f"the answer ({response.status}) is not one of the API")
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise UnusableAnswerError("the answer is not JSON") from error


def _retry_after(value: str, *, at: datetime) -> float | None:
    """Seconds or a date (RFC 9110 section 10.2.3)."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        seconds = float(value)
    else:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        # The zone -0000 is UTC too.
        seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - at).total_seconds()
    return min(max(seconds, 0.0), MOST_WAIT_SECONDS)


def _try_address(text: str) -> EmailAddress | None:
    try:
        return EmailAddress.parse(text)
    except AddressError:
        return None


def _check_usage(usage: str) -> None:
    if usage not in _USAGES:
        raise ValueError("the usage is encrypt or sign")
