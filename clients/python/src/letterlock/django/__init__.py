"""Two e-mail back ends for Django.

`letterlock.django.SealingEmailBackend` signs and encrypts in this process and hands over by Django's own SMTP settings: the content never
reaches the portal. `letterlock.django.ApiEmailBackend` posts to the portal, which signs and encrypts. Neither ever sends in clear text.

Both read `settings.LETTERLOCK`, see `configuration`.
"""

from .api import ApiEmailBackend
from .configuration import Configuration
from .mails import UnsupportedMailError
from .sealing import SealingEmailBackend

__all__ = ["ApiEmailBackend", "Configuration", "SealingEmailBackend", "UnsupportedMailError"]
