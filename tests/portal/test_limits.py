"""A form of many gigabytes is refused before it is read, whoever sends it."""

import pytest
from django.test import Client

from portal.limits import LARGEST_FORM

pytestmark = pytest.mark.django_db
ADDRESSES = ["/accounts/login/", "/accounts/register/", "/accounts/logout/", "/apply/", "/admin/login/"]


def send(address: str, length: str, *, chunked: bool = False) -> tuple[int, str]:
    extra = {"HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {}
    answer = Client().generic("POST", address, b"", "multipart/form-data; boundary=x", CONTENT_LENGTH=length, **extra)  # type: ignore[arg-type]
    return answer.status_code, answer.text


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("length", [str(LARGEST_FORM + 1), str(50 * 1024**3)])
def test_it_refuses_what_is_larger_than_a_form(address: str, length: str) -> None:
    status, text = send(address, length)
    assert status == 413
    assert "This is too large" in text


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("length", ["many", "-1", "\u0661"])
def test_it_refuses_a_length_that_is_no_number(address: str, length: str) -> None:
    assert send(address, length)[0] == 400


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_refuses_a_form_of_unknown_length(address: str) -> None:
    assert send(address, "", chunked=True)[0] == 411


def test_it_reads_a_form() -> None:
    assert Client().post("/accounts/login/", {"email": "a" * 1000, "password": "b"}).status_code == 422
