"""Plain values as JSON with their octets apart, for the way between processes: None, bool, int, str, bytes, datetime, and tuples of these."""

from datetime import datetime
from typing import Any

Blobs = list[bytes]


def pack(value: Any, blobs: Blobs) -> Any:
    """The JSON form; octets are added to `blobs` and stand in it by number."""
    if isinstance(value, bytes):
        blobs.append(value)
        return {"octets": len(blobs) - 1}
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, tuple | list | frozenset):
        return [pack(item, blobs) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    return str(value)


def unpack(packed: Any, blobs: Blobs) -> Any:
    """What was packed, sequences as tuples and enumerations as their text. Raises ValueError, TypeError, LookupError if it is nothing that was."""
    if isinstance(packed, list):
        return tuple(unpack(item, blobs) for item in packed)
    if isinstance(packed, dict):
        if "octets" in packed:
            return blobs[packed["octets"]]
        return datetime.fromisoformat(packed["time"])
    return packed
