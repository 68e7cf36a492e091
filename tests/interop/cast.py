"""Who signs and who receives: one holder for each kind of key, under names that every program's driver shares."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from mailer.smime.open import Opener
from mailer.smime.sign import SignaturePadding, Signer
from tests.interop.engine import Holders
from tests.pki import Authority, Holder, Usage

BANK, ALICE, BOB, CHARLIE = "bills@bank.example.com", "alice@example.net", "bob@example.net", "charlie@example.org"
SIGNING = {"bank-rsa": "rsa2048", "bank-p256": "p256", "bank-p384": "p384"}
RECEIVING = {"alice-rsa": "rsa2048", "alice-p256": "p256", "alice-p384": "p384", "bob-rsa": "rsa3072", "bob-p256": "p256", "bob-p384": "p384"}


def _holders(authority: Authority) -> dict[str, Holder]:
    signing = {name: authority.leaf(BANK, kind, Usage.DUAL, organization=f"Example {name}") for name, kind in SIGNING.items()}
    receiving = {}
    for name, kind in RECEIVING.items():
        email = ALICE if name.startswith("alice") else BOB
        receiving[name] = authority.leaf(email, kind, Usage.ENCRYPT, organization=f"Example {name}")
    return signing | receiving


@dataclass(frozen=True)
class Cast:
    """An authority, what it certified, and a stranger whose root nobody trusts and whose keys nobody has."""

    at: datetime
    authority: Authority = field(default_factory=lambda: Authority("Interop"))
    stranger: Authority = field(default_factory=lambda: Authority("Stranger"))
    holders: Holders = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "holders", _holders(self.authority))

    def signer(self, name: str, *, padding: SignaturePadding = SignaturePadding.PKCS1, with_chain: bool = True) -> Signer:
        holder = self.holders[name]
        return Signer(holder.key, holder.der, self.authority.chain if with_chain else (), padding=padding)

    def opener(self, name: str) -> Opener:
        holder = self.holders[name]
        return Opener(holder.key, holder.der)

    @cached_property
    def charlie(self) -> Opener:
        """Somebody with a certificate of the same authority, to whom nothing is sent."""
        holder = self.authority.leaf(CHARLIE, "rsa2048", Usage.ENCRYPT)
        return Opener(holder.key, holder.der)
