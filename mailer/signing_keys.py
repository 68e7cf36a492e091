"""Organisations' managed keys, opened in the workers alone."""

from collections import OrderedDict
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from mailer.custody import open_secret, require_key
from mailer.identities import NoIdentityError, check_usable
from mailer.issuing import key_context
from mailer.models import SigningIdentity
from mailer.smime.errors import KeyRefused
from mailer.smime.sign import Signer

# How long a revoked or retired identity may still sign in a worker that has it open.
SECONDS_KEPT = 5.0
MOST_KEPT = 500


class _Kept(NamedTuple):
    signer: Signer
    identity: SigningIdentity
    until: float


_kept: OrderedDict[UUID, _Kept] = OrderedDict()
_lock = Lock()


def load_signer(identity_id: UUID, *, at: datetime) -> Signer:
    """The identity's signer, kept open in this process for a few seconds.

    Raises NoIdentityError where it cannot sign at this moment, MissingKeyError outside the workers, or another CustodyError.
    """
    with _lock:
        kept = _kept.get(identity_id)
        if kept is None or kept.until < monotonic():
            kept = _open(identity_id)
            _kept[identity_id] = kept
            while len(_kept) > MOST_KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(identity_id)
    check_usable(kept.identity, at=at)
    return kept.signer


def forget_signers() -> None:
    """Drop every open key of this process."""
    with _lock:
        _kept.clear()


def _open(identity_id: UUID) -> _Kept:
    kek = require_key("LETTERLOCK_SIGNING_KEK")
    identity = SigningIdentity.objects.select_related("certificate").filter(pk=identity_id).first()
    if identity is None or identity.certificate is None or identity.encrypted_key is None:
        raise NoIdentityError("the address has no signing certificate yet, or no longer")
    key = load_der_private_key(open_secret(kek, bytes(identity.encrypted_key), context=key_context(identity_id)), password=None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise KeyRefused("a managed key is RSA or on a NIST curve")
    signer = Signer(key, bytes(identity.certificate.der), [bytes(der) for der in identity.chain])
    return _Kept(signer, identity, monotonic() + SECONDS_KEPT)
