"""NSS's built-in list as roots of the trust store: what Mozilla lets certify e-mail. The library is loaded in a process of its own (`nss_child`).

A root counts if its e-mail trust is that of a certifier (CKT_NSS_TRUSTED_DELEGATOR), for certificates issued before CKA_NSS_EMAIL_DISTRUST_AFTER
where the list has that date.
"""

import base64
import hashlib
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from django.conf import settings
from django.db import transaction

from directory.authorities import add_authority, remove_authority
from directory.models import AuthorityKind, AuthoritySource, TrustedAuthority

USUAL_PLACES = ("/usr/lib/*/libnssckbi.so", "/usr/lib/*/nss/libnssckbi.so", "/usr/lib64/libnssckbi.so", "/usr/lib/libnssckbi.so")
_TRUSTED_DELEGATOR = 0xCE534352
_SECONDS = 60
_LEAST_ROOTS = 10
_CHILD = Path(__file__).with_name("nss_child.py")
# Any number: two imports at a time would each undo what the other did.
_IMPORT_LOCK = 0x4C4C4E53
_log = logging.getLogger(__name__)


class NssLibraryError(Exception):
    """NSS's list cannot be read; the text says why."""


class BuiltInRoot(NamedTuple):
    """A root in DER; `distrust_after` is the moment after which it has issued nothing that counts."""

    der: bytes
    subject: str
    distrust_after: datetime | None

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()


class Imported(NamedTuple):
    """How many roots were added or changed, taken away, left as they were, and left to what the operator decided."""

    added: int
    removed: int
    kept: int
    left: int


def library_at(named: str = "") -> Path:
    """The library that is named, else the one of LETTERLOCK_NSS_ROOTS, else the one in a usual place. Raises NssLibraryError."""
    named = named or settings.LETTERLOCK_NSS_ROOTS
    if named not in {"", "auto", "off"}:
        return Path(named)
    for place in USUAL_PLACES:
        found = sorted(Path("/").glob(place.removeprefix("/")))
        if found:
            return found[0]
    raise NssLibraryError("libnssckbi.so is in no usual place: install Debian's libnss3, or name it")


def read_roots(library: Path) -> list[BuiltInRoot]:
    """The roots of the list that may certify e-mail. Raises NssLibraryError, also where there are so few that something must be wrong."""
    if not library.is_file():
        raise NssLibraryError(f"{library} is not there")
    command = [sys.executable, "-I", str(_CHILD), str(library.resolve())]
    try:
        # Nothing of the environment goes along: it holds passwords and keys.
        ended = subprocess.run(
            command, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, cwd="/", capture_output=True, timeout=_SECONDS, check=False
        )
        if ended.returncode:
            said = ended.stderr.decode("utf-8", "replace").strip() or f"the process that reads it ended with {ended.returncode}"
            raise NssLibraryError(f"{library} cannot be read: {said}")
        lines = json.loads(ended.stdout)
        found = [_root(base64.b64decode(der), date) for der, digest, trust, date in lines if _is_trusted(base64.b64decode(der), digest, trust)]
    except subprocess.TimeoutExpired as error:
        raise NssLibraryError(f"{library} cannot be read within {_SECONDS} seconds") from error
    except (ValueError, TypeError) as error:
        raise NssLibraryError(f"{library} does not give what it should") from error
    roots = [root for root in found if root is not None]
    if len(roots) < _LEAST_ROOTS:
        raise NssLibraryError(f"{library} trusts {len(roots)} roots for e-mail, fewer than can be right")
    return roots


def import_roots(roots: Sequence[BuiltInRoot], *, actor: str, at: datetime) -> Imported:
    """Have the trust store hold just these of NSS's; what the operator added or removed stays so."""
    with transaction.atomic():
        with transaction.get_connection().cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_IMPORT_LOCK])
        own = set(TrustedAuthority.objects.exclude(source=AuthoritySource.NSS).values_list("fingerprint", flat=True))
        listed = {root.fingerprint: root for root in roots}
        added = [_add(root, actor=actor, at=at) for fingerprint, root in listed.items() if fingerprint not in own]
        lost = TrustedAuthority.objects.filter(source=AuthoritySource.NSS, removed_at=None).exclude(fingerprint__in=listed)
        gone = list(lost.values_list("fingerprint", flat=True))
        for fingerprint in gone:
            remove_authority(fingerprint=fingerprint, source=AuthoritySource.NSS, actor=actor, at=at)
    return Imported(added.count(True), len(gone), added.count(False), len(own & listed.keys()))


def refresh_roots(*, actor: str, at: datetime) -> Imported | None:
    """Import anew, where the operator has imported once and has not turned it off. Raises NssLibraryError."""
    if settings.LETTERLOCK_NSS_ROOTS == "off" or not TrustedAuthority.objects.filter(source=AuthoritySource.NSS).exists():
        return None
    return import_roots(read_roots(library_at()), actor=actor, at=at)


def _add(root: BuiltInRoot, *, actor: str, at: datetime) -> bool:
    return add_authority(
        fingerprint=root.fingerprint,
        der=root.der,
        subject=root.subject,
        kind=AuthorityKind.ROOT,
        source=AuthoritySource.NSS,
        distrust_after=root.distrust_after,
        actor=actor,
        at=at,
    )


def _is_trusted(der: bytes, digest: str, trust: int) -> bool:
    # The statement is about one certificate, which it names by its SHA-1; another of the same name and number is not meant.
    return trust == _TRUSTED_DELEGATOR and hashlib.sha1(der, usedforsecurity=False).hexdigest() == digest


def _root(der: bytes, date: str) -> BuiltInRoot | None:
    """Raises ValueError for a date that cannot be read: the root would count longer than it should."""
    # RFC 5280 section 4.1.2.5.1 has two digits of a year; the list's dates are all of this century.
    after = datetime.strptime("20" + date, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC) if date else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some old roots have the serial number 0
            certificate = x509.load_der_x509_certificate(der)
            certificate.public_key()
            return BuiltInRoot(der, certificate.subject.rfc4514_string(), after)
    except (ValueError, UnsupportedAlgorithm):
        _log.warning("a root of NSS's list cannot be read and does not count: %s", hashlib.sha256(der).hexdigest())
        return None
