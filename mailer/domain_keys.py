"""The DKIM keys of this installation: files of one folder, each named for the DNS record of its public half. Free of Django."""

import re
import stat
from pathlib import Path

from mailer.dkim import DkimError, DomainSigner

_NAME = re.compile(r"(?P<selector>[a-z0-9.-]+)\._domainkey\.(?P<domain>[a-z0-9.-]+)\.pem")


def read_folder(folder: Path) -> dict[str, DomainSigner]:
    """The signer of each domain out of `<selector>._domainkey.<domain>.pem`. Raises DkimError, which names the file."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".pem")
    except OSError as error:
        raise DkimError(f"the folder {folder} cannot be read") from error
    if not paths:
        raise DkimError(f"the folder {folder} has no key")
    signers: dict[str, DomainSigner] = {}
    for path in paths:
        signer = _read(path)
        if signer.domain in signers:
            raise DkimError(f"{signer.domain} has two keys")
        signers[signer.domain] = signer
    return signers


def _read(path: Path) -> DomainSigner:
    named = _NAME.fullmatch(path.name)
    if named is None:
        raise DkimError(f"{path.name} is not named <selector>._domainkey.<domain>.pem")
    try:
        mode, pem = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise DkimError(f"{path.name} cannot be read") from error
    if mode & stat.S_IROTH:
        raise DkimError(f"{path.name} can be read by everybody")
    try:
        return DomainSigner.from_pem(named["domain"], named["selector"], pem)
    except DkimError as error:
        raise DkimError(f"{path.name}: {error}") from error
