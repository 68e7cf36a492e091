"""A mail program that is not installed: its tests are skipped on anybody's machine, and fail where nothing may be skipped."""

import pytest

from tests.interop.engine import Requirement, need

ABSENT = Requirement(("abacus", "quill"), ("/", "/nowhere/quill"))


def test_it_skips_and_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LETTERLOCK_ENGINES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install -y --no-install-recommends abacus quill"):
        need("Abacus", ABSENT)


def test_it_fails_where_programs_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETTERLOCK_ENGINES", "required")
    with pytest.raises(pytest.fail.Exception, match="abacus quill"):
        need("Abacus", ABSENT)
