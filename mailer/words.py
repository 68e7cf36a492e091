"""What may stand in the send log, which cannot be erased: words in which nobody's address is."""

import re

MASK = "***"
MOST = 4000
# An address, or what looks like one, up to the marks that mail programs put around it. It is begun nowhere within a word, and what was read
# is not read again, so that words of any length and shape cost one pass.
_MARKS = r"\s<>()\[\],;\"'"
_ADDRESS = re.compile(rf"(?<![^{_MARKS}:])[^{_MARKS}:@]*+@[^{_MARKS}]*+")


def without_addresses(words: str) -> str:
    """The words, at most 4000 characters of them, with a mask for each address: a relay may repeat the recipient in its reply."""
    # The cut comes last, or half an address could stay.
    return _ADDRESS.sub(MASK, words)[:MOST] if "@" in words else words[:MOST]
