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


# As a worker forks its pool; the child then collects, which must not make the pages of what both have loaded its own.
FORKED = """
import gc, json, os, sys
from celery import signals
from portal.celery import app
app.loader.import_default_modules()
signals.celeryd_after_setup.send(sender="worker", instance=None, conf=app.conf)
if os.fork() == 0:
    signals.worker_process_init.send(sender=None)
    gc.collect()
    own = next(line for line in open("/proc/self/smaps_rollup") if line.startswith("Private_Dirty:"))
    print(json.dumps([gc.get_freeze_count(), int(own.split()[1]), "mailer.sending" in sys.modules]), flush=True)
    os._exit(0)
os.wait()
"""


def test_the_processes_of_a_worker_share_what_it_has_loaded() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], env=os.environ, capture_output=True, text=True, check=True)
    frozen, own_kilobytes, has_tasks = json.loads(done.stdout)
    assert has_tasks
    assert frozen > 50_000
    assert own_kilobytes < 20_000
