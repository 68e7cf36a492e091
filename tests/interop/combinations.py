"""Everything that the writing side can make, each a row of the support table."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from mailer.smime.choice import Choice, ContentCipher, KeyManagement
from mailer.smime.sign import SignatureForm

SIGNERS = ("rsa", "rsa-pss", "p256", "p384")
RECIPIENTS = ("rsa", "rsa-oaep", "p256", "p384")
KEY_MANAGEMENT = {"rsa": KeyManagement.RSA_PKCS1, "rsa-oaep": KeyManagement.RSA_OAEP, "p256": KeyManagement.ECDH, "p384": KeyManagement.ECDH}
DEFAULT = ContentCipher.AES_256_CBC
# With what a mail can come besides: to more than one certificate, with more or less around it, or long.
SEVERAL = ("two of one kind", "p256 and p384", "rsa and p256, apart")
LEAF_ONLY = "leaf only"
SIGNED_WITH = (LEAF_ONLY, "time stamp", "ocsp answer", "time stamp and ocsp answer")
CONTENTS = ("neutral subject", "html, images, files", "12 MB")


class Combination(NamedTuple):
    """`recipient` names the key management as `signer` names the signature; `also` is what is unlike a mail with a text to one recipient."""

    signer: str
    form: SignatureForm
    recipient: str
    cipher: ContentCipher
    also: str = ""

    @property
    def choice(self) -> Choice:
        return Choice(KEY_MANAGEMENT[self.recipient], self.cipher)

    @property
    def receivers(self) -> Sequence[str]:
        """Who the mail is for, by the names of the cast; each of them must open it."""
        key = self.recipient.removesuffix("-oaep")
        match self.also:
            case "two of one kind":
                return (f"alice-{key}", f"bob-{key}")
            case "p256 and p384":
                return ("alice-p256", "bob-p384")
            case "rsa and p256, apart":
                return ("alice-rsa", "alice-p256")
        return (f"alice-{key}",)


def combinations() -> Iterator[Combination]:
    for signer, form, recipient, cipher in product(SIGNERS, SignatureForm, RECIPIENTS, ContentCipher):
        yield Combination(signer, form, recipient, cipher)
    detached = SignatureForm.DETACHED
    for recipient, cipher in product(RECIPIENTS, ContentCipher):
        yield Combination("rsa", detached, recipient, cipher, "two of one kind")
    for cipher in ContentCipher:
        yield Combination("rsa", detached, "p256", cipher, "p256 and p384")
    yield Combination("rsa", detached, "rsa", DEFAULT, "rsa and p256, apart")
    for also, signer, form in product(SIGNED_WITH, SIGNERS, SignatureForm):
        yield Combination(signer, form, "rsa", DEFAULT, also)
    for also, recipient in product(CONTENTS, RECIPIENTS):
        yield Combination("rsa", detached, recipient, DEFAULT, also)
