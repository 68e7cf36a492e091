"""WSGI entry point of the web process."""

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from portal.frozen import freeze_loaded

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = get_wsgi_application()
# All views now, which the first request would wait for.
import_module(settings.ROOT_URLCONF)
freeze_loaded()
