"""The face: settings, addresses, pages and dashboards. No tables of its own."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
