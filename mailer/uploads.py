"""Which certificate of an upload is meant, for which address, and what came along to lead to a root."""

from collections.abc import Sequence
from typing import NamedTuple

from directory.publishing import MOST_CHAIN
from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.containers import read_upload
from directory.x509.errors import NoAddressError, UnpublishableError, WrongAddressError
from directory.x509.names import EmailAddress


class SeveralAddressesError(UnpublishableError):
    """The certificate names more than one address, and nothing says which is meant."""

    code = "several_addresses"


class HandedIn(NamedTuple):
    """The certificate that is meant, in DER, and the intermediates that came with it, in the order given."""

    address: EmailAddress
    der: bytes
    chain: Sequence[bytes]


def handed_in(upload: bytes, address: EmailAddress | None) -> HandedIn:
    """Of the certificates that name the address, or the only one that is named, one that encrypts. Raises SeveralAddressesError, X509Error's."""
    parsed = [parse_certificate(der) for der in read_upload(upload)]
    # The chain that programs export along is left out, unless it is all there is: then the gate says what is wrong with it.
    leaves = [certificate for certificate in parsed if not certificate.is_authority] or parsed
    address = address or _only_address(leaves)
    naming = [leaf for leaf in leaves if address.match in {named.match for named in leaf.addresses}]
    if not naming:
        raise WrongAddressError("No certificate in the upload names this address.")
    meant = max(naming, key=lambda leaf: (leaf.can_encrypt, leaf.not_before))
    chain = [certificate.der for certificate in parsed if certificate.is_authority and certificate is not meant]
    return HandedIn(address, meant.der, chain[:MOST_CHAIN])


def _only_address(leaves: Sequence[ParsedCertificate]) -> EmailAddress:
    named = {address.match: address for parsed in leaves for address in parsed.addresses}
    if not named:
        raise NoAddressError("No certificate in the upload names an e-mail address.")
    if len(named) > 1:
        raise SeveralAddressesError("The upload's certificates name several addresses.")
    return next(iter(named.values()))
