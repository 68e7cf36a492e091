"""Cursors of long lists: the place after which a page begins, stable while rows are added."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


class BadCursorError(ValueError):
    """The text is no cursor of ours."""


@dataclass(frozen=True)
class Place:
    """One row of a list that is sorted by time, then id, newest first."""

    at: datetime
    id: UUID

    def encode(self) -> str:
        """The place as text for a URL."""
        raw = json.dumps([self.at.isoformat(), str(self.id)], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Place":
        """Read a place back; BadCursorError for anything else."""
        try:
            at, row = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            place = cls(datetime.fromisoformat(at), UUID(row))
        except (ValueError, TypeError, AttributeError, binascii.Error) as error:
            raise BadCursorError("not a cursor") from error
        if place.at.tzinfo is None:
            raise BadCursorError("not a cursor")
        return place
