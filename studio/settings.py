"""Settings, all from the environment; `docs/running.md` lists them."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError

from studio.configuration import (
    host_of,
    read_advisories,
    read_bytecode,
    read_bytes,
    read_channel_mirrors,
    read_compression,
    read_days,
    read_encryption_keys,
    read_hours,
    read_import_test,
    read_limit,
    read_mail_server,
    read_mirrors,
    read_pause,
    read_public_url,
    read_reach,
    read_secret_key,
)
from studio.configuration.api import documentation, rest_framework
from studio.logs import RENDERERS, logging_to_stderr

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
env = Env()


def setting(read: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """Return the setting, or stop the start with a sentence that names it."""
    try:
        return read(name, *args, **kwargs)
    except (EnvError, ValueError) as error:
        raise ImproperlyConfigured(f"The setting {name} cannot be read: {error}") from error


# Data folders
VAR = setting(env.path, "STUDIO_VAR", BASE_DIR / "var").absolute()
STORE = VAR / "store"  # images, an OCI layout
CONTEXTS = VAR / "contexts"  # files of build contexts, by their digests
CACHE = VAR / "cache"  # downloads and segments; may be deleted at any time

# The key that proofs are signed with: only workers read it, and make it if no file is named.
SIGNING_KEY_IS_MADE = not setting(env.str, "STUDIO_SIGNING_KEY_FILE", "")
SIGNING_KEY_FILE = setting(env.path, "STUDIO_SIGNING_KEY_FILE", VAR / "signing-key.pem").absolute()

# Database: SQLite for a studio of one machine, PostgreSQL when DATABASE_URL says so
EMBEDDED = not setting(env.str, "DATABASE_URL", "")
DATABASES: dict[str, dict[str, Any]] = {
    "default": setting(env.dj_db_url, "DATABASE_URL", f"sqlite:///{VAR / 'studio.sqlite3'}")
}
# Threads that answer pages stay, and so do their connections; one that was lost is replaced unseen.
DATABASES["default"] |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    VAR.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["OPTIONS"] = {
        # Writers queue up for the lock at BEGIN; DEFERRED would fail with "database is locked" half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-20000",
    }
else:
    # A server that vanished without a word is noticed within half a minute, not after a quarter of an hour.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 25_000,  # milliseconds
        **DATABASES["default"].get("OPTIONS", {}),
    }

SECRET_KEY = read_secret_key(setting(env.str, "SECRET_KEY", ""), VAR / "secret-key", embedded=EMBEDDED)
ENCRYPTION_KEYS = read_encryption_keys(  # of connections; the first encrypts, all decrypt
    setting(env.list, "STUDIO_ENCRYPTION_KEYS", []), VAR / "encryption-key", SECRET_KEY, embedded=EMBEDDED
)
DEBUG = setting(env.bool, "DEBUG", False)
PORT = setting(env.int, "PORT", 8000)
HOST = setting(env.str, "HOST", "127.0.0.1")
PUBLIC_URL = read_public_url(setting(env.str, "STUDIO_URL", ""))  # base of every absolute URL
ALLOWED_HOSTS = setting(env.list, "ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
# Checks from this machine (containers, supervisors) use these names.
ALLOWED_HOSTS += [name for name in ("localhost", "127.0.0.1") if name not in ALLOWED_HOSTS]
CSRF_TRUSTED_ORIGINS = setting(env.list, "CSRF_TRUSTED_ORIGINS", [])
if PUBLIC_URL:  # the name that the studio gives itself is one that it answers to
    ALLOWED_HOSTS += [name for name in [host_of(PUBLIC_URL)] if name not in ALLOWED_HOSTS]
    CSRF_TRUSTED_ORIGINS += [origin for origin in [PUBLIC_URL] if origin not in CSRF_TRUSTED_ORIGINS]
# HTTPS of `manage.py run --https`, beside HTTP: its port, and a certificate to use instead of the studio's own
HTTPS_PORT = setting(env.int, "STUDIO_HTTPS_PORT", 8443)
CERTIFICATE = setting(env.str, "STUDIO_CERTIFICATE", "")
CERTIFICATE_KEY = setting(env.str, "STUDIO_CERTIFICATE_KEY", "")
SERVES_HTTPS = False  # `manage.py run --https` sets it before its processes start

# Builds
IMAGE_PREFIX = setting(env.str, "STUDIO_IMAGE_PREFIX", "azureml/azureml_")  # rule 9
if not re.fullmatch(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*[._-]?", IMAGE_PREFIX):
    raise ImproperlyConfigured(
        f"STUDIO_IMAGE_PREFIX is {IMAGE_PREFIX!r}. An image's name holds lower-case letters, digits, '.', '_', '-' and '/'."
    )
BYTECODE = read_bytecode(setting(env.str, "STUDIO_BYTECODE", ""))  # of a workspace without its own
IMPORT_TEST = read_import_test(setting(env.str, "STUDIO_IMPORT_TEST", ""))  # of a workspace without its own
COMPRESSION = read_compression(setting(env.str, "STUDIO_COMPRESSION", ""))  # of a workspace without its own
ANYONE_CREATES_WORKSPACES = setting(env.bool, "STUDIO_ANYONE_CREATES_WORKSPACES", False)
INVITE_NEW_PEOPLE = setting(env.bool, "STUDIO_INVITE_NEW_PEOPLE", True)
DEFAULT_BASE = setting(env.str, "STUDIO_DEFAULT_BASE", "host")
REGISTRY_MIRRORS = read_mirrors(setting(env.list, "STUDIO_REGISTRY_MIRRORS", []))
CHANNEL_MIRRORS = read_channel_mirrors(setting(env.list, "STUDIO_CHANNEL_MIRRORS", []))
# Folders of this machine as conda channels: only where those who define are those who run it.
FILE_CHANNELS = setting(env.bool, "STUDIO_ALLOW_FILE_CHANNELS", EMBEDDED)
INDEX_URL = setting(env.str, "STUDIO_INDEX_URL", "") or None
# Whether packages, base images and the engine are looked up while a definition is written.
EARLY_CHECKS = setting(env.bool, "STUDIO_EARLY_CHECKS", True)
PYPI = [
    "https://pypi.org",
    "https://files.pythonhosted.org",
]  # some networks have their own under these names
# Addresses beside public ones that members may have the studio connect to; other settings' addresses are always allowed.
ALLOWED_ADDRESSES = setting(env.list, "STUDIO_ALLOW_ADDRESSES", ["loopback", "private"] if EMBEDDED else [])
# URLs that advisories are imported from on a schedule, and how often: none unless the operator names some
ADVISORIES = read_advisories(setting(env.list, "STUDIO_ADVISORIES", []))
ADVISORIES_SECONDS = 3600 * read_hours(
    setting(env.float, "STUDIO_ADVISORIES_HOURS", 6.0), "STUDIO_ADVISORIES_HOURS"
)
EGRESS_POLICY = read_reach(
    ALLOWED_ADDRESSES,
    [
        *REGISTRY_MIRRORS.values(),
        *CHANNEL_MIRRORS.values(),
        *([INDEX_URL] if INDEX_URL else PYPI),
        *ADVISORIES,
    ],
)
# The Pythons that uv installs to compile bytecode, where it may install them from, and whether it may
PYTHON_FOLDER = setting(env.path, "STUDIO_PYTHON_FOLDER", VAR / "python").absolute()
PYTHON_DOWNLOADS = setting(env.bool, "STUDIO_PYTHON_DOWNLOADS", True)
PYTHON_MIRROR = setting(env.str, "STUDIO_PYTHON_MIRROR", "")
PYTHON_DOWNLOADS_JSON_URL = setting(env.str, "STUDIO_PYTHON_DOWNLOADS_JSON_URL", "")
DOCKER_HOST = setting(env.str, "DOCKER_HOST", "") or "unix:///var/run/docker.sock"
LOCAL_IMAGES = setting(env.bool, "STUDIO_LOCAL_IMAGES", EMBEDDED)  # the engine's own, as base images
# Whether builds fail where the machine cannot confine what reads packages and base images
REQUIRE_CONFINEMENT = setting(env.bool, "STUDIO_REQUIRE_CONFINEMENT", False)
# The network of code in containers: the worker's proxy, none, or a network of the Docker Engine
BUILD_NETWORK = setting(env.str, "STUDIO_BUILD_NETWORK", "") or "proxy"
BUILDS_AT_ONCE = setting(env.int, "STUDIO_BUILDS_AT_ONCE", 2)
BUILD_CACHE = read_bytes(setting(env.str, "STUDIO_BUILD_CACHE", "10g"), "STUDIO_BUILD_CACHE")
BUILD_MEMORY = read_bytes(setting(env.str, "STUDIO_BUILD_MEMORY", ""), "STUDIO_BUILD_MEMORY")
# An image is started once, to see what can be imported and whether its own command succeeds
TRIAL_SECONDS = read_limit(setting(env.int, "STUDIO_TRIAL_SECONDS", 120), "STUDIO_TRIAL_SECONDS")
TRIAL_MEMORY = read_bytes(setting(env.str, "STUDIO_TRIAL_MEMORY", "4g"), "STUDIO_TRIAL_MEMORY")
TESTED_IMAGES = read_bytes(setting(env.str, "STUDIO_TESTED_IMAGES", "10g"), "STUDIO_TESTED_IMAGES")
HEARTBEAT_SECONDS = setting(env.float, "STUDIO_HEARTBEAT_SECONDS", 2.0)
LOST_AFTER_SECONDS = setting(env.float, "STUDIO_LOST_AFTER_SECONDS", 20.0)
RECONCILE_SECONDS = setting(env.float, "STUDIO_RECONCILE_SECONDS", 5.0)
FLOATING_BASE_SECONDS = setting(env.float, "STUDIO_FLOATING_BASE_SECONDS", 86400.0)  # rule 18
MAX_ATTEMPTS = 3
# Whether idle workers build the curated environments, while the disk has so much free space
PREBUILD_CATALOGUE = setting(env.bool, "STUDIO_PREBUILD_CATALOGUE", True)
PREBUILD_FREE_BYTES = int(10**9 * setting(env.float, "STUDIO_PREBUILD_FREE_GB", 20.0))
# After so many days a file of the cache that no build used is forgotten
CACHE_DAYS = read_days(setting(env.float, "STUDIO_CACHE_DAYS", 30.0), "STUDIO_CACHE_DAYS")
# After so many hours an upload is forgotten; versions keep their files
UPLOAD_HOURS = read_limit(setting(env.float, "STUDIO_UPLOAD_HOURS", 24.0), "STUDIO_UPLOAD_HOURS")
ANONYMOUS_DAYS = read_days(setting(env.float, "STUDIO_ANONYMOUS_DAYS", 90.0), "STUDIO_ANONYMOUS_DAYS")
SWEEP_SECONDS = read_pause(setting(env.float, "STUDIO_SWEEP_SECONDS", 86400.0), "STUDIO_SWEEP_SECONDS")
# The pause between look-ups of the bases in use, and the days after which a base is outdated
BASE_CHECK_SECONDS = read_pause(
    setting(env.float, "STUDIO_BASE_CHECK_SECONDS", 86400.0), "STUDIO_BASE_CHECK_SECONDS"
)
BASE_DAYS = read_limit(setting(env.int, "STUDIO_BASE_DAYS", 30), "STUDIO_BASE_DAYS")

# Seconds that a pull waits for the build of its image; proxies give up after a minute
PULL_WAIT_SECONDS = read_pause(
    setting(env.float, "STUDIO_PULL_WAIT_SECONDS", 50.0), "STUDIO_PULL_WAIT_SECONDS"
)

# Limits of a workspace without its own
LIMIT_AT_ONCE = read_limit(setting(env.int, "STUDIO_LIMIT_AT_ONCE", 4), "STUDIO_LIMIT_AT_ONCE")
LIMIT_QUEUED = read_limit(setting(env.int, "STUDIO_LIMIT_QUEUED", 200), "STUDIO_LIMIT_QUEUED")
LIMIT_SECONDS = read_limit(setting(env.int, "STUDIO_LIMIT_SECONDS", 3600), "STUDIO_LIMIT_SECONDS")
DRIFT_DAYS = read_days(
    setting(env.float, "STUDIO_DRIFT_DAYS", 1.0), "STUDIO_DRIFT_DAYS"
)  # between two checks
PREVIEW_SECONDS = 60.0  # for finding out what a rebuild would move
UPLOAD_BYTES = read_bytes(setting(env.str, "STUDIO_UPLOAD_QUOTA", "1g"), "STUDIO_UPLOAD_QUOTA")
LIMIT_DISK_BYTES = int(
    10**9 * read_limit(setting(env.float, "STUDIO_LIMIT_DISK_GB", 50.0), "STUDIO_LIMIT_DISK_GB")
)

# Celery carries the hint that a build waits; the database row is the truth.
CELERY_BROKER_URL = setting(env.str, "CELERY_BROKER_URL", "filesystem://localhost")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {}
if CELERY_BROKER_URL.startswith("filesystem://"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR / "broker"),
        "data_folder_out": str(VAR / "broker"),
        "control_folder": str(VAR / "broker" / "control"),
        "polling_interval": 0.05,
    }
    (VAR / "broker" / "control").mkdir(parents=True, exist_ok=True)

INSTALLED_APPS = [
    "builds",
    "environments",
    "studio",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "studio.middleware.nul.StripNul",  # first: later middleware caches the headers
    "studio.operations.requests.request_ids",
    "studio.middleware.headers.say_where_from",
    "studio.middleware.secure_cookies.secure_cookies",
    "django.middleware.security.SecurityMiddleware",
    "studio.middleware.headers.content_security_policy",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "studio.middleware.compression.Compression",
    "studio.middleware.compression.StaticFiles",
    "studio.middleware.live.position",
    "studio.middleware.saving.redirects_to_scripts",
    "studio.middleware.languages.language",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "studio.middleware.nul.StripNulFromForms",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "studio.urls"
ASGI_APPLICATION = "studio.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "studio.context_processors.frame",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: a locked-out user is not even looked up
    "django.contrib.auth.backends.ModelBackend",
    "studio.signing_in.openid.ProviderBackend",
]

# Guessing passwords: ten tries for a name from one address, then a pause.
AXES_FAILURE_LIMIT = setting(env.int, "STUDIO_LOGIN_TRIES", 10)
AXES_COOLOFF_TIME = timedelta(seconds=setting(env.float, "STUDIO_LOGIN_PAUSE_SECONDS", 900.0))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "studio.signing_in.views.guess_source"
AXES_LOCKOUT_CALLABLE = "studio.signing_in.views.too_many_tries"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# Signing in through an OpenID Connect provider, where there is one
OIDC_ISSUER = setting(env.str, "STUDIO_OIDC_ISSUER", "")
OIDC_NAME = setting(env.str, "STUDIO_OIDC_NAME", "") or urlsplit(OIDC_ISSUER).hostname
OIDC_RP_CLIENT_ID = setting(env.str, "STUDIO_OIDC_CLIENT_ID", "")
OIDC_RP_CLIENT_SECRET = setting(env.str, "STUDIO_OIDC_CLIENT_SECRET", "")
OIDC_RP_SIGN_ALGO = setting(env.str, "STUDIO_OIDC_ALGORITHM", "RS256")
OIDC_RP_SCOPES = "openid email profile"
OIDC_USE_PKCE = True
OIDC_TIMEOUT = 10
OIDC_AUTHENTICATION_CALLBACK_URL = "provider-back"
if OIDC_ISSUER and not (OIDC_RP_CLIENT_ID and OIDC_RP_CLIENT_SECRET):
    raise ImproperlyConfigured(
        "STUDIO_OIDC_ISSUER is set, but not STUDIO_OIDC_CLIENT_ID and STUDIO_OIDC_CLIENT_SECRET: the provider "
        "gives both when the studio is registered there."
    )

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_RESET_TIMEOUT = 3600  # a one-time login link is good for an hour
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_NAME = "studio_session"
CSRF_COOKIE_NAME = "studio_csrf"
CSRF_COOKIE_HTTPONLY = True  # forms carry the token; no script needs the cookie
SECURE_COOKIES = setting(env.bool, "STUDIO_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
if SECURE_COOKIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_SSL_HOST = PUBLIC_URL.partition("://")[2] or None
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # asked from inside, past the proxy
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    # The studio cannot promise HTTPS for other hosts below its name.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

REST_FRAMEWORK = rest_framework(
    setting(env.str, "STUDIO_API_RATE", "1200/min"), setting(env.str, "STUDIO_API_RATE_ANONYMOUS", "60/min")
)
SPECTACULAR_SETTINGS = documentation()

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español"), ("pt-br", "Português (Brasil)"), ("sv", "Svenska")]
LANGUAGE_COOKIE_NAME = "studio_language"
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Collected (in a container image), static files are compressed already, and named by their content: browsers
# keep them for ever. Else they are served from their sources, and compressed on the way.
STATIC_ROOT = setting(env.str, "STUDIO_STATIC_ROOT", "") or None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
WHITENOISE_MAX_AGE = 3600

# E-mail: none is sent until somebody says through which server
vars().update(read_mail_server(setting(env.str, "STUDIO_MAIL_SERVER", "")))
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = setting(env.str, "STUDIO_MAIL_FROM", "studio@localhost")

# One JSON object a line for programs, or plain lines
LOG_FORMAT = setting(env.str, "STUDIO_LOG_FORMAT", "plain")
if LOG_FORMAT not in RENDERERS:
    raise ImproperlyConfigured(f"STUDIO_LOG_FORMAT is {LOG_FORMAT!r}. It is plain or json.")
LOGGING = logging_to_stderr(LOG_FORMAT, setting(env.str, "STUDIO_LOG_LEVEL", "WARNING"))

# Token for /readyz and /metrics from another machine
OPERATIONS_TOKEN = setting(env.str, "STUDIO_OPERATIONS_TOKEN", "")
