"""Read a whole message: take off one layer after another, and say in the end whether it is by whom it says.

1. Peel: an envelope is opened, a signature judged, a compression undone, until plain MIME is reached or nothing more can be done.
2. The signature that counts is the outermost inside the last envelope: who signs ciphertext need not know what is in it. One that is
   further out takes nothing away, unless it is broken.
   Only a whole entity is peeled. Parts of a multipart are neither opened nor believed, since they could be shown among others (EFAIL).
3. The signer must be the sender (see `senders`).

The reading of octets and the use of keys are apart: `Peeler` does the first and may do it in another process, without any key.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from . import compressed, der, envelopes, oids, parts, senders
from .content_keys import KeyTransfer
from .envelopes import Envelope
from .errors import MalformedCms, SmimeError, TooLarge, TooSlow, UnsupportedAlgorithm
from .open import Opened, Opener, names_of, unseal
from .outcomes import Outcome
from .parts import Kind
from .trust import Trust
from .verify import Verification, verify, verify_cms

MAX_LAYERS = 8
MAX_MAIL = 32 * 1024 * 1024
# How a walk ends that came to plain MIME.
_REACHED = frozenset({Outcome.NOT_SIGNED, Outcome.PARTLY_SIGNED})


class Peeled(NamedTuple):
    """What one layer is, and what reading it gave; `content` is what a compression held."""

    kind: Kind
    envelope: Envelope | None = None
    verification: Verification | None = None
    content: bytes = b""
    partly_signed: bool = False


class Peeler(Protocol):
    """Reads octets of strangers; raises SmimeErrors."""

    def peel(self, octets: bytes, content_type: bytes, names: frozenset[bytes], *, trust: Trust, at: datetime) -> Peeled: ...

    def judge_sender(self, message: bytes, inside: Sequence[bytes], signers: Sequence[Sequence[str]], *, encrypted: bool) -> Outcome: ...


class Layer(NamedTuple):
    """For an envelope how it was protected, or `error`, the code of why it was not opened; for a signature the verification."""

    kind: Kind
    verification: Verification | None = None
    key_transfer: KeyTransfer | None = None
    cipher: str = ""
    authenticated: bool = False
    legacy: bool = False
    error: str = ""


class Reading(NamedTuple):
    """`content` is the innermost entity that was reached: its sender is known only if `verified`, and that it was read by nobody else never."""

    outcome: Outcome
    content: bytes
    layers: tuple[Layer, ...]

    @property
    def verified(self) -> bool:
        return self.outcome is Outcome.VERIFIED

    @property
    def encrypted(self) -> bool:
        return any(layer.kind is Kind.ENCRYPTED for layer in self.layers)


class Here:
    """Peels in this process."""

    def peel(self, octets: bytes, content_type: bytes, names: frozenset[bytes], *, trust: Trust, at: datetime) -> Peeled:
        """One layer. Raises TooLarge, MalformedCms, UnsupportedAlgorithm."""
        if len(octets) > MAX_MAIL:
            raise TooLarge(f"more than {MAX_MAIL} bytes")
        cms = parts.cms_of(octets) if content_type == oids.DATA else _as_cms(octets, content_type)
        kind = Kind.OTHER if cms is None else parts.kind_of(cms)
        if cms is not None and kind is Kind.ENCRYPTED:
            return Peeled(kind, envelope=envelopes.read(cms, names))
        if cms is not None and kind is Kind.COMPRESSED:
            return Peeled(kind, content=compressed.decompress(cms))
        bare = cms is not None and content_type != oids.DATA
        verification = verify_cms(cms or b"", at=at, trust=trust) if bare else verify(octets, at=at, trust=trust)
        if verification.outcome in {Outcome.NOT_SIGNED, Outcome.PARTLY_SIGNED}:
            return Peeled(Kind.OTHER, partly_signed=verification.outcome is Outcome.PARTLY_SIGNED)
        return Peeled(Kind.SIGNED, verification=verification)

    def judge_sender(self, message: bytes, inside: Sequence[bytes], signers: Sequence[Sequence[str]], *, encrypted: bool) -> Outcome:
        return senders.judge(message, inside, signers, encrypted=encrypted)


def _as_cms(octets: bytes, content_type: bytes) -> bytes:
    """Content that is CMS itself rather than MIME: the value of a ContentInfo, with its head or, by PKCS#7 1.5, without."""
    value = octets if octets[:1] == b"\x30" else der.sequence(octets)
    return der.sequence(content_type, der.explicit(0, value))


