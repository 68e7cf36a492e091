import logging
from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.utils.translation import gettext_lazy as _

# Tasks that are sent find their queue through the application, so it is made before any app's tasks are.
from portal.celery import app as celery_app
from portal.log_words import WithoutSecrets


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = _("Portal")
    default = True
    queue = celery_app

    def ready(self) -> None:
        # Gunicorn has made its logger by now, with handlers that LOGGING would take away.
        logging.getLogger("gunicorn.error").addFilter(WithoutSecrets())


class AdministrationConfig(SimpleAdminConfig):
    """Django's administration on the portal's own site, with this project's tables alone: no secrets of second factors."""

    default_site = "portal.administration.OperatorSite"
    default = False

    def ready(self) -> None:
        super().ready()
        for app in ("directory", "mailer", "onboarding"):
            import_module(f"{app}.admin")
