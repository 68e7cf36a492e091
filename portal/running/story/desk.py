"""The desk's accounts: made by the command that whoever runs a portal uses, in the first run alone."""

import json
import re
import subprocess
import sys

from portal.running.folders import CHECKOUT
from portal.running.story.stage import Logins, Person, StoryError, new_person

SECRET = re.compile(r"\b(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}\b")
PEOPLE = (("Rita Reviewer", "rita@desk.example.org", "reviewer"), ("Ravi Reviewer", "ravi@desk.example.org", "reviewer"))
OPERATOR = ("Olga Operator", "olga@desk.example.org", "operator")


class Desk:
    """The two reviewers and the operator. The command runs beside the first steps of the story."""

    def __init__(self, logins: Logins) -> None:
        self.logins = logins
        self.people = [person for person in logins.people().values() if person.role != "owner"]
        self._making: subprocess.Popen[str] | None = None
        if not self.people:
            self.people = [new_person(*facts) for facts in (*PEOPLE, OPERATOR)]
            self._making = _make(self.people)

    def reviewers(self) -> list[Person]:
        """The reviewers, once their accounts are made. Raises StoryError."""
        if self._making is not None:
            printed, _ = self._making.communicate()
            secrets = SECRET.findall(printed)
            if self._making.returncode or len(secrets) != len(self.people):
                raise StoryError(f"manage.py demo_desk failed:\n{printed}")
            for person, secret in zip(self.people, secrets, strict=True):
                person.secret = secret
            self._making = None
            self.logins.keep(*self.people)
        return [person for person in self.people if person.role == "reviewer"]


def _make(people: list[Person]) -> subprocess.Popen[str]:
    command = [sys.executable, "manage.py", "demo_desk"]
    making = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if making.stdin is not None:
        for person in people:
            # An operator has every right, which is what the command gives without a role.
            role = ["reviewer"] if person.role == "reviewer" else None
            making.stdin.write(json.dumps({"email": person.address, "name": person.name, "role": role, "password": person.password}) + "\n")
        making.stdin.close()
        # communicate() would write to it again.
        making.stdin = None
    return making
