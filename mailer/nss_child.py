"""Reads the certificates and the e-mail trust out of NSS's built-in list, `libnssckbi.so`, through PKCS#11. Only the standard library.

Run as a process of its own by `nss_roots`: the library is foreign code. Prints JSON: a list of [DER, SHA-1 of the trusted DER, trust, date] where
DER is base64, trust a number of `_EMAIL_TRUST`, and date the text of CKA_NSS_EMAIL_DISTRUST_AFTER or "".

1. Load the library and take its list of functions (PKCS#11 v2.40 sections 3.6 and 5.4).
2. Open a session with the slot that has a token in it.
3. Find every certificate, and every statement of trust.
4. Pair them by issuer and serial number.
"""

import base64
import ctypes
import json
import resource
import sys
from ctypes import POINTER, byref, c_char_p, c_ubyte, c_ulong, c_void_p
from typing import Any

_SECONDS, _OCTETS = 20, 1024 * 1024 * 1024
_OK = 0
_UNAVAILABLE = c_ulong(-1).value  # CK_UNAVAILABLE_INFORMATION: the object has no such attribute
_SERIAL_SESSION = 4
_MOST_OBJECTS, _MOST_OCTETS = 5000, 64 * 1024

# PKCS#11's own numbers, then NSS's, which are those of its vendor range (pkcs11n.h).
_CLASS, _VALUE, _ISSUER, _SERIAL = 0x00, 0x11, 0x81, 0x82
_CERTIFICATE = 0x01
_NSS = 0x80000000 | 0x4E534350
_NSS_TRUST = _NSS + 3
_EMAIL_DISTRUST_AFTER = _NSS + 36
_EMAIL_TRUST = _NSS + 0x2000 + 11
_SHA1 = _NSS + 0x2000 + 100

# Where in CK_FUNCTION_LIST, after its version, a function stands (PKCS#11 v2.40 section 5.1).
_INITIALIZE, _FINALIZE, _SLOTS, _OPEN, _ATTRIBUTES, _FIND_INIT, _FIND, _FIND_FINAL = 0, 1, 4, 12, 24, 26, 27, 28
_FUNCTIONS = 68


class _FunctionList(ctypes.Structure):
    _fields_ = [("major", c_ubyte), ("minor", c_ubyte), ("functions", c_void_p * _FUNCTIONS)]


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS with NSS's member `LibraryParameters` before the last."""

    _fields_ = [
        ("create", c_void_p),
        ("destroy", c_void_p),
        ("lock", c_void_p),
        ("unlock", c_void_p),
        ("flags", c_ulong),
        ("parameters", c_char_p),
        ("reserved", c_void_p),
    ]


class _Attribute(ctypes.Structure):
    _fields_ = [("type", c_ulong), ("value", c_void_p), ("length", c_ulong)]


class LibraryError(Exception):
    """The library does not do what PKCS#11 says."""


class _Library:
    """A PKCS#11 module with an open session."""

    def __init__(self, path: str) -> None:
        # Step 1.
        library = ctypes.CDLL(path)
        found = POINTER(_FunctionList)()
        if library.C_GetFunctionList(byref(found)) != _OK or not found:
            raise LibraryError("it gives no list of its functions")
        self._functions = found.contents.functions
        self._library = library
        self._call(_INITIALIZE, "C_Initialize", byref(_InitializeArguments(parameters=b"")))
        # Step 2.
        count = c_ulong()
        self._call(_SLOTS, "C_GetSlotList", c_ubyte(1), None, byref(count))
        if not 0 < count.value <= _MOST_OBJECTS:
            raise LibraryError("it has no token")
        slots = (c_ulong * count.value)()
        self._call(_SLOTS, "C_GetSlotList", c_ubyte(1), slots, byref(count))
        self._session = c_ulong()
        self._call(_OPEN, "C_OpenSession", c_ulong(slots[0]), c_ulong(_SERIAL_SESSION), None, None, byref(self._session))

    def objects(self, of_class: int) -> list[int]:
        """Step 3: the handles of the objects of a class."""
        wanted = c_ulong(of_class)
        attribute = _Attribute(_CLASS, ctypes.cast(byref(wanted), c_void_p), ctypes.sizeof(wanted))
        self._call(_FIND_INIT, "C_FindObjectsInit", self._session, byref(attribute), c_ulong(1))
        handles, count = (c_ulong * _MOST_OBJECTS)(), c_ulong()
        self._call(_FIND, "C_FindObjects", self._session, handles, c_ulong(_MOST_OBJECTS), byref(count))
        self._call(_FIND_FINAL, "C_FindObjectsFinal", self._session)
        if count.value >= _MOST_OBJECTS:
            raise LibraryError(f"it has more than {_MOST_OBJECTS} objects of a class")
        return list(handles[: count.value])

    def value(self, handle: int, attribute_type: int) -> bytes:
        """An attribute's octets; none where the object does not have it."""
        attribute = _Attribute(attribute_type, None, 0)
        answer = self._answer(_ATTRIBUTES, self._session, c_ulong(handle), byref(attribute), c_ulong(1))
        if answer != _OK or attribute.length in {0, _UNAVAILABLE}:
            return b""
        if attribute.length > _MOST_OCTETS:
            raise LibraryError("it has an attribute that is too long")
        octets = ctypes.create_string_buffer(attribute.length)
        attribute.value = ctypes.cast(octets, c_void_p)
        self._call(_ATTRIBUTES, "C_GetAttributeValue", self._session, c_ulong(handle), byref(attribute), c_ulong(1))
        return octets.raw[: attribute.length]

    def close(self) -> None:
        self._call(_FINALIZE, "C_Finalize", None)

    def _answer(self, number: int, *arguments: Any) -> int:
        address = self._functions[number]
        if not address:
            raise LibraryError(f"it lacks function {number} of PKCS#11")
        return int(ctypes.CFUNCTYPE(c_ulong)(address)(*arguments))

    def _call(self, number: int, name: str, *arguments: Any) -> None:
        answer = self._answer(number, *arguments)
        if answer != _OK:
            raise LibraryError(f"{name} answers 0x{answer:x}")


def read(path: str) -> list[tuple[str, str, int, str]]:
    library = _Library(path)
    # Step 4.
    trusts = {}
    for handle in library.objects(_NSS_TRUST):
        trust = library.value(handle, _EMAIL_TRUST)
        if len(trust) == ctypes.sizeof(c_ulong):
            key = library.value(handle, _ISSUER), library.value(handle, _SERIAL)
            trusts[key] = library.value(handle, _SHA1).hex(), c_ulong.from_buffer_copy(trust).value
    if not trusts:
        raise LibraryError("it has no trust objects of the kind that NSS's list has")
    found = []
    for handle in library.objects(_CERTIFICATE):
        digest, level = trusts.get((library.value(handle, _ISSUER), library.value(handle, _SERIAL)), ("", 0))
        after = library.value(handle, _EMAIL_DISTRUST_AFTER)
        # A time as UTCTime writes it, or one octet: CK_FALSE.
        date = after.decode("ascii", "replace") if len(after) > 1 else ""
        found.append((base64.b64encode(library.value(handle, _VALUE)).decode("ascii"), digest, level, date))
    library.close()
    return found


def main(path: str) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_OCTETS, _OCTETS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found = read(path)
    except (LibraryError, OSError, AttributeError) as error:
        sys.stderr.write(str(error)[:300])
        return 1
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
