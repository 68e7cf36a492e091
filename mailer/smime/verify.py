"""Who signed this? Signatures in multipart/signed and application/pkcs7-mime, with a named outcome for every case.

0. Cut the signed octets and the CMS, under limits.
1. Read SignedData.
2. Find each signer's certificate by issuer and serial number or by subject key identifier.
3. The digest of the octets is the one that was signed, and the signed attributes are consistent (RFC 5652 section 11, RFC 5035, RFC 6211).
4. The signature is the key's, and by algorithms that count today.
5. The certificate may sign mail, is valid at the time, and leads to a root, unrevoked.
6. The sender is one of the certificate's addresses.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from asn1crypto import x509

from . import attributes, envelopes, oids, parts, signed_data
from .certificates import cut
from .chain import judge
from .der import SET
from .errors import KeyRefused, LegacyAlgorithm, MalformedCms, TooLarge, UnsupportedAlgorithm
from .foreign import DIGESTS
from .key_identifiers import identifiers_of
from .names import comparable
from .outcomes import INTACT, Outcome
from .signatures import load_key, scheme_of
from .signed_data import SignedData, SignerInfo
from .signer_certificate import PARSE_FAULTS, addresses, is_valid, load, match_of, may_sign_mail
from .trust import Revocation, Trust

__all__ = ["Outcome", "Signature", "Trust", "Verification", "verify", "verify_cms"]


class Signature(NamedTuple):
    """One signer's: the outcome, the certificate in DER, its addresses, the claimed time, and an RFC 3161 token that nobody has checked yet."""

    outcome: Outcome
    certificate: bytes = b""
    addresses: tuple[str, ...] = ()
    claimed_at: datetime | None = None
    stamp: bytes = b""


class Verification(NamedTuple):
    """`content` is the signed entity and `certificate` the signer's DER as far as they could be read; trust them only if `verified`.

    With several signers the outcome is good only if each one's is, and `certificate` is that of the signer who decided it.
    """

    outcome: Outcome
    content: bytes = b""
    certificate: bytes = b""
    signatures: tuple[Signature, ...] = ()
    content_type: bytes = oids.DATA
    detached: bool = False

    @property
    def verified(self) -> bool:
        return self.outcome is Outcome.VERIFIED

    @property
    def intact(self) -> bool:
        """The signature holds, whatever is to be said of the certificate or the sender."""
        return self.outcome in INTACT


def verify(entity: bytes, *, at: datetime, roots: Sequence[bytes] = (), trust: Trust | None = None, sender: str | None = None) -> Verification:
    """The verdict on a signed entity by `trust`, or by `roots` in DER alone and what the entity brings of revocation. Raises nothing.

    Octets are read in this process: those that strangers sent are for `isolated.verify`.

    `sender` is the From address that the signer must have; the header itself is not looked at here (see `mail`).
    """
    # Step 0.
    try:
        wrapped = parts.wrapped(entity)
        if wrapped is None:
            return Verification(Outcome.PARTLY_SIGNED if parts.holds_signed(entity) else Outcome.NOT_SIGNED)
        if wrapped.appended:
            return Verification(Outcome.PARTLY_SIGNED)
    except MalformedCms:
        return Verification(Outcome.MALFORMED)
    except TooLarge:
        return Verification(Outcome.TOO_LARGE)
    verification = verify_cms(wrapped.cms, content=wrapped.content, at=at, trust=trust or Trust(roots, revocation=Revocation.IF_GIVEN), sender=sender)
    return verification._replace(detached=wrapped.content is not None)


def verify_cms(cms: bytes, *, at: datetime, trust: Trust, content: bytes | None = None, sender: str | None = None) -> Verification:
    """The verdict on a SignedData; `content` are the signed octets where they are detached. Raises nothing."""
    try:
        return _judge(cms, content, _Asked(trust, at, sender))
    except LegacyAlgorithm:
        return Verification(Outcome.LEGACY_ALGORITHM)
    except UnsupportedAlgorithm:
        return Verification(Outcome.UNSUPPORTED)
    except TooLarge:
        return Verification(Outcome.TOO_LARGE)
    except (MalformedCms, KeyRefused, *PARSE_FAULTS):
        return Verification(Outcome.MALFORMED)


class _Asked(NamedTuple):
    trust: Trust
    at: datetime
    sender: str | None


