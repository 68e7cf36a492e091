"""A root and the S/MIME CA under it by the product's own profiles, and signers that it certifies."""

from mailer.ca.names import authority_subject
from mailer.ca.profiles import (
    V4_SIGNING,
    Addresses,
    Issuer,
    PolicyArc,
    SubjectFacts,
    algorithm_for,
    authority_builder,
    last_second,
    new_serial,
    root_builder,
    subscriber_builder,
)
from mailer.smime.sign import Signer
from tests.interop.cast import BANK, Cast
from tests.pki import Holder, PrivateKey, key_of

ADDRESSES, POLICY = Addresses("http://pki.example.org"), PolicyArc("1.3.6.1.4.1.32473.1", asserts_reserved=True)
FACTS = SubjectFacts("Beispiel Bank AG", "DE", "NTRDE-DER3306.HRB12345")


class OwnAuthority:
    def __init__(self, kind: str, cast: Cast) -> None:
        """Both keys are of the kind."""
        self._at = cast.at.replace(microsecond=0)
        root_key, self._key = key_of(kind, "own root"), key_of(kind, "own smime")
        root = root_builder(
            authority_subject("DE", "Beispiel", "Beispiel Root 1"), key=root_key.public_key(), serial=new_serial(), not_before=self._at
        )
        self.root = Holder(root.sign(root_key, algorithm_for(root_key)), root_key)
        smime = authority_builder(
            authority_subject("DE", "Beispiel", "Beispiel S/MIME CA 1"),
            issuer=Issuer("root-1", self.root.certificate),
            key=self._key.public_key(),
            serial=new_serial(),
            not_before=self._at,
            addresses=ADDRESSES,
            policy=POLICY,
        )
        self.smime = Holder(smime.sign(root_key, algorithm_for(root_key)), self._key)

    def signer(self, key: PrivateKey) -> Signer:
        """The bank's, with a certificate for this key."""
        builder = subscriber_builder(
            V4_SIGNING,
            issuer=Issuer("smime-1", self.smime.certificate),
            key=key.public_key(),
            serial=new_serial(),
            not_before=self._at,
            not_after=last_second(self._at, V4_SIGNING.life),
            subject=FACTS,
            address=BANK,
            shard=7,
            addresses=ADDRESSES,
            policy=POLICY,
        )
        leaf = Holder(builder.sign(self._key, algorithm_for(self._key)), key)
        return Signer(key, leaf.der, [self.smime.der])
