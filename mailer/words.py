"""What may stand in the send log, which cannot be erased: words in which nobody's address is."""

import re

MASK = "***"
# An address, or what looks like one, up to the marks that mail programs put around it.
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"']*@[^\s<>()\[\],;\"']*")


def without_addresses(words: str) -> str:
    """The words with each address replaced by a mask, wherever it came from: a relay may repeat the recipient in its reply."""
    return _ADDRESS.sub(MASK, words) if "@" in words else words