class _Content:
    """Signed octets, digested once for each algorithm."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self._digests: dict[bytes, bytes] = {}

    def digest(self, name: bytes) -> bytes:
        if name not in self._digests:
            self._digests[name] = attributes.digest(DIGESTS[name], self.octets)
        return self._digests[name]


def _judge(cms: bytes, content: bytes | None, asked: _Asked) -> Verification:
    # Step 1.
    signed = signed_data.read(cms)
    if not signed.signers:
        return Verification(Outcome.NOT_SIGNED, content_type=signed.content_type)  # certificates alone
    if (content is None) is (signed.content is None):
        # Detached without content, or two contents of which a reader might show the other one.
        return Verification(Outcome.MALFORMED, content_type=signed.content_type)
    forms = [signed.content or b""] if content is None else parts.canonical_forms(content)
    verification = _judge_content(signed, forms[0], asked)
    if len(forms) > 1 and verification.outcome in {Outcome.CONTENT_CHANGED, Outcome.SIGNATURE_WRONG}:
        verification = _judge_content(signed, forms[1], asked)
    return verification


def _judge_content(signed: SignedData, octets: bytes, asked: _Asked) -> Verification:
    content = _Content(octets)
    signatures = tuple(_judge_signer(signed, info, content, asked) for info in signed.signers)
    decisive = next((signature for signature in signatures if signature.outcome is not Outcome.VERIFIED), signatures[0])
    return Verification(decisive.outcome, octets, decisive.certificate, signatures, signed.content_type)


def _judge_signer(signed: SignedData, info: SignerInfo, content: _Content, asked: _Asked) -> Signature:
    # Step 2.
    certificate = _certificate_of(info, [*signed.certificates, *asked.trust.intermediates])
    if certificate is None:
        return Signature(Outcome.NO_SIGNER_CERTIFICATE)
    # Steps 3 and 4.
    values = signed_data.values_of(info.attributes or [])
    outcome = _check_signature(signed.content_type, info, values, content, certificate)
    signature = Signature(outcome, certificate, (), attributes.signing_time(values), _stamp(info))
    if outcome is not Outcome.VERIFIED:
        return signature
    leaf = load(certificate)
    named = tuple(addresses(leaf))
    # Steps 5 and 6.
    return signature._replace(outcome=_check_certificate(signed, leaf, named, asked), addresses=named)


def _certificate_of(info: SignerInfo, certificates: Sequence[bytes]) -> bytes | None:
    named: list[tuple[bytes, bytes]] = []
    for certificate in certificates:
        try:
            names = [cut(certificate).issuer_and_serial, *map(envelopes.key_identifier, identifiers_of(certificate))]
        except KeyRefused:
            continue  # one that cannot be read is nobody's
        if info.name in names:
            return certificate
        named.append((names[0], certificate))
    return next((certificate for name, certificate in named if comparable(name) == comparable(info.name)), None)


def _check_signature(content_type: bytes, info: SignerInfo, values: attributes.Values, content: _Content, certificate: bytes) -> Outcome:
    key = load_key(cut(certificate).spki)
    scheme = scheme_of(key, info.digest, info.algorithm)
    if scheme is None:
        return Outcome.ATTRIBUTES_WRONG
    if info.attributes is None:
        # RFC 5652 section 5.3: only data may be signed without attributes; and what looks like attributes was signed as such, for another content.
        if content_type != oids.DATA or content.octets[:1] == bytes((SET,)):
            return Outcome.ATTRIBUTES_WRONG
        over = [content.octets]
    else:
        # Step 3.
        outcome = attributes.check(values, info, content_type=content_type, content_digest=lambda: content.digest(info.digest), signer=certificate)
        if outcome:
            return outcome
        over = signed_data.signed_encodings(info.attributes)
    # Step 4.
    if not any(scheme.holds(info.value, octets) for octets in over):
        return Outcome.SIGNATURE_WRONG
    return Outcome.LEGACY_ALGORITHM if scheme.weak else Outcome.VERIFIED


def _stamp(info: SignerInfo) -> bytes:
    """The RFC 3161 token among the unsigned attributes, which else say nothing that counts."""
    try:
        found = signed_data.values_of(info.unsigned).get(oids.TIME_STAMP_TOKEN, [])
    except MalformedCms:
        return b""
    return found[0] if len(found) == 1 else b""


def _check_certificate(signed: SignedData, leaf: x509.Certificate, named: Sequence[str], asked: _Asked) -> Outcome:
    # Step 5.
    if not may_sign_mail(leaf):
        return Outcome.WRONG_USAGE
    if not is_valid(leaf, at=asked.at):
        return Outcome.NOT_VALID_THEN
    outcome = judge(asked.trust, leaf, signed.certificates, at=asked.at, crls=signed.crls, answers=signed.ocsp)
    if outcome is not Outcome.VERIFIED:
        return outcome
    # Step 6.
    if asked.sender is not None and match_of(asked.sender) not in {match_of(address) for address in named}:
        return Outcome.OTHER_SENDER
    return Outcome.VERIFIED
