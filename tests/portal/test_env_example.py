"""`.env.example` names every setting, and no other."""

import re
from pathlib import Path

from portal.running.folders import CHECKOUT

READ = re.compile(r"_env\.\w+\(\s*\"([A-Z_]+)\"")
NAMED = re.compile(r"^#?([A-Z][A-Z_]+?)(?:_FILE)?=", re.MULTILINE)


def text(name: str) -> str:
    return (CHECKOUT / Path(name)).read_text(encoding="utf-8")


def test_every_setting_is_in_the_example_and_the_other_way_round() -> None:
    assert set(READ.findall(text("portal/settings.py"))) == set(NAMED.findall(text(".env.example")))
