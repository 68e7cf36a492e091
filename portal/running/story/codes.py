"""One-time codes (RFC 6238), as an authenticator app computes them."""

import base64
import hmac
import struct

STEP_SECONDS = 30
DIGITS = 6


def code(secret: str, *, at: float) -> str:
    """The code of a base32 secret at a Unix time."""
    key = base64.b32decode(secret.replace(" ", "").upper() + "=" * (-len(secret.replace(" ", "")) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(at // STEP_SECONDS)), "sha1")
    start = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 10**DIGITS:0{DIGITS}}"
