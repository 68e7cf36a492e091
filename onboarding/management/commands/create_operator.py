"""`manage.py create_operator`: the accounts of the desk, the first of them before there is anybody to make it."""

import getpass
import os
from argparse import ArgumentParser

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.crypto import get_random_string

from directory.x509.errors import MalformedAddressError
from directory.x509.names import EmailAddress
from onboarding.people.models import StaffRoleName, User
from onboarding.people.staff import AccountExistsError, create_staff

PASSWORD_VARIABLE = "LETTERLOCK_OPERATOR_PASSWORD"  # noqa: S105 - the name of a variable
GENERATED = 20


class Command(BaseCommand):
    help = "Make an account with a second factor: an operator with every right, or with --role only what it names. Prints the secret once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", required=True)
        parser.add_argument("--role", action="append", choices=StaffRoleName.values, help="instead of operator and superuser; may be repeated")
        parser.add_argument("--language", default="en", choices=["en", "zh-hans"])
        parser.add_argument("--generate-password", action="store_true", help="print a generated password instead of asking for one")

    def handle(self, *, email: str, name: str, role: list[str] | None, language: str, generate_password: bool, **_options: object) -> None:
        try:
            address = EmailAddress.parse(email)
        except MalformedAddressError as error:
            raise CommandError(str(error)) from error
        password = get_random_string(GENERATED) if generate_password else self._password(address, name)
        roles = [StaffRoleName(word) for word in role or [StaffRoleName.OPERATOR]]
        try:
            user, secret = create_staff(
                address=address,
                name=name,
                password=password,
                roles=roles,
                superuser=role is None,
                language=language,
                actor="system:command",
                at=timezone.now(),
            )
        except AccountExistsError:
            raise CommandError(f"{address} has an account already.") from None
        self.stdout.write(f"account: {user.email}")
        if generate_password:
            self.stdout.write(f"password: {password}")
        self.stdout.write(f"authenticator secret, shown this once: {secret}")

    def _password(self, address: EmailAddress, name: str) -> str:
        password = os.environ.get(PASSWORD_VARIABLE) or getpass.getpass("Password: ")
        try:
            validate_password(password, User(email=address.match, name=name))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        return password
