"""The support table: which program makes what of which combination, as it was when the table was last looked at."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from mailer.smime.choice import ContentCipher
from mailer.smime.sign import SignatureForm
from tests.interop.combinations import Combination
from tests.interop.engine import Engine, RefusedBy
from tests.interop.layers import Enveloped, Signed, cut
from tests.interop.sealed import Sealed

TABLE = Path(__file__).with_name("support.tsv")
_KEY = ("signer", "form", "recipient", "cipher", "also")


class Row(NamedTuple):
    """`outcomes` by engine, one of `ok`, `not opened`, `not verified`, `changed`."""

    combination: Combination
    outcomes: Mapping[str, str]
    why: str


def read(table: Path = TABLE) -> list[Row]:
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, dialect="excel-tab"))
    return [Row(_combination(row), {name: row[name] for name in row if name not in {*_KEY, "why"}}, row["why"]) for row in rows]


def _combination(row: Mapping[str, str]) -> Combination:
    return Combination(row["signer"], SignatureForm(row["form"]), row["recipient"], ContentCipher(row["cipher"]), row["also"])


def write(rows: Iterable[Row], table: Path = TABLE) -> None:
    """For whoever has looked at what changed."""
    rows = list(rows)
    with table.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, dialect="excel-tab", lineterminator="\n")
        writer.writerow((*_KEY, *rows[0].outcomes, "why"))
        writer.writerows((*row.combination, *row.outcomes.values(), row.why) for row in rows)


def outcome(engine: Engine, sealed: Sealed) -> str:
    """What becomes of a mail in a program: `ok` only if everybody it is for gets the signed octets back unchanged and called verified."""
    for holder, mail in sealed.mails.items():
        outer = cut(mail)
        assert isinstance(outer, Enveloped)
        try:
            inner = cut(engine.opens(outer.cms, holder))
        except RefusedBy:
            return "not opened"
        if not isinstance(inner, Signed):
            return "changed"
        try:
            content = engine.verifies(*inner)
        except RefusedBy:
            return "not verified"
        if content != sealed.entity:
            return "changed"
    return "ok"
