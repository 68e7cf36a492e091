"""The desk's accounts: made by the command that whoever runs a portal uses, in the first run alone."""

import os
import re
import subprocess
import sys

from portal.running.folders import CHECKOUT
from portal.running.story.stage import Logins, Person, StoryError, new_person

SECRET = re.compile(r"\b(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}\b")
PEOPLE = (("Rita Reviewer", "rita@desk.example.org", "reviewer"), ("Ravi Reviewer", "ravi@desk.example.org", "reviewer"))
OPERATOR = ("Olga Operator", "olga@desk.example.org", "operator")


class Desk:
    """The two reviewers and the operator. The commands run beside the first steps of the story."""

    def __init__(self, logins: Logins) -> None:
        self.logins = logins
        known = logins.people().values()
        self.people = [person for person in known if person.role != "owner"]
        self._making: list[tuple[Person, subprocess.Popen[str]]] = []
        if not self.people:
            self.people = [new_person(*facts) for facts in (*PEOPLE, OPERATOR)]
            self._making = [(person, _make(person)) for person in self.people]

    def reviewers(self) -> list[Person]:
        """The reviewers, once their accounts are made. Raises StoryError."""
        for person, command in self._making:
            printed, _ = command.communicate()
            found = SECRET.search(printed)
            if command.returncode or not found:
                raise StoryError(f"manage.py create_operator failed for {person.address}:\n{printed}")
            person.secret = found.group()
        self._making.clear()
        self.logins.keep(*self.people)
        return [person for person in self.people if person.role == "reviewer"]


def _make(person: Person) -> subprocess.Popen[str]:
    # An operator has every right, which is what the command gives without a role.
    role = ["--role", person.role] if person.role == "reviewer" else []
    command = [sys.executable, "manage.py", "create_operator", person.address, "--name", person.name, *role]
    # Not among the arguments, which every user of the machine can read.
    given = os.environ | {"LETTERLOCK_OPERATOR_PASSWORD": person.password}
    return subprocess.Popen(command, cwd=CHECKOUT, env=given, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
