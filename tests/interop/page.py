"""The support table in few lines, as docs/interoperability.md shows it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.interop.combinations import CONTENTS, LEAF_ONLY, RECIPIENTS, SEVERAL, SIGNED_WITH, SIGNERS
from tests.interop.support import Row, read

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interoperability.md"
BEGIN, END = "<!-- from tests/interop/support.tsv -->\n", "<!-- end -->\n"
_ENGINES = {"openssl": "OpenSSL", "nss": "NSS", "gpgsm": "gpgsm", "bouncycastle": "BouncyCastle"}
_WORDS = {
    "rsa": "RSA PKCS#1 v1.5",
    "rsa-pss": "RSA-PSS",
    "rsa-oaep": "RSA-OAEP",
    "p256": "P-256",
    "p384": "P-384",
    "": "a text",
    LEAF_ONLY: "leaf certificate only",
}
# Merged in this order: rows that differ in one of these alone become one row.
_AXES = (1, 0, 3, 4, 2)
_HEADS = ("signature", "form", "recipient", "cipher", "mail")
_ORDERS: tuple[Sequence[str], ...] = (
    SIGNERS,
    ("detached", "opaque"),
    RECIPIENTS,
    ("aes-128-cbc", "aes-256-cbc", "aes-128-gcm", "aes-256-gcm"),
    ("", *SEVERAL, *CONTENTS, *SIGNED_WITH),
)

_Line = tuple[frozenset[str], ...]


def render(rows: Iterable[Row]) -> str:
    """A Markdown table: each line stands for all combinations of what its cells name."""
    lines: dict[_Line, tuple[str, ...]] = {
        tuple(frozenset({str(value)}) for value in row.combination): (*row.outcomes.values(), row.why) for row in rows
    }
    engines = list(_ENGINES)
    for axis in _AXES:
        lines = _merge(lines, axis)
    ordered = sorted(lines, key=lambda line: [min(map(order.index, values)) for values, order in zip(line, _ORDERS, strict=True)][2:])
    head = [*_HEADS, *(_ENGINES[name] for name in engines), "why"]
    table = [head, ["---"] * len(head), *([*map(_cell, line, _ORDERS), *lines[line]] for line in ordered)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in table)


def _merge(lines: dict[_Line, tuple[str, ...]], axis: int) -> dict[_Line, tuple[str, ...]]:
    merged: dict[tuple[_Line, _Line, tuple[str, ...]], frozenset[str]] = {}
    for line, said in lines.items():
        rest = (line[:axis], line[axis + 1 :], said)
        merged[rest] = merged.get(rest, frozenset()) | line[axis]
    return {(*before, values, *after): said for (before, after, said), values in merged.items()}


def _cell(values: frozenset[str], order: Sequence[str]) -> str:
    if len(values) == len(order):
        return "any"
    return "; ".join(_WORDS.get(value, value.upper() if value.startswith("aes") else value) for value in order if value in values)


def put_in(page: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + render(read()) + "\n" + END + after
