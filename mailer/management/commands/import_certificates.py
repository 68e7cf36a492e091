"""`manage.py import_certificates FILE... --source-name NAME --actor WHO`: publish certificates from PEM, LDIF, CSV or DER files."""

import csv
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mailer.custody import CustodyError
from mailer.import_errors import ImportStopped, UnknownFormatError
from mailer.import_files import HEAD, Lines, format_of, read_entries
from mailer.import_words import explain_entry
from mailer.importing import Progress, Refusal, import_entries

_BAR = 30
_HEADER = ("file", "line", "code", "reason")


class Command(BaseCommand):
    help = (
        "Publish certificates from PEM, LDIF, CSV (email,certificate) or DER files, each for the addresses that it names. Needs LETTERLOCK_DATA_KEK. "
        "Can be run again: what is there already stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
        parser.add_argument("--source-name", required=True, help="where they are from; stands in the event log")
        parser.add_argument("--actor", required=True, help='who decided it, such as "user:<id>" or a ticket; stands in the event log')
        parser.add_argument("--dry-run", action="store_true", help="do everything and keep nothing")
        parser.add_argument("--report", type=Path, metavar="FILE", help="write what was refused as CSV: file, line, code, reason")

    def handle(self, *_args: Any, **options: Any) -> None:
        with ExitStack() as stack:
            report = None
            if options["report"] is not None:
                report = csv.writer(stack.enter_context(options["report"].open("w", newline="", encoding="utf-8")))
                report.writerow(_HEADER)
            for file in options["files"]:
                try:
                    progress = self._import(file, report, options)
                except (OSError, UnknownFormatError, CustodyError, ImportStopped) as error:
                    raise CommandError(f"{file}: {error}") from error
                words = "would be published" if options["dry_run"] else "published"
                self.stdout.write(f"{file}: {progress.published} {words}, {progress.known} there already, {progress.refused} refused.")

    def _import(self, file: Path, report: Any, options: dict[str, Any]) -> Progress:
        def refuse(refusal: Refusal) -> None:
            if report is not None:
                report.writerow((file, refusal.line, refusal.error.code, explain_entry(refusal.error)))

        with file.open("rb") as stream:
            kind = format_of(file.name, stream.peek(HEAD)[:HEAD])
            lines, size = Lines(stream), max(file.stat().st_size, 1)

            def show(progress: Progress) -> None:
                if sys.stderr.isatty():
                    part = min(lines.octets / size, 1)
                    bar = "#" * int(part * _BAR)
                    done = progress.published + progress.known + progress.refused
                    sys.stderr.write(f"\r{file.name} [{bar:.<{_BAR}}] {part:4.0%} {done:,} entries, {progress.refused:,} refused ")
                    sys.stderr.flush()

            progress = import_entries(
                read_entries(stream, lines, kind=kind),
                source_name=options["source_name"],
                actor=options["actor"],
                clock=timezone.now,
                dry_run=options["dry_run"],
                refuse=refuse,
                chunk_done=show,
            )
        if sys.stderr.isatty():
            sys.stderr.write("\n")
        return progress
