"""Does a signer's certificate lead to a trusted root, for e-mail, at a given time?"""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

_MAX_DEPTH = 6


def _mails(_policy: Policy, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    if usage is not None and not {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage):
        raise ValueError("not for e-mail")


def _is_authority(_policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("not a certificate authority")


def _certifies(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("may not certify")


_LEAF = ExtensionPolicy.permit_all().may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _mails)
_AUTHORITY = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _certifies)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _mails)
)


def may_sign_mail(certificate: x509.Certificate) -> bool:
    """Key usage and extended key usage let its key sign mail (RFC 8550 section 4.4). An absent extension allows all."""
    extensions = certificate.extensions
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        if not (usage.digital_signature or usage.content_commitment):
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        purposes = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return True
    return bool({ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & purposes)


def leads_to(roots: Sequence[x509.Certificate], leaf: x509.Certificate, others: Sequence[x509.Certificate], *, at: datetime) -> bool:
    """A path of valid certificates exists from `leaf` by way of `others` to one of `roots` (RFC 5280 section 6). Revocation is asked elsewhere."""
    if not roots:
        return False
    builder = PolicyBuilder().store(Store(list(roots))).time(at).max_chain_depth(_MAX_DEPTH)
    verifier = builder.extension_policies(ee_policy=_LEAF, ca_policy=_AUTHORITY).build_client_verifier()
    try:
        verifier.verify(leaf, list(others))
    except VerificationError:
        return False
    return True