def read_mail(message: bytes, openers: Sequence[Opener] = (), *, trust: Trust, at: datetime, peeler: Peeler | None = None) -> Reading:
    """What a message is and whether it is verified, at the moment `at`. Raises nothing.

    Unless a `peeler` reads elsewhere, octets are read in this process: those that strangers sent are for `isolated.read_mail`.
    """
    peeler = peeler or Here()
    # Step 1.
    walk = _Walk(message, openers, trust, at, peeler)
    try:
        ended = walk.go()
    except SmimeError as error:
        ended = outcome_of(error)
    layers = tuple(walk.layers)
    # Step 2.
    outcome = _by_layers(layers, ended)
    if outcome is not Outcome.VERIFIED:
        return Reading(outcome, walk.octets, layers)
    # Step 3.
    signers = [signature.addresses for signature in _innermost(layers)[0].signatures]
    encrypted = any(layer.kind is Kind.ENCRYPTED for layer in layers)
    most = senders.MOST_LOOKED_AT
    return Reading(peeler.judge_sender(message[:most], walk.inside, signers, encrypted=encrypted), walk.octets, layers)


def outcome_of(error: SmimeError) -> Outcome:
    """What is said of a message in which reading came to this."""
    named = {TooLarge: Outcome.TOO_LARGE, TooSlow: Outcome.TOO_SLOW, UnsupportedAlgorithm: Outcome.UNSUPPORTED}
    return next((outcome for kind, outcome in named.items() if isinstance(error, kind)), Outcome.MALFORMED)


class _Walk:
    """The way through the layers; `octets` is where it has come to, `inside` how the MIME entities on the way begin."""

    def __init__(self, message: bytes, openers: Sequence[Opener], trust: Trust, at: datetime, peeler: Peeler) -> None:
        self.octets, self.content_type = message, oids.DATA
        self.layers: list[Layer] = []
        self.inside: list[bytes] = []
        self._openers, self._trust, self._at, self._peeler = openers, trust, at, peeler

    def go(self) -> Outcome:
        """Why it ended: NOT_SIGNED where plain MIME was reached, PARTLY_SIGNED if that has signed parts. Raises SmimeErrors."""
        names = names_of(self._openers)
        while True:
            try:
                peeled = self._peeler.peel(self.octets, self.content_type, names, trust=self._trust, at=self._at)
            except MalformedCms:
                if self.layers and self.layers[-1].kind is Kind.ENCRYPTED:
                    return Outcome.NOT_SIGNED  # what was encrypted is not MIME at all
                raise
            if peeled.kind is Kind.OTHER:
                return Outcome.PARTLY_SIGNED if peeled.partly_signed else Outcome.NOT_SIGNED
            if len(self.layers) >= MAX_LAYERS:
                raise TooLarge(f"more than {MAX_LAYERS} layers")
            stopped = self._take(peeled)
            if stopped is not None:
                return stopped
            if self.content_type == oids.DATA:
                self.inside.append(self.octets[: senders.MOST_LOOKED_AT])

    def _take(self, peeled: Peeled) -> Outcome | None:
        """Note the layer and go inside; why not, if there is no way."""
        if peeled.verification is not None:
            self.layers.append(Layer(Kind.SIGNED, peeled.verification))
            if not peeled.verification.content:
                return Outcome.MALFORMED if peeled.verification.verified else peeled.verification.outcome
            self.octets, self.content_type = peeled.verification.content, peeled.verification.content_type
        elif peeled.envelope is not None:
            try:
                opened = unseal(peeled.envelope, self._openers)
            except SmimeError as error:
                self.layers.append(Layer(Kind.ENCRYPTED, error=error.code))
                return Outcome.NOT_OPENED
            self.layers.append(_layer(opened))
            self.octets, self.content_type = opened.content, opened.content_type
        else:
            self.layers.append(Layer(Kind.COMPRESSED))
            self.octets, self.content_type = peeled.content, oids.DATA
        return None


def _layer(opened: Opened) -> Layer:
    return Layer(Kind.ENCRYPTED, None, opened.key_transfer, opened.cipher, opened.authenticated, opened.legacy)


def _innermost(layers: Sequence[Layer]) -> list[Verification]:
    """The signatures inside the last envelope."""
    last = max((index for index, layer in enumerate(layers) if layer.kind is Kind.ENCRYPTED), default=-1)
    return [layer.verification for layer in layers[last + 1 :] if layer.verification is not None]


def _by_layers(layers: Sequence[Layer], ended: Outcome) -> Outcome:
    signatures = [layer.verification for layer in layers if layer.verification is not None]
    counting = _innermost(layers)
    broken = next((outer for outer in signatures[: len(signatures) - len(counting)] if not outer.intact), None)
    if broken is not None:
        return broken.outcome
    if not counting:
        if ended is Outcome.NOT_OPENED:
            return ended
        return Outcome.SIGNED_OUTSIDE if signatures else ended
    # Two opaque ones are taken off in turn by every program; where a text can be read without, it shows the one or the other signer.
    if counting[0].verified and len(counting) > 1 and any(signed.detached for signed in counting):
        return Outcome.NESTED_SIGNATURE
    # What is signed but was not reached could be shown by others, with a header of its own.
    if counting[0].verified and ended not in _REACHED:
        return ended
    return counting[0].outcome
