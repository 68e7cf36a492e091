"""A process that has loaded what it works with has it out of the garbage collector's way."""

import json
import os
import subprocess
import sys

PROBE = "import gc, json, sys; import portal.wsgi; print(json.dumps([gc.get_freeze_count(), 'portal.urls' in sys.modules]))"


def test_the_web_process_freezes_all_its_views() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROBE], env=os.environ, capture_output=True, text=True, check=True)
    frozen, has_views = json.loads(done.stdout)
    assert has_views
    assert frozen > 50_000
