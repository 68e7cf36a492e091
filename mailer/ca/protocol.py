"""What crosses the signer's socket: one JSON object a line each way, nothing but ids in, and results in base64 out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from mailer.ca import errors
from mailer.ca.errors import AuthorityError, NotIntendedError, SignerUnavailableError

MOST_REQUEST_BYTES = 512
# A full CRL shard in base64, with room.
MOST_REPLY_BYTES = 1024 * 1024
_SLUG_LENGTH = 40

ERRORS: Mapping[str, type[AuthorityError]] = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AuthorityError)
}


class Verb(StrEnum):
    ISSUE = "issue"
    REVOCATION_LIST = "revocation-list"
    PING = "ping"


@dataclass(frozen=True)
class IssueRequest:
    issuance: UUID


@dataclass(frozen=True)
class RevocationListRequest:
    authority: str
    shard: int


@dataclass(frozen=True)
class PingRequest:
    pass


Request = IssueRequest | RevocationListRequest | PingRequest


def write_request(request: Request) -> bytes:
    match request:
        case IssueRequest(issuance):
            content: dict[str, object] = {"verb": Verb.ISSUE, "issuance": str(issuance)}
        case RevocationListRequest(authority, shard):
            content = {"verb": Verb.REVOCATION_LIST, "authority": authority, "shard": shard}
        case PingRequest():
            content = {"verb": Verb.PING}
    return json.dumps(content).encode() + b"\n"


def read_request(line: bytes) -> Request:
    """Raises NotIntendedError for everything that is not exactly one of the known requests."""
    try:
        content = json.loads(line)
        return _read(content)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotIntendedError("not a request that the signer knows") from error


def _read(content: dict[str, object]) -> Request:
    match content:
        case {"verb": Verb.ISSUE.value, "issuance": str(issuance), **rest} if not rest:
            return IssueRequest(UUID(issuance))
        case {"verb": Verb.REVOCATION_LIST.value, "authority": str(authority), "shard": int(shard), **rest} if not rest:
            if not 0 < len(authority) <= _SLUG_LENGTH or shard < 0 or isinstance(shard, bool):
                raise ValueError(authority)
            return RevocationListRequest(authority, shard)
        case {"verb": Verb.PING.value, **rest} if not rest:
            return PingRequest()
    raise ValueError(content)


def write_result(**result: str) -> bytes:
    return json.dumps({"ok": True, **result}).encode() + b"\n"


def write_error(error: AuthorityError) -> bytes:
    return json.dumps({"ok": False, "error": error.code, "detail": str(error)[:1000]}).encode() + b"\n"


def read_reply(line: bytes) -> dict[str, str]:
    """The result's fields. Raises the error that the signer named, SignerUnavailableError for what is not a reply."""
    try:
        content = json.loads(line)
        if content["ok"] is True:
            return {name: value for name, value in content.items() if isinstance(value, str)}
        raised = ERRORS[content["error"]](content["detail"])
    except (ValueError, TypeError, KeyError) as error:
        raise SignerUnavailableError("the signer's reply cannot be read") from error
    raise raised
