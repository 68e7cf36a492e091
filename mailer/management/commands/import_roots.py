"""`manage.py import_roots`: NSS's built-in list as roots of the trust store."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mailer.nss_roots import NssLibraryError, import_roots, library_at, read_roots

ACTOR = "operator:import_roots"


class Command(BaseCommand):
    help = "Trust the roots that NSS's built-in list (libnssckbi.so) lets certify e-mail, and no longer those that it has dropped. May be repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--library", default="", help="path of libnssckbi.so; default: LETTERLOCK_NSS_ROOTS, or Debian's usual places")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            library = library_at(options["library"])
            roots = read_roots(library)
        except NssLibraryError as error:
            raise CommandError(str(error)) from error
        done = import_roots(roots, actor=ACTOR, at=timezone.now())
        limited = sum(root.distrust_after is not None for root in roots)
        self.stdout.write(
            f"{library} trusts {len(roots)} roots for e-mail, {limited} of them only for what they issued up to a day.\n"
            f"Added or changed: {done.added}. Removed: {done.removed}. Unchanged: {done.kept}. Left as the operator decided: {done.left}."
        )
