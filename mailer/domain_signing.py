"""DKIM on the way out: each mail is signed once, over the bytes that are kept and sent."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from mailer.dkim import DomainSigner
from mailer.domain_keys import read_folder


def signed(mail: bytes, *, sender: str, at: datetime) -> bytes:
    """The mail, signed by the sender's domain if it has a key here, else by the installation's own, else as it is.

    Only a signature of the sender's own domain counts for its DMARC policy; one of the installation's tells who is to be asked.
    """
    if not settings.LETTERLOCK_DKIM_KEYS:
        return mail
    signers = _signers(settings.LETTERLOCK_DKIM_KEYS)
    own = settings.LETTERLOCK_MAIL_FROM.rpartition("@")[2]
    signer = signers.get(sender.rpartition("@")[2].lower()) or signers.get(own.lower())
    return mail if signer is None else signer.sign(mail, at=at)


@lru_cache(maxsize=4)
def _signers(folder: str) -> Mapping[str, DomainSigner]:
    return read_folder(Path(folder))
