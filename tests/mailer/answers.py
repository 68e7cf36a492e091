"""Signed answers as people make them: by the command that the page shows, and from a mail program."""

import subprocess
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from tests.pki import Holder


def openssl_answer(folder: Path, holder: Holder, text: str, *options: str) -> bytes:
    """What `openssl cms -sign` makes of a text, by default as on the page: PEM with the text inside."""
    for name, content in (("text", text.encode()), ("crt.pem", holder.pem), ("key.pem", holder.key_pem)):
        (folder / name).write_bytes(content)
    form = options or ("-nodetach", "-outform", "PEM")
    command = ["openssl", "cms", "-sign", "-in", "text", "-signer", "crt.pem", "-inkey", "key.pem", *form, "-out", "answer"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "answer").read_bytes()


def mailed_answer(folder: Path, holder: Holder, entity: EmailMessage, *, opaque: bool = False) -> bytes:
    """A signed reply, multipart/signed or opaque."""
    words = entity.as_bytes(policy=SMTP).decode()
    head = b"From: Dora <dora@people.example.net>\r\nTo: proof@in.example.org\r\nSubject: Re: Prove it\r\n"
    return head + openssl_answer(folder, holder, words, *(("-nodetach",) if opaque else ()), "-outform", "SMIME", "-binary", "-crlfeol")


def reply(text: str, *, encoding: str = "7bit", html: str = "") -> EmailMessage:
    """The signed part of a reply."""
    mail = EmailMessage()
    mail.set_content(text, cte=encoding)
    if html:
        mail.add_alternative(html, subtype="html")
    del mail["MIME-Version"]
    return mail
