"""Settings of the session harness. Everything that varies is read through `harness_site.env`."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from harness_site import engines, env
from sessions_app.origins import local_url, own_names, port_of

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"


def _private_folder(path: Path) -> Path:
    """Create the folder for this user alone (0700)."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"HARNESS_STATE_DIR: {error.strerror}: {path}") from error
    if path.stat().st_uid == os.getuid():
        path.chmod(0o700)
    return path


def _private_file(path: Path) -> Path:
    """Make sure that the file exists with mode 0600; SQLite gives its side files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ImproperlyConfigured(f"The database {path}: {error.strerror}.") from error
    return path


def _secret_key(path: Path) -> str:
    """Return the key kept in the state folder (0600), made on the first start."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text(encoding="ascii").strip()


def _database() -> dict[str, Any]:
    """Return where the log is: by default in a file of the state folder."""
    found = env.database("DATABASE_URL") or {"NAME": HARNESS_STATE_DIR / "harness.sqlite3"}
    if found.get("ENGINE") == "django.db.backends.postgresql":
        return engines.postgresql(found)
    return engines.sqlite(_private_file(found["NAME"]), HARNESS_STATE_DIR / "test.sqlite3")


# Where and what

HARNESS_STATE_DIR = _private_folder(
    env.folder("HARNESS_STATE_DIR", "~/.local/state/session-harness")
)
# What this process does: everything, the pages and the API, or this machine's programs.
HARNESS_ROLE = env.choice("HARNESS_ROLE", "all", known=("all", "web", "manager"))
HARNESS_HOST = env.text("HARNESS_HOST", "127.0.0.1")
HARNESS_PORT = env.integer("HARNESS_PORT", 3333, least=1, most=65535)
# Where the pages live, the only place where a login cookie counts (see sessions_app.gate).
HARNESS_PUBLIC_URL = env.origin("HARNESS_PUBLIC_URL", f"http://harness.localhost:{HARNESS_PORT}")
# PEM files: the certificate with its chain, and its key. With them the server itself speaks TLS.
HARNESS_TLS_CERTIFICATE = env.file("HARNESS_TLS_CERTIFICATE")
HARNESS_TLS_KEY = env.file("HARNESS_TLS_KEY")
# Where programs find the server. A certificate is good for its own name only, and a manager serves
# nobody itself.
HARNESS_LOCAL_URL = (
    HARNESS_PUBLIC_URL
    if HARNESS_TLS_CERTIFICATE or HARNESS_ROLE == "manager"
    else local_url(HARNESS_HOST, HARNESS_PORT)
)
# Pages of other origins that may call with a token.
HARNESS_CORS_ORIGINS = env.origins("HARNESS_CORS_ORIGINS")
# Whose X-Forwarded-For, -Proto and -Host count.
HARNESS_TRUSTED_PROXIES = env.networks("HARNESS_TRUSTED_PROXIES")
HARNESS_HOST_NAME = env.text("HARNESS_HOST_NAME", env.machine_name())
# What this machine is good for, for sessions that ask for it.
HARNESS_LABELS = env.labels("HARNESS_LABELS")
HARNESS_SLOTS = env.integer("HARNESS_SLOTS", 4, least=1, most=1000)
# Bytes of output that are kept per session; of more, the oldest goes first. The spool is kept and
# dropped in files of 8 MiB, so less than a few of them would keep hardly anything.
HARNESS_OUTPUT_QUOTA = env.byte_size("HARNESS_OUTPUT_QUOTA", "256M", least=32 * 1024 * 1024)
# Days after which ended sessions are forgotten with their logs; 0 keeps them for ever.
HARNESS_RETENTION_DAYS = env.integer("HARNESS_RETENTION_DAYS", 0, least=0, most=36500)
# Variables of the server's environment that programs receive besides the basic ones; `*` matches.
HARNESS_PASS_ENV = env.words("HARNESS_PASS_ENV", "*_API_KEY,SSH_AUTH_SOCK")
HARNESS_INHERITED_ENV = env.everything()
# The user that programs become; only a server that runs as root can do that.
HARNESS_RUN_AS = env.user("HARNESS_RUN_AS")
HARNESS_HOME = env.home(HARNESS_RUN_AS)
# In these folders, and below them, programs may work. Real paths: a root that is replaced by a link
# later leads nowhere.
HARNESS_ROOTS = env.folders("HARNESS_ROOTS", "~", home=HARNESS_HOME)
# For each user: sessions that run or are queued, and starts within a minute; 0 is no limit.
HARNESS_USER_SESSIONS = env.integer("HARNESS_USER_SESSIONS", 0, least=0, most=100_000)
HARNESS_STARTS_PER_MINUTE = env.integer("HARNESS_STARTS_PER_MINUTE", 60, least=0, most=100_000)
# Days for which it is kept who did what; 0 keeps it for ever.
HARNESS_AUDIT_DAYS = env.integer("HARNESS_AUDIT_DAYS", 365, least=0, most=36500)
# Whether what is typed is kept as well: passwords that are typed into programs are in it.
HARNESS_AUDIT_INPUT = env.flag("HARNESS_AUDIT_INPUT", default=False)
# How the log is written.
HARNESS_LOG_FORMAT = env.choice("HARNESS_LOG_FORMAT", "line", known=("line", "json"))

