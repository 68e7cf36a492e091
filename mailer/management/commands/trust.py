"""`manage.py trust`: the operator's own roots and intermediates, and the addresses from which CRLs are fetched."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from directory.authorities import add_source, remove_authority, remove_source
from directory.errors import DirectoryError
from directory.models import AuthoritySource, RevocationSource, TrustedAuthority
from directory.x509.errors import X509Error
from mailer.admitting import admit

ACTOR = "operator:trust"


class Command(BaseCommand):
    help = "Choose which authorities' certificates are believed, and where their CRLs are fetched from."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--actor", default=ACTOR, help="who decided it; stands in the event log")
        commands = parser.add_subparsers(dest="command", required=True)
        commands.add_parser("list", help="show the trust store")
        commands.add_parser("add", help="trust the authorities in a file of PEM, DER or PKCS#7").add_argument("file", type=Path)
        commands.add_parser("remove", help="trust an authority no more").add_argument("fingerprint", help="its SHA-256 fingerprint")
        commands.add_parser("add-crl", help="fetch a CRL from an address from now on").add_argument("url")
        commands.add_parser("remove-crl", help="forget an address and its CRL").add_argument("url")

    def handle(self, *_args: Any, **options: Any) -> None:
        command, actor, at = options["command"], options["actor"], timezone.now()
        try:
            if command == "add":
                for row in admit(options["file"].read_bytes(), actor=actor, at=at):
                    self.stdout.write(f"Trusted as {row.kind}: {row.subject} {row.fingerprint}")
            elif command == "remove":
                fingerprint = options["fingerprint"].replace(":", "").replace(" ", "").lower()
                remove_authority(fingerprint=fingerprint, source=AuthoritySource.ADDED, actor=actor, at=at)
                self.stdout.write("It is trusted no more. What it certified is judged anew within a day.")
            elif command == "add-crl":
                add_source(url=options["url"], actor=actor, at=at)
                self.stdout.write("It will be fetched within minutes; `manage.py trust list` shows what came of it.")
            elif command == "remove-crl":
                remove_source(url=options["url"], actor=actor, at=at)
                self.stdout.write("Forgotten.")
            else:
                self._list()
        except (X509Error, DirectoryError, OSError) as error:
            raise CommandError(str(error)) from error

    def _list(self) -> None:
        for row in TrustedAuthority.objects.filter(removed_at=None).order_by("kind", "source", "subject"):
            until = f", only what it issued up to {row.distrust_after:%Y-%m-%d}" if row.distrust_after else ""
            self.stdout.write(f"{row.fingerprint} {row.kind} ({row.source}{until}) {row.subject}")
        for source in RevocationSource.objects.order_by("url"):
            state = source.fault or (f"fetched at {source.fetched_at:%Y-%m-%d %H:%M} UTC" if source.fetched_at else "not fetched yet")
            self.stdout.write(f"CRL {source.url}: {state}")
