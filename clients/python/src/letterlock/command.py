"""`letterlock lookup | seal | verify`. Exit codes: 0 done, 1 the answer is no, 2 wrong use or files, 3 a server cannot be used."""

import argparse
import json
import mimetypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from ._core.mailer.smime.entity import Attachment, Content
from .answers import Lookup
from .checking import trust_in
from .client import Client
from .errors import (
    ConfigurationError,
    ContentRefusedError,
    LetterlockError,
    NoCertificateError,
    ProblemError,
    TransportError,
    UnfitCertificateError,
    UnusableAnswerError,
)
from .handing import HandingError, hand_over
from .keys import OwnKey, load_certificates, load_crls, load_key
from .sealing import Options, seal
from .verifying import verify

DONE, NO, WRONG, SERVER = 0, 1, 2, 3
_SERVER_FAULTS = (TransportError, UnusableAnswerError, ProblemError, HandingError)
_NO = (NoCertificateError, UnfitCertificateError)
MOST_MAIL = 32 * 1024 * 1024


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. A usage error ends the process with 2."""
    asked = _parser().parse_args(arguments)
    try:
        return int(asked.run(asked))
    except LetterlockError as error:
        sys.stderr.write(f"letterlock: {error}\n")
        if isinstance(error, _NO):
            return NO
        return SERVER if isinstance(error, _SERVER_FAULTS) else WRONG
    except OSError as error:
        sys.stderr.write(f"letterlock: {error.filename or 'a file'}: {error.strerror}\n")
        return WRONG


def look_up(asked: argparse.Namespace) -> int:
    """0 if every address has a certificate."""
    with _client(asked) as client:
        if len(asked.address) == 1:
            found = [client.look_up(asked.address[0], usage=asked.usage, receipt=asked.receipt)]
        else:
            found = client.look_up_many(asked.address, usage=asked.usage)
    if asked.json:
        sys.stdout.write(json.dumps([lookup.json for lookup in found], ensure_ascii=True, indent=2) + "\n")
    else:
        for lookup in found:
            sys.stdout.write(_pem(lookup) if asked.pem else _words(lookup))
    return DONE if all(lookup.status == "found" for lookup in found) else NO


def seal_mail(asked: argparse.Namespace) -> int:
    """0 once every mail is written or handed over; nothing is if one recipient has no certificate."""
    if asked.smtp == "":
        raise ConfigurationError("no SMTP server: give --smtp its URL or set LETTERLOCK_SMTP_URL")
    if not asked.smtp and len(asked.to) > 1:
        raise ConfigurationError("each recipient has a mail of their own, and one can be written: give one --to, or hand over by --smtp")
    key = _key(asked)
    html = _read_text(asked.html) if asked.html else None
    content = Content(asked.subject, _read_text(asked.text), html, [_attachment(path) for path in asked.attach])
    options = Options(sender_name=asked.from_name, neutral_subject=asked.neutral_subject)
    with _client(asked) as client:
        mails = seal(content, sender=asked.sender, recipients=asked.to, key=key, client=client, options=options)
    if asked.smtp:
        hand_over(mails, asked.smtp, ca=asked.smtp_ca)
        for mail in mails:
            sys.stderr.write(f"handed over: {mail.message_id} for {mail.recipient}, encrypted to {mail.certificate}\n")
    elif asked.output and asked.output != "-":
        Path(asked.output).write_bytes(mails[0].message)
    else:
        sys.stdout.buffer.write(mails[0].message)
        sys.stdout.flush()
    return DONE


def verify_mail(asked: argparse.Namespace) -> int:
    """0 if verified."""
    roots = [root for file in asked.ca for root in load_certificates(file)]
    crls = [crl for file in asked.crl for crl in load_crls(file)]
    intermediates = [found for file in asked.intermediates for found in load_certificates(file)]
    trust = trust_in(roots, intermediates, crls, revocation=asked.require_revocation)
    keys = [_key(asked)] if asked.key else []
    verdict = verify(_read(asked.file), trust=trust, keys=keys)
    told: dict[str, object] = {
        "outcome": verdict.outcome.value,
        "verified": verdict.verified,
        "encrypted": verdict.encrypted,
        "addresses": list(verdict.addresses),
        "signed_at": verdict.signed_at.isoformat() if verdict.signed_at else None,
    }
    if asked.content and verdict.verified:
        sys.stdout.buffer.write(verdict.content)
        sys.stdout.flush()
    elif asked.json:
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    elif verdict.verified:
        sys.stdout.write(f"verified: signed by {_shown(', '.join(verdict.addresses))}{' and encrypted' if verdict.encrypted else ''}\n")
    if not verdict.verified:
        sys.stderr.write(f"letterlock: not verified: {verdict.outcome.value}\n")
    return DONE if verdict.verified else NO


def _words(lookup: Lookup) -> str:
    if lookup.selected is None:
        return f"{_shown(lookup.email)}: {lookup.status}\n"
    lines = [f"{lookup.email}: found"]
    for certificate in lookup.certificates:
        key = " ".join(str(value) for value in certificate.key.values())
        mark = "*" if certificate.selected else " "
        lines.append(f"  {mark} {certificate.fingerprint}  {certificate.level}  {key}  until {certificate.not_after:%Y-%m-%d}  {certificate.issuer}")
    lines += [f"    {line.fingerprint}  {'accepted' if line.accepted else 'refused'}: {line.reason}" for line in lookup.receipt]
    return "\n".join(lines) + "\n"


def _pem(lookup: Lookup) -> str:
    if lookup.selected is None:
        sys.stderr.write(f"{_shown(lookup.email)}: {lookup.status}\n")
        return ""
    return lookup.selected.pem


def _shown(text: str) -> str:
    """A stranger's text must not play with the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _client(asked: argparse.Namespace) -> Client:
    if not asked.url:
        raise ConfigurationError("no server: give --url or set LETTERLOCK_URL")
    # A token in the arguments could be read by everybody on the machine.
    return Client(asked.url, token=os.environ.get("LETTERLOCK_TOKEN") or None, ca=asked.tls_ca, patience=asked.patience)


