"""A mail for each combination, by the call that the product itself uses, with what must come out of it again."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mailer.smime.entity import Attachment, Content
from mailer.smime.message import seal
from mailer.smime.recipients import Recipient, apart
from mailer.smime.sign import SignaturePadding, Signer
from tests.interop.cast import ALICE, BANK, Cast
from tests.interop.combinations import LEAF_ONLY, Combination
from tests.mailer.smime.evidence import Evidence

NEUTRAL = "A sealed message of Example Bank"
# One red pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478da63f8cfc0000003010100f70341430000000049454e44ae426082"
)
TEXT = Content(
    "Your statement for November", "".join(f"{day:02} November: the balance is {day}12.50 EUR, as it was booked.\r\n" for day in range(1, 31)) * 2
)
FULL = Content(
    "Kontoauszug für März: 12,50 €",
    "Liebe Alice,\nim Anhang der Auszug. Grüße\n.\n..ein Punkt\n",
    '<html><body><p>Liebe Alice, im <b>Anhang</b> der Auszug. <img src="cid:logo@bank.example.com"> Grüße</p></body></html>',
    [
        Attachment("logo.png", "image/png", PIXEL, content_id="logo@bank.example.com"),
        Attachment("Auszug März.pdf", "application/pdf", bytes(range(256)) * 40),
    ],
)


@cache
def large() -> Content:
    return TEXT._replace(attachments=[Attachment("year.bin", "application/octet-stream", bytes(range(256)) * 26_000)])


class RecordingSigner(Signer):
    """A signer that keeps what it was given: the octets that must come out of every program unchanged."""

    entity = b""

    def sign(self, entity: bytes, *, at: datetime, **options: Any) -> bytes:
        self.entity = entity
        return super().sign(entity, at=at, **options)


class Sealed(NamedTuple):
    """`mails`: who opens what; those with one envelope have the same mail. `entity` was signed."""

    mails: dict[str, bytes]
    entity: bytes


class Sealer:
    def __init__(self, cast: Cast, folder: Path) -> None:
        """`folder` is for the programs that stamp and answer."""
        self._cast, self._evidence = cast, Evidence(folder, cast.authority)
        self._known: dict[Combination, Sealed] = {}

    def __call__(self, combination: Combination) -> Sealed:
        """Sealed once, then the same for every program."""
        return self._known.get(combination) or self._known.setdefault(combination, self._seal(combination))

    def _seal(self, combination: Combination) -> Sealed:
        cast, also = self._cast, combination.also
        holder = cast.holders[f"bank-{combination.signer.removesuffix('-pss')}"]
        padding = SignaturePadding.PSS if combination.signer == "rsa-pss" else SignaturePadding.PKCS1
        signer = RecordingSigner(holder.key, holder.der, () if also == LEAF_ONLY else cast.authority.chain, padding=padding)
        names = {self._recipient(name, combination): name for name in combination.receivers}
        mails: dict[str, bytes] = {}
        for recipients in apart(names):
            mail = seal(
                _content(also),
                sender=BANK,
                sender_name="Example Bank, Berlin",
                recipient=ALICE,
                signer=signer,
                recipients=recipients,
                message_id="<statement-7@bank.example.com>",
                at=cast.at,
                neutral_subject=NEUTRAL if also == "neutral subject" else None,
                form=combination.form,
                ocsp=self._evidence.ocsp(holder) if "ocsp answer" in also else None,
                stamp=self._evidence.stamp if "time stamp" in also else None,
            )
            mails |= dict.fromkeys((names[recipient] for recipient in recipients), mail)
        return Sealed(mails, signer.entity)

    def _recipient(self, name: str, combination: Combination) -> Recipient:
        choice = None if combination.also == "rsa and p256, apart" else combination.choice
        return Recipient.from_certificate(self._cast.holders[name].der, choice=choice)


def _content(also: str) -> Content:
    match also:
        case "html, images, files":
            return FULL
        case "12 MB":
            return large()
    return TEXT
