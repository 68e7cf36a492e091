"""Encoded words in header fields (RFC 2047 section 2), decoded where every program does so and else left as they are."""

import base64
import binascii
import re

ENCODED = "=?"  # where this is left, something was not decoded
_MAX_WORD = 4000  # the standard says 75: many write longer ones
_WORD = re.compile(r"=\?([\w.:-]{1,40})\?([bBqQ])\?([!->@-~ ]*)\?=", re.ASCII)
_BETWEEN = re.compile(r"(?<=\?=)[ \t]+(?==\?)")
_ESCAPE = re.compile(r"=([0-9A-Fa-f]{2})")
# Programs differ over other sets: what one shows as it stands another one decodes.
_CHARACTER_SETS = re.compile(
    r"utf-8|us-ascii|iso-8859-(?:[1-9]|1[0-6])|windows-125[0-8]|koi8-[ru]|gb2312|gbk|gb18030|big5|euc-(?:jp|kr)|shift_jis|iso-2022-jp", re.IGNORECASE
)


def decoded(text: str) -> str:
    """The text as it is shown. Words in a form or character set that programs differ over stay."""
    if ENCODED not in text:
        return text
    return _WORD.sub(lambda word: _decoded_word(*word.groups()) or word[0], _BETWEEN.sub("", text))


def _decoded_word(character_set: str, encoding: str, encoded: str) -> str:
    """Empty if it cannot be done."""
    if len(encoded) > _MAX_WORD or not _CHARACTER_SETS.fullmatch(character_set):
        return ""
    try:
        octets = base64.b64decode(encoded, validate=True) if encoding in "bB" else _of_quoted(encoded)
        return octets.decode(character_set)
    except (binascii.Error, ValueError, LookupError):
        return ""


def _of_quoted(encoded: str) -> bytes:
    """Raises ValueError."""
    if "=" in _ESCAPE.sub("", encoded):
        raise ValueError("an equals sign that escapes nothing")
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), encoded.replace("_", " ")).encode("latin-1")
