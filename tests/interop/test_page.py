"""The page of the documentation says what the support table says."""

from tests.interop.page import PAGE, put_in


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == put_in(page), "python -m tests.interop.look_again writes it"
