"""A form of many gigabytes is refused before it is read, whoever sends it."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("address", ["/accounts/login/", "/accounts/register/", "/accounts/logout/", "/apply/", "/admin/login/"])
@pytest.mark.parametrize("length", [str(1024 * 1024 + 1), str(50 * 1024**3), "many", "-1"])
def test_it_refuses_what_is_larger_than_a_form(address: str, length: str) -> None:
    answer = Client().generic("POST", address, b"", "multipart/form-data; boundary=x", CONTENT_LENGTH=length)
    assert answer.status_code == 400


def test_it_reads_a_form() -> None:
    assert Client().post("/accounts/login/", {"email": "a" * 1000, "password": "b"}).status_code == 422
