"""SMIMECapabilities (RFC 8551 section 2.5.2): reading those of others within bounds, and writing what `open` of this package reads."""

from . import der, oids
from .errors import MalformedCms

MAX_CAPABILITIES = 4096
_MAX_FIELDS = 2  # capabilityID and parameters
_OAEP_WITHOUT_NULL = der.sequence(
    der.explicit(0, oids.SHA256), der.explicit(1, der.sequence(oids.MGF1_NAME, oids.SHA256))
)  # RFC 4055 section 2.1: both forms are equivalent
_OAEP_WITH_NULL = oids.RSAES_OAEP_SHA256[der.read(oids.RSAES_OAEP_SHA256).contents + len(oids.RSAES_OAEP_NAME) :]
# Without parameters a program says that it knows OAEP; with those of SHA-1 alone (an empty SEQUENCE) it does not say that it knows SHA-256.
_OAEP_PARAMETERS = {b"", _OAEP_WITH_NULL, _OAEP_WITHOUT_NULL}

# In the order of preference (RFC 8551 section 2.5.2): authenticated before not, 256 bits before 128.
OURS = der.sequence(
    *(der.sequence(name) for name in (oids.AES_256_GCM, oids.AES_256_CBC, oids.AES_128_GCM, oids.AES_128_CBC)), oids.RSAES_OAEP_SHA256
)


def named(capabilities: bytes) -> frozenset[bytes]:
    """The object identifiers (DER) that a DER SMIMECapabilities of at most 4096 bytes names, OAEP only if SHA-256 is meant. Raises MalformedCms."""
    if len(capabilities) > MAX_CAPABILITIES:
        raise MalformedCms(f"capabilities of more than {MAX_CAPABILITIES} bytes")
    whole = der.read(capabilities)
    if whole.tag != der.SEQUENCE or whole.end != len(capabilities):
        raise MalformedCms("capabilities are one SEQUENCE")
    found = set()
    for capability in der.children(capabilities, whole):
        fields = der.children(capabilities, capability) if capability.tag == der.SEQUENCE else []
        if not 1 <= len(fields) <= _MAX_FIELDS or fields[0].tag != der.OID:
            raise MalformedCms("a capability is an object identifier and its parameters")
        name, parameters = capabilities[fields[0].start : fields[0].end], capabilities[fields[0].end : capability.end]
        if name != oids.RSAES_OAEP_NAME or parameters in _OAEP_PARAMETERS:
            found.add(name)
    return frozenset(found)