DEBUG = env.flag("HARNESS_DEBUG", default=False)
# Processes that belong together need the same key.
HARNESS_SECRET_KEY = env.secret("HARNESS_SECRET_KEY", least=32)
SECRET_KEY = HARNESS_SECRET_KEY or _secret_key(HARNESS_STATE_DIR / "secret-key")
# The gate is stricter: it looks at ports too.
ALLOWED_HOSTS = sorted(own_names(HARNESS_PUBLIC_URL, HARNESS_HOST))
CSRF_TRUSTED_ORIGINS = [HARNESS_PUBLIC_URL]

# Django

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "sessions_app.apps.SessionsConfig",
    "dashboard.apps.DashboardConfig",
]

MIDDLEWARE = [
    "sessions_app.content_security.ContentSecurityMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "harness_site.urls"
ASGI_APPLICATION = "harness_site.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Found before those of Django's own applications, whose pages are extended there.
        "DIRS": [BASE_DIR / "sessions_app" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES: dict[str, dict[str, Any]] = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What processes tell each other. Nothing depends on it: what does not arrive is read from the log.
REDIS_URL = env.redis("REDIS_URL")
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": engines.redis(REDIS_URL, SECRET_KEY) if REDIS_URL else engines.in_memory()
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# Static files

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [
    (f"vendor/{package}", BASE_DIR / "node_modules" / "@xterm" / package)
    for package in (
        "xterm/lib",
        "xterm/css",
        "addon-fit/lib",
        "addon-search/lib",
        "addon-unicode11/lib",
        "addon-web-links/lib",
        "addon-webgl/lib",
    )
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "dashboard.static_storage.ModuleStaticFilesStorage"},
}

# Logging in

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# Cookies ignore ports: own names keep two servers of one machine apart. The port is the one that
# browsers see, so that all servers behind one proxy read the same cookies. Over TLS no other name
# or port can read or replace them (RFC 6265bis, "The __Host- Prefix").
_OVER_TLS = HARNESS_PUBLIC_URL.startswith("https:")
_COOKIE_PREFIX = "__Host-" if _OVER_TLS else ""
_COOKIE_PORT = port_of(HARNESS_PUBLIC_URL)
SESSION_COOKIE_NAME = f"{_COOKIE_PREFIX}harness_session_{_COOKIE_PORT}"
CSRF_COOKIE_NAME = f"{_COOKIE_PREFIX}harness_csrf_{_COOKIE_PORT}"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _OVER_TLS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_AGE = 30 * 24 * 3600
# Browsers that came over TLS once never come without it again. Other names of the same domain are
# not this server's to decide on.
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _OVER_TLS else 0
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_SSL_REDIRECT = _OVER_TLS
# Programs of this machine, and monitors, may come behind the proxy's back, with a token or without
# anything worth hiding.
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^health$", r"^metrics$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# REST

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "sessions_app.api.authentication.BearerAuthentication",
        "sessions_app.api.authentication.BrowserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["sessions_app.api.authentication.IsCaller"],
    "DEFAULT_RENDERER_CLASSES": ["sessions_app.api.rendering.FastJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "sessions_app.api.errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Session harness",
    "DESCRIPTION": "Start, watch, steer and end programs in terminals.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# Logging

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "sessions_app.log_format.Lines",
            "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
        "json": {"()": "sessions_app.log_format.JsonLines", "host": HARNESS_HOST_NAME},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": HARNESS_LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"sessions_app": {"level": "INFO"}},
}
