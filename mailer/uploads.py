"""Which certificate of an upload is meant, and for which address."""

from directory.x509.certificate import ParsedCertificate, parse_certificate
from directory.x509.containers import read_upload
from directory.x509.errors import NoAddressError, UnpublishableError, WrongAddressError
from directory.x509.names import EmailAddress


class SeveralAddressesError(UnpublishableError):
    """The certificate names more than one address, and nothing says which is meant."""

    code = "several_addresses"


def certificate_for(upload: bytes, address: EmailAddress) -> bytes:
    """The DER of the one certificate in the upload that names this address: of several, one that encrypts. Raises the errors of X509Error."""
    naming = [parsed for parsed in _leaves(upload) if address.match in {named.match for named in parsed.addresses}]
    if not naming:
        raise WrongAddressError("No certificate in the upload names this address.")
    return _best(naming).der


def only_address(upload: bytes) -> tuple[EmailAddress, bytes]:
    """The one address that the upload's certificate names, and its DER. Raises SeveralAddressesError, or as `certificate_for`."""
    leaves = _leaves(upload)
    named = {address.match: address for parsed in leaves for address in parsed.addresses}
    if not named:
        raise NoAddressError("No certificate in the upload names an e-mail address.")
    if len(named) > 1:
        raise SeveralAddressesError("The upload's certificates name several addresses.")
    return next(iter(named.values())), _best([parsed for parsed in leaves if parsed.addresses]).der


def _leaves(upload: bytes) -> list[ParsedCertificate]:
    """The chain that programs export along is left out, unless it is all there is: then the gate says what is wrong with it."""
    parsed = [parse_certificate(der) for der in read_upload(upload)]
    return [certificate for certificate in parsed if not certificate.is_authority] or parsed


def _best(candidates: list[ParsedCertificate]) -> ParsedCertificate:
    return max(candidates, key=lambda parsed: (parsed.can_encrypt, parsed.not_before))
