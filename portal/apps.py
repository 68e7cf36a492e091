from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig
from django.utils.translation import gettext_lazy as _


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = _("Portal")
    default = True


class AdministrationConfig(SimpleAdminConfig):
    """Django's administration on the portal's own site, with this project's tables alone: no secrets of second factors."""

    default_site = "portal.administration.OperatorSite"
    default = False

    def ready(self) -> None:
        super().ready()
        for app in ("directory", "mailer", "onboarding"):
            import_module(f"{app}.admin")