def _key(asked: argparse.Namespace) -> OwnKey:
    passphrase: str | bytes | None = os.environ.get("LETTERLOCK_PASSPHRASE")
    if asked.passphrase_file:
        passphrase = Path(asked.passphrase_file).read_bytes().rstrip(b"\r\n")
    return load_key(asked.key, asked.cert, asked.chain, passphrase=passphrase)


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MOST_MAIL + 1)
    with Path(name).open("rb") as stream:
        return stream.read(MOST_MAIL + 1)


def _read_text(name: str) -> str:
    try:
        return _read(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContentRefusedError(f"{name} is not UTF-8", field="text") from error


def _attachment(name: str) -> Attachment:
    return Attachment(Path(name).name, mimetypes.guess_type(name)[0] or "application/octet-stream", _read(name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="letterlock", description="Look S/MIME certificates up, seal mail here, verify it.")
    parser.add_argument("--version", action="version", version=f"letterlock {__version__}")
    commands = parser.add_subparsers(required=True, metavar="lookup|seal|verify")

    server = argparse.ArgumentParser(add_help=False)
    server.add_argument("--url", default=os.environ.get("LETTERLOCK_URL", ""), help="the Letterlock server; else LETTERLOCK_URL")
    server.add_argument("--tls-ca", metavar="FILE", help="authorities for TLS in place of the system's")
    server.add_argument("--patience", type=float, default=0.0, metavar="SECONDS", help="how long to wait in all when over quota")
    server.epilog = "An API token is taken from LETTERLOCK_TOKEN."

    key = argparse.ArgumentParser(add_help=False)
    key.add_argument("--cert", metavar="FILE", help="its certificate; without it --key is a PKCS#12 file")
    key.add_argument("--chain", metavar="FILE", help="the intermediates, PEM")
    key.add_argument("--passphrase-file", metavar="FILE", help="else LETTERLOCK_PASSPHRASE")

    lookup = commands.add_parser("lookup", parents=[server], help="the certificates of addresses", epilog=server.epilog)
    lookup.add_argument("address", nargs="+", metavar="ADDRESS")
    lookup.add_argument("--usage", choices=("encrypt", "sign"), default="encrypt")
    lookup.add_argument("--receipt", action="store_true", help="why each candidate was taken or not (one address)")
    form = lookup.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true")
    form.add_argument("--pem", action="store_true", help="the selected certificates")
    lookup.set_defaults(run=look_up)

    sealing = commands.add_parser("seal", parents=[server, key], help="sign and encrypt a mail here", epilog=server.epilog)
    sealing.add_argument("--from", dest="sender", required=True, metavar="ADDRESS")
    sealing.add_argument("--from-name", default="", metavar="NAME")
    sealing.add_argument("--to", action="append", required=True, metavar="ADDRESS", help="again for each recipient")
    sealing.add_argument("--subject", default="", metavar="TEXT")
    sealing.add_argument("--neutral-subject", metavar="TEXT", help="stands outside in its place")
    sealing.add_argument("--text", default="-", metavar="FILE", help="the text in UTF-8; standard input by default")
    sealing.add_argument("--html", metavar="FILE")
    sealing.add_argument("--attach", action="append", default=[], metavar="FILE")
    sealing.add_argument("--key", required=True, metavar="FILE", help="the signing key, PKCS#8 in PEM or DER")
    goal = sealing.add_mutually_exclusive_group()
    goal.add_argument(
        "--smtp", nargs="?", metavar="URL", const=os.environ.get("LETTERLOCK_SMTP_URL", ""), help="hand over to smtp://... or smtps://..."
    )
    goal.add_argument("-o", dest="output", metavar="FILE", help="write the mail there; to standard output by default")
    sealing.add_argument("--smtp-ca", metavar="FILE", help="authorities for the SMTP server's TLS")
    sealing.set_defaults(run=seal_mail)

    verifying = commands.add_parser("verify", parents=[key], help="who signed a mail")
    verifying.add_argument("file", metavar="FILE", help="the mail; - for standard input")
    verifying.add_argument("--ca", action="append", required=True, metavar="FILE", help="trusted roots, PEM or DER")
    verifying.add_argument("--intermediates", action="append", default=[], metavar="FILE")
    verifying.add_argument("--crl", action="append", default=[], metavar="FILE")
    verifying.add_argument("--require-revocation", action="store_true", help="no answer about a certificate is no good one")
    verifying.add_argument("--key", metavar="FILE", help="opens what is encrypted")
    verifying.add_argument("--json", action="store_true")
    verifying.add_argument("--content", action="store_true", help="write what was signed, if it is verified")
    verifying.set_defaults(run=verify_mail)
    return parser
