"""Settings, all out of the environment. See `.env.example` for every name."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from mailer.dkim import DkimError
from mailer.domain_keys import read_folder
from mailer.intake.binding import parse_binding
from portal.env import Environment

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
_env = Environment()

DEBUG = _env.boolean("DEBUG", default=False)
SECRET_KEY = _env.text("SECRET_KEY")
DATABASES: dict[str, dict[str, Any]] = {"default": {**_env.database("DATABASE_URL"), "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}
# A copy of the database that look-ups read; all else, sealing too, reads the primary.
if _env.text("DATABASE_REPLICA_URL", ""):
    DATABASES["replica"] = {
        **_env.database("DATABASE_REPLICA_URL"),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "TEST": {"MIRROR": "default"},
    }
REDIS_URL = _env.text("REDIS_URL")

LETTERLOCK_URL = _env.address("LETTERLOCK_URL", "http://127.0.0.1:8000", schemes=frozenset({"http", "https"}))
LETTERLOCK_PKI_URL = _env.address("LETTERLOCK_PKI_URL", "http://pki.example.org", schemes=frozenset({"http"}))
LETTERLOCK_POLICY_ARC = _env.text("LETTERLOCK_POLICY_ARC")
LETTERLOCK_ASSERT_BR = _env.boolean("LETTERLOCK_ASSERT_BR", default=False)
LETTERLOCK_DEMO = _env.boolean("LETTERLOCK_DEMO", default=False)
LETTERLOCK_STATE = Path(_env.text("LETTERLOCK_STATE", str(BASE_DIR / "var")))
LETTERLOCK_SIGNER_SOCKET = Path(_env.text("LETTERLOCK_SIGNER_SOCKET", str(LETTERLOCK_STATE / "signer.sock")))
LETTERLOCK_SMTP_URL = _env.address("LETTERLOCK_SMTP_URL", "smtp://127.0.0.1:25", schemes=frozenset({"smtp", "smtps"}))
# How long a worker holds what it took, and how long it waits for each of the relay's replies. The relay's idle timeout lies between one such
# wait and three, which is what a worker keeps of its lease for DATA: if it wakes after its lease it must find its session closed.
LETTERLOCK_LEASE_SECONDS = _env.integer("LETTERLOCK_LEASE_SECONDS", 60, least=5, most=3600)
LETTERLOCK_SMTP_SECONDS = _env.integer("LETTERLOCK_SMTP_SECONDS", 10, least=1, most=300)
if 5 * LETTERLOCK_SMTP_SECONDS > LETTERLOCK_LEASE_SECONDS:
    # Offering takes one such wait, DATA three, and sealing comes before both.
    _env.fault("LETTERLOCK_SMTP_SECONDS", "must be at most a fifth of LETTERLOCK_LEASE_SECONDS")
# A process that is stopped inside a transaction keeps what it locked from the others for no longer than a lease.
if DATABASES["default"].get("OPTIONS") is not None:
    DATABASES["default"]["OPTIONS"].setdefault("options", f"-c idle_in_transaction_session_timeout={LETTERLOCK_LEASE_SECONDS}s")
# The sessions that one worker process keeps with the relay, each with a mail on its way.
LETTERLOCK_RELAY_SESSIONS = _env.integer("LETTERLOCK_RELAY_SESSIONS", 20, least=1, most=100)
# `verified`: mail leaves only under TLS to a relay whose certificate proves its name; `auto`: unless that relay is on this machine.
# A password never leaves otherwise, whatever this says.
LETTERLOCK_SMTP_TLS = _env.choice("LETTERLOCK_SMTP_TLS", "auto", among=frozenset({"auto", "opportunistic", "verified"}))
# So many messages to one recipient domain are under way at most, over all workers.
LETTERLOCK_DOMAIN_MESSAGES = _env.integer("LETTERLOCK_DOMAIN_MESSAGES", 200, least=1, most=100_000)
# A relay that keeps each mail it took as a file can be asked afterwards; the demo's inbox does.
LETTERLOCK_RELAY_FOLDER = _env.text("LETTERLOCK_RELAY_FOLDER", "")
# So can Postfix, by its log and its queue directory; and a relay that takes each Message-ID once may simply be offered a mail again.
LETTERLOCK_RELAY_LOG = _env.text("LETTERLOCK_RELAY_LOG", "")
LETTERLOCK_RELAY_SPOOL = _env.text("LETTERLOCK_RELAY_SPOOL", "")
LETTERLOCK_RELAY_IDEMPOTENT = _env.boolean("LETTERLOCK_RELAY_IDEMPOTENT", default=False)
if sum(map(bool, (LETTERLOCK_RELAY_FOLDER, LETTERLOCK_RELAY_LOG, LETTERLOCK_RELAY_IDEMPOTENT))) > 1:
    _env.fault("LETTERLOCK_RELAY_LOG", "name one way to ask the relay: LETTERLOCK_RELAY_LOG, LETTERLOCK_RELAY_FOLDER or LETTERLOCK_RELAY_IDEMPOTENT")
# From this many messages, or this many seconds that the oldest has waited, the outbox takes no more for now (429).
LETTERLOCK_OUTBOX_DEPTH = _env.integer("LETTERLOCK_OUTBOX_DEPTH", 100_000, least=1, most=100_000_000)
LETTERLOCK_OUTBOX_SECONDS = _env.integer("LETTERLOCK_OUTBOX_SECONDS", 3600, least=1, most=30 * 24 * 3600)
# Whole months that the send log and ended messages are kept; idempotency keys live 30 days, so it is at least two.
LETTERLOCK_LOG_MONTHS = _env.integer("LETTERLOCK_LOG_MONTHS", 24, least=2, most=1200)
LETTERLOCK_DNS = _env.text("LETTERLOCK_DNS", "")
LETTERLOCK_MAIL_FROM = _env.text("LETTERLOCK_MAIL_FROM", "letterlock@portal.example.org")
# For the workers: a folder of keys `<selector>._domainkey.<domain>.pem`, by which mails are signed (DKIM).
LETTERLOCK_DKIM_KEYS = _env.text("LETTERLOCK_DKIM_KEYS", "")
if LETTERLOCK_DKIM_KEYS:
    try:
        read_folder(Path(LETTERLOCK_DKIM_KEYS))
    except DkimError as error:
        _env.fault("LETTERLOCK_DKIM_KEYS", str(error))
# Where NSS's built-in list is from which `import_roots` takes roots and by which they are kept fresh: a path, `auto` or `off`.
LETTERLOCK_NSS_ROOTS = _env.text("LETTERLOCK_NSS_ROOTS", "auto")
# Whether CRLs may be fetched from addresses inside the operator's own network.
LETTERLOCK_PRIVATE_SOURCES = _env.boolean("LETTERLOCK_PRIVATE_SOURCES", default=False)
# `manage.py intake`: whose mailboxes collect@, proof+<id>@ and bounces@ are, and where it listens: host:port, or the path of a socket.
LETTERLOCK_INTAKE_DOMAIN = _env.text("LETTERLOCK_INTAKE_DOMAIN", "").lower()
LETTERLOCK_INTAKE_SMTP = _env.text("LETTERLOCK_INTAKE_SMTP", "")
LETTERLOCK_INTAKE_LMTP = _env.text("LETTERLOCK_INTAKE_LMTP", "")
for _name, _binding in (("LETTERLOCK_INTAKE_SMTP", LETTERLOCK_INTAKE_SMTP), ("LETTERLOCK_INTAKE_LMTP", LETTERLOCK_INTAKE_LMTP)):
    try:
        parse_binding(_binding or "127.0.0.1:0")
    except ValueError as error:
        _env.fault(_name, str(error))
LETTERLOCK_BEHIND_PROXY = _env.boolean("BEHIND_PROXY", default=False)
# Look-ups in a minute: for an address range without a token, and for an organisation with one.
LETTERLOCK_ANONYMOUS_QUOTA = _env.integer("LETTERLOCK_ANONYMOUS_QUOTA", 60, least=0, most=1_000_000)
LETTERLOCK_TOKEN_QUOTA = _env.integer("LETTERLOCK_TOKEN_QUOTA", 100_000, least=1000, most=1_000_000_000)

# Each key-encryption key is known only to the processes that use it: the signer, the workers, web and workers.
LETTERLOCK_CA_KEK = _env.key("LETTERLOCK_CA_KEK")
LETTERLOCK_SIGNING_KEK = _env.key("LETTERLOCK_SIGNING_KEK")
LETTERLOCK_DATA_KEK = _env.key("LETTERLOCK_DATA_KEK")

_host = urlsplit(LETTERLOCK_URL).hostname or ""
_secure = LETTERLOCK_URL.startswith("https:")
_smtp = urlsplit(LETTERLOCK_SMTP_URL)
ALLOWED_HOSTS = [*_env.names("ALLOWED_HOSTS", _host), urlsplit(LETTERLOCK_PKI_URL).hostname or ""]
CSRF_TRUSTED_ORIGINS = [LETTERLOCK_URL]
_env.check()

INSTALLED_APPS = [
    "portal",
    "onboarding",
    "mailer",
    "directory",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "django_filters",
    "portal.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.forms",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "portal.content_types.UnreadableTypePage",
    "portal.limits.FormLimit",
    "directory.api.parsing.LengthRequired",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "portal.methods.MethodPage",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_USER_MODEL = "onboarding.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
OTP_TOTP_ISSUER = "Letterlock"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
# The name under which `authenticate` is given it; by default it would be the model's, `email`, and every attempt would be nobody's.
AXES_USERNAME_FORM_FIELD = "username"
AXES_LOCKOUT_CALLABLE = "onboarding.views.signing_in.locked_out"
AXES_CLIENT_IP_CALLABLE = "onboarding.views.signing_in.client_address_of"
AXES_VERBOSE = False

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "portal.formats"
FORM_RENDERER = "portal.forms.FaceRenderer"

STATIC_URL = "/static/"
STATIC_ROOT = LETTERLOCK_STATE / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "portal.views.errors.csrf_failure"
SECURE_SSL_REDIRECT = _secure
# Issuers and CRLs are fetched over http: https would need the check that they serve.
SECURE_REDIRECT_EXEMPT = [r"^pki/"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _secure
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if LETTERLOCK_BEHIND_PROXY else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
# One evidence file and its form; the API's own limit (32 MB) is checked by its views before the body is read.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 5

EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = _smtp.hostname or "127.0.0.1"
EMAIL_PORT = _smtp.port or 25
EMAIL_HOST_USER = _smtp.username or ""
EMAIL_HOST_PASSWORD = _smtp.password or ""
EMAIL_USE_SSL = _smtp.scheme == "smtps"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = LETTERLOCK_MAIL_FROM

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    # A request that wakes a worker does not wait for a Redis that is away: beat wakes it too.
    "socket_connect_timeout": 2,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    # An older wake-up is worth nothing, and would keep other tasks from their turn.
    "drain": {"task": "mailer.tasks.drain", "schedule": 0.5, "options": {"expires": 5}},
    "reconcile": {"task": "mailer.tasks.reconcile", "schedule": 2.0, "options": {"expires": 60}},
    "deliveries": {"task": "mailer.tasks.read_relay_log", "schedule": 5.0, "options": {"expires": 60}},
    "issue": {"task": "mailer.tasks.issue_pending", "schedule": 1.0, "options": {"expires": 60}},
    "changes": {"task": "mailer.tasks.apply_changes", "schedule": 1.0, "options": {"expires": 60}},
    "expire": {"task": "mailer.tasks.expire", "schedule": 60.0, "options": {"expires": 60}},
    "replacements": {"task": "mailer.tasks.publish_replacements", "schedule": 60.0, "options": {"expires": 60}},
    "retention": {"task": "mailer.tasks.keep_within_time", "schedule": 3600.0, "options": {"expires": 600}},
    "checks": {"task": "onboarding.tasks.check_waiting", "schedule": 60.0, "options": {"expires": 60}},
    "registrations": {"task": "onboarding.tasks.forget_registrations", "schedule": 3600.0, "options": {"expires": 600}},
    "owners": {"task": "mailer.tasks.ask_owners_again", "schedule": 3600.0, "options": {"expires": 600}},
    "crl": {"task": "mailer.tasks.renew_crls", "schedule": 60.0, "options": {"expires": 60}},
    "foreign_crls": {"task": "mailer.tasks.fetch_revocation_lists", "schedule": 600.0, "options": {"expires": 600}},
    "rejudging": {"task": "mailer.tasks.rejudge_due", "schedule": 60.0, "options": {"expires": 60}},
    # By the calendar: a week's interval would begin anew with each start of beat.
    "roots": {"task": "mailer.tasks.refresh_roots", "schedule": crontab(minute="17", hour="3", day_of_week="sun"), "options": {"expires": 3600}},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["directory.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "directory.api.problems.handle_exception",
    "UNAUTHENTICATED_USER": None,
    # No `?format=`: the media type is asked for by Accept alone.
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {"TITLE": "Letterlock", "VERSION": "1.0.0", "SERVE_INCLUDE_SCHEMA": False, "OAS_VERSION": "3.1.0"}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"without_secrets": {"()": "portal.log_words.WithoutSecrets"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_secrets"], "stream": sys.stderr}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Strangers ask for any host, all day: the answer is 400, and no fault of ours.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # These name the path of each refusal, to whatever handler there is. For gunicorn's see `portal.apps`.
        "django.request": {"filters": ["without_secrets"]},
        "django.security.csrf": {"filters": ["without_secrets"]},
        "django.server": {"filters": ["without_secrets"]},
    },
}
