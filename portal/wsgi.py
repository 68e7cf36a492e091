"""WSGI entry point of the web process: plain look-ups beside Django, all else by Django; what neither could read is refused."""

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from portal.frozen import freeze_loaded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

_django = get_wsgi_application()
# All views now, which the first request would wait for; and what stands in front of them, which needs Django to be ready.
import_module(settings.ROOT_URLCONF)
_look_ups = import_module("directory.api.fast.application").in_front_of(_django)
application = import_module("portal.content_types").in_front_of(_look_ups, _django)
for _kept in ("directory.counts", "directory.replica"):
    import_module(_kept).begin()
freeze_loaded()
