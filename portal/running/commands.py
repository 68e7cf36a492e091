"""`manage.py up` and `manage.py demo`: start the portal and stay, or play the main job. They run outside Django, which their children load."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from portal.running import supervisor
from portal.running.folders import CHECKOUT, FolderError, state_folder
from portal.running.leash import die_with_parent, leashed
from portal.running.servers import ServiceError

STATUS_INTERRUPTED = 130


class StopAsked(BaseException):
    """A signal asked the command to end; not an Exception, so that nothing on the way takes it for a failure."""


def parser() -> argparse.ArgumentParser:
    both = argparse.ArgumentParser(prog="manage.py", description="Start the portal with its own servers.")
    commands = both.add_subparsers(dest="command", required=True)
    for name, text in (("up", "start the portal and stay"), ("demo", "start the portal, play the main job, and stay")):
        one = commands.add_parser(name, help=text)
        one.add_argument("--port", type=int, default=supervisor.PORT, help="the port to use if it is free (default: %(default)s)")
        one.add_argument("--die-with-parent", action="store_true", help="stop when the calling process ends")
    one.add_argument("--once", action="store_true", default=bool(os.environ.get("LETTERLOCK_DEMO_ONCE")), help="end after the story")
    one.add_argument("--out", type=Path, default=os.environ.get("LETTERLOCK_DEMO_OUT") or None, help="the folder for what was received")
    one.add_argument("--say", default=os.environ.get("LETTERLOCK_DEMO_SAY") or None, help="the text of the notification")
    return both


def say(who: str, text: str) -> None:
    sys.stdout.write(f"{who:8}| {text}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run one of the two commands; the exit status."""
    options = parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ask_to_stop)
    if options.die_with_parent:
        die_with_parent(signal.SIGTERM, os.getppid())
    try:
        with supervisor.running(state_folder(), port=options.port, say=say) as portal:
            status = _tell(portal, options) if options.command == "demo" else 0
            if options.command == "up" or not (options.once or status):
                say("up", f"running at {portal.url}/ - stop with Ctrl-C")
                _stay(portal)
    except (supervisor.PortalError, ServiceError, FolderError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except StopAsked as asked:
        say("up", f"stopped by {asked}")
        return 0 if options.command == "up" or not options.once else STATUS_INTERRUPTED
    return status


def _ask_to_stop(asked: int, _frame: FrameType | None) -> None:
    # Asking twice must not break the stopping itself.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise StopAsked(signal.Signals(asked).name)


def _stay(portal: supervisor.Portal) -> None:
    while True:
        portal.check()
        time.sleep(0.3)


def _tell(portal: supervisor.Portal, options: argparse.Namespace) -> int:
    """Play the story in a process of its own and watch the portal meanwhile; the story's exit status."""
    out = (options.out or portal.state / "story").resolve()
    words = ["--url", portal.url, "--state", str(portal.state), "--out", str(out)]
    words += ["--say", options.say] if options.say else []
    command = leashed([sys.executable, "-m", "portal.running.story", *words], ending=signal.SIGKILL)
    story = subprocess.Popen(command, cwd=CHECKOUT, env=portal.environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while story.poll() is None:
            portal.check()
            time.sleep(0.05)
    finally:
        story.kill()
        story.wait()
    if story.returncode:
        say("up", f"the story failed; what each process said is in {portal.state / 'log'}")
    return story.returncode
