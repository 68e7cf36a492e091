"""CompressedData (RFC 3274): recognised, and opened within a limit on what comes out."""

import zlib

from . import foreign
from .der import CONTEXT_0, INTEGER, OCTET_STRING, OID, SEQUENCE
from .errors import MalformedCms, TooLarge, UnsupportedAlgorithm
from .foreign import COMPRESSED_DATA
from .reader import MAX_CMS, Algorithm, Reader

# zlib gives about 1000 to 1 at most: without a limit, 16 MB would be 16 GB.
MAX_DECOMPRESSED = 32 * 1024 * 1024


def decompress(cms: bytes, *, max_size: int = MAX_CMS, max_content: int = MAX_DECOMPRESSED) -> bytes:
    """The content of a CompressedData. Raises TooLarge, MalformedCms, UnsupportedAlgorithm."""
    info = Reader.of(cms, max_size=max_size).enter(SEQUENCE)
    if info.whole(OID) != COMPRESSED_DATA:
        raise UnsupportedAlgorithm("not CompressedData")
    compressed = info.enter(CONTEXT_0).enter(SEQUENCE)
    compressed.contents(INTEGER)
    if Algorithm(compressed.whole(SEQUENCE)).name != foreign.ZLIB_COMPRESSION:
        raise UnsupportedAlgorithm("a compression that is not zlib")
    encapsulated = compressed.enter(SEQUENCE)
    encapsulated.whole(OID)
    packed = encapsulated.enter(CONTEXT_0).octets(OCTET_STRING)
    machine = zlib.decompressobj()
    try:
        content = machine.decompress(packed, max_content)
        if machine.unconsumed_tail:
            raise TooLarge(f"more than {max_content} bytes when decompressed")
    except zlib.error as error:
        raise MalformedCms("the compressed content is damaged") from error
    if not machine.eof:
        raise MalformedCms("the compressed content is cut off")
    return content
