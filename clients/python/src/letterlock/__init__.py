"""Letterlock's client: look certificates up, seal mail locally, verify it.

from letterlock import Client, Content, load_key, seal

with Client("https://letterlock.example.com", token="ll_live_...") as client:
    key = load_key("bills.key", "bills.crt", "chain.pem")
    mails = seal(Content("Invoice 7", "Attached."), sender="bills@bank.example.com", recipients="alice@example.org", key=key, client=client)
"""

from ._core.mailer.smime.entity import Attachment, Content
from ._core.mailer.smime.outcomes import Outcome
from ._core.mailer.smime.sign import SignatureForm
from ._core.mailer.smime.trust import Trust
from .answers import AcceptedMessage, Certificate, Identity, Lookup, ReceiptLine
from .async_client import AsyncClient
from .checking import trust_in
from .client import Client
from .errors import (
    AuthenticationError,
    BadAddressError,
    ConfigurationError,
    ContentRefusedError,
    InvalidRequestError,
    KeyFileError,
    LetterlockError,
    NoCertificateError,
    NotAllowedError,
    OverQuotaError,
    ProblemError,
    RedirectRefusedError,
    ServerError,
    TransportError,
    UnfitCertificateError,
    UnusableAnswerError,
)
from .keys import OwnKey, load_certificates, load_crls, load_key, own_key
from .sealing import Options, SealedMail, seal, seal_async
from .verifying import Verdict, verify

__version__ = "0.1.0"
__all__ = [
    "AcceptedMessage",
    "AsyncClient",
    "Attachment",
    "AuthenticationError",
    "BadAddressError",
    "Certificate",
    "Client",
    "ConfigurationError",
    "Content",
    "ContentRefusedError",
    "Identity",
    "InvalidRequestError",
    "KeyFileError",
    "LetterlockError",
    "Lookup",
    "NoCertificateError",
    "NotAllowedError",
    "Options",
    "Outcome",
    "OverQuotaError",
    "OwnKey",
    "ProblemError",
    "ReceiptLine",
    "RedirectRefusedError",
    "SealedMail",
    "ServerError",
    "SignatureForm",
    "TransportError",
    "Trust",
    "UnfitCertificateError",
    "UnusableAnswerError",
    "Verdict",
    "load_certificates",
    "load_crls",
    "load_key",
    "own_key",
    "seal",
    "seal_async",
    "trust_in",
    "verify",
]
