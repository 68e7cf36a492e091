"""Try everything anew and write the support table and the page from it: `python -m tests.interop.look_again`."""

import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from tests.interop.cast import Cast
from tests.interop.combinations import LEAF_ONLY, Combination, combinations
from tests.interop.conftest import ENGINES
from tests.interop.engine import Engine
from tests.interop.page import PAGE, put_in
from tests.interop.sealed import Sealer
from tests.interop.support import Row, outcome, read, write


def start(name: str, folder: Path, cast: Cast) -> Engine:
    return ENGINES[name][1](Path(tempfile.mkdtemp(dir=folder)), cast.holders, cast.authority.roots_pem, cast.authority.issuer.pem)


def column(name: str, folder: Path, cast: Cast, sealer: Sealer) -> dict[Combination, str]:
    # The one for leaves alone must never have seen the intermediates.
    with closing(start(name, folder, cast)) as engine, closing(start(name, folder, cast)) as novice:
        sys.stdout.write(f"{name} {engine.version}\n")
        return {each: outcome(novice if each.also == LEAF_ONLY else engine, sealer(each)) for each in combinations()}


def main() -> None:
    known = {row.combination: row.why for row in read()}
    with tempfile.TemporaryDirectory(prefix="ll-interop-") as name:
        folder = Path(name)
        cast = Cast(datetime.now(UTC).replace(microsecond=0))
        sealer = Sealer(cast, Path(tempfile.mkdtemp(dir=folder)))
        columns = {engine: column(engine, folder, cast, sealer) for engine in ENGINES}
    rows = []
    for combination in combinations():
        found = {engine: columns[engine][combination] for engine in ENGINES}
        rows.append(Row(combination, found, "" if set(found.values()) == {"ok"} else known.get(combination, "")))
    write(rows)
    PAGE.write_text(put_in(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
