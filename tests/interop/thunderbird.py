"""The real Thunderbird, without a screen, with one person's keys; driven over Marionette."""

import base64
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tests.interop.engine import Holders, Requirement
from tests.interop.marionette import Marionette
from tests.interop.nss import make_profile
from tests.pki import Holder

PROGRAM = Path("/usr/lib/thunderbird/thunderbird-bin")
REQUIREMENT = Requirement(("thunderbird",), (str(PROGRAM),))
_OPEN = Path(__file__).with_name("thunderbird_open.js").read_text(encoding="utf-8")
_WRITE = Path(__file__).with_name("thunderbird_write.js").read_text(encoding="utf-8")
_READY = """
const [answer] = arguments;
const window = Services.wm.getMostRecentWindow("mail:3pane");
answer(window?.document.readyState === "complete" && !!window.document.getElementById("tabmail"));
"""
# No questions at the first start, nothing looked for outside: nobody listens where the proxy should be.
_SETTINGS: dict[str, str] = {
    "app.update.enabled": "false",
    "app.donation.eoy.version.viewed": "999",
    "browser.cache.disk.enable": "false",
    "datareporting.healthreport.uploadEnabled": "false",
    "datareporting.policy.dataSubmissionPolicyBypassNotification": "true",
    "extensions.autoDisableScopes": "15",
    "mail.accounthub.enabled": "false",
    "mail.inappnotifications.enabled": "false",
    "mail.provider.suppress_dialog_on_startup": "true",
    "mail.rights.version": "1",
    "mail.shell.checkDefaultClient": "false",
    "mail.spotlight.firstRunDone": "true",
    "mailnews.database.global.indexer.enabled": "false",
    "mailnews.start_page.enabled": "false",
    "mailnews.start_page_override.mstone": '"ignore"',
    "network.connectivity-service.enabled": "false",
    "network.captive-portal-service.enabled": "false",
    "network.proxy.type": "1",
    "network.proxy.http": '"127.0.0.1"',
    "network.proxy.http_port": "9",
    "network.proxy.ssl": '"127.0.0.1"',
    "network.proxy.ssl_port": "9",
    "security.OCSP.enabled": "0",
    "toolkit.telemetry.enabled": "false",
}


class Shown(NamedTuple):
    """What a person sees: icons by their file's name, the body's text, the width of each image, the attachments' names.

    `signature` and `encryption` are nsICMSMessageErrors, 0 for good and -1 for none.
    """

    signature: int
    encryption: int
    signed_icon: str
    encrypted_icon: str
    subject: str
    text: str
    images: list[int]
    attachments: list[str]


class Thunderbird:
    def __init__(self, folder: Path, person: str, holders: Holders, root: bytes, issuer: bytes) -> None:
        self._folder = folder
        profile = folder / "profile"
        profile.mkdir()
        make_profile(profile, person, holders, root, issuer)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = _SETTINGS | {"marionette.port": str(port)}
        (profile / "user.js").write_text("".join(f'user_pref("{name}", {value});\n' for name, value in settings.items()), encoding="ascii")
        command = [str(PROGRAM), "--headless", "--marionette", "--remote-allow-system-access", "--profile", str(profile), "--no-remote"]
        environment = {**os.environ, "HOME": str(folder), "MOZ_HEADLESS": "1"}
        self._output = (folder / "output").open("wb")
        self._program = subprocess.Popen(command, cwd=folder, env=environment, stdout=self._output, stderr=subprocess.STDOUT)
        try:
            self._marionette = Marionette(port)
            end = time.monotonic() + 60
            while not self._marionette.run(_READY):
                assert time.monotonic() < end, "no window"
                time.sleep(0.1)
        except BaseException:
            self._end()
            raise

    def shows(self, mail: bytes, *, patience: float = 30) -> Shown:
        """`patience` is for how many seconds the two icons are waited for."""
        (self._folder / "mail.eml").write_bytes(mail)
        found = self._marionette.run(_OPEN, str(self._folder / "mail.eml"), patience)
        assert "error" not in found, found["error"]
        assert found["loaded"], found
        return Shown(
            found["signature"],
            found["encryption"],
            found["signedIcon"],
            found["encryptedIcon"],
            found["subject"],
            found["text"],
            found["images"],
            found["attachments"],
        )

    def writes(self, sender: str, own: Holder, recipient: str, theirs: Holder, *, subject: str, text: str) -> bytes:
        """A mail signed by `own` and encrypted to `theirs`, as it would be sent."""
        certificates = [base64.b64encode(holder.der).decode() for holder in (own, theirs)]
        found = self._marionette.run(_WRITE, sender, certificates[0], recipient, certificates[1], subject, text)
        assert "error" not in found, found["error"]
        # The last in a file of mails, under lines of the program's own.
        last = Path(found["path"]).read_bytes().rpartition(b"From - ")[2]
        return last.partition(b"X-Mozilla-Status2: 00000000")[2].lstrip().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def close(self) -> None:
        self._marionette.close()
        self._end()

    def _end(self) -> None:
        self._program.terminate()
        try:
            self._program.wait(20)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
        self._output.close()
