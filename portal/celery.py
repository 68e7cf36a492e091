"""The Celery application. Tasks carry ids and hold no logic; PostgreSQL is the truth."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("letterlock")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
