#!/usr/bin/env python3
"""Django's command line, bound to Letterlock's settings; `up` and `demo` start the processes that load Django."""

import os
import sys

from django.core.management import execute_from_command_line

from portal.running import commands, embedded

if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    if wanted in {"up", "demo"}:
        sys.exit(commands.main(sys.argv[1:]))
    embedded.adopt(wanted, os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    execute_from_command_line(sys.argv)
