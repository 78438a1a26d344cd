"""Settings, read from the environment (and from `.env`, where the environment is silent).

README.md and `.env.example` describe every variable. With ENVIRONMENT=production an unsafe value stops the start.
"""

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")

# --- Where this runs ---------------------------------------------------------------------------------------------

ENVIRONMENT = env.str("ENVIRONMENT", default="development")
if ENVIRONMENT not in {"development", "production"}:
    raise ImproperlyConfigured(f"ENVIRONMENT is {ENVIRONMENT!r}. Use development or production.")
PRODUCTION = ENVIRONMENT == "production"

DEBUG = env.bool("DEBUG", default=False)

DEVELOPMENT_SECRET_KEY = "insecure-key-for-development-only-never-for-production"  # noqa: S105 (refused in production)
SECRET_KEY = env.str("SECRET_KEY", default=DEVELOPMENT_SECRET_KEY)

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Web pages that may call /mcp from another origin than the server's own, such as https://inspector.example.com.
MCP_ALLOWED_ORIGINS = env.list("MCP_ALLOWED_ORIGINS", default=[])
# The port of a server that serves MCP apart from the rest of the application.
MCP_SERVER_PORT = env.int("MCP_SERVER_PORT", default=5000)

if PRODUCTION:
    SECRET_KEY_MIN_LENGTH = 50
    faults = []
    if DEBUG:
        faults.append("DEBUG is on, which shows settings and source to strangers. Set DEBUG=false.")
    if SECRET_KEY == DEVELOPMENT_SECRET_KEY:
        faults.append("SECRET_KEY is not set. Set it to a long random text that nobody else knows.")
    elif len(SECRET_KEY) < SECRET_KEY_MIN_LENGTH or len(set(SECRET_KEY)) < 10:
        faults.append(f"SECRET_KEY is too short. Set it to at least {SECRET_KEY_MIN_LENGTH} random characters.")
    if "*" in ALLOWED_HOSTS:
        faults.append("ALLOWED_HOSTS is *, which lets any host name through. Name the hosts that this server has.")
    elif not ALLOWED_HOSTS:
        faults.append("ALLOWED_HOSTS is not set. Name the hosts that this server has, separated by commas.")
    if faults:
        raise ImproperlyConfigured("ENVIRONMENT=production refuses to start: " + " ".join(faults))

# --- The application ---------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    # Before mcp_tools, which reads the registry that this one fills.
    "mcp_server",
    "todoproj.users",
    "tasks",
    "conversations",
    "mcp_tools",
]

MIDDLEWARE = [
    "todoproj.logs.request_id_middleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "todoproj.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "todoproj.middleware.AuthenticationMiddleware",
    "todoproj.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "todoproj.urls"
WSGI_APPLICATION = "todoproj.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

LANGUAGE_CODE = "en-us"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

# Served by the production server itself; see mcp_tools/management/commands/serve.py.
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

# --- The database ------------------------------------------------------------------------------------------------


def database(url: str) -> dict[str, Any]:
    """Django's settings for the database at `url`, with what each engine needs for many writers at once."""
    config: dict[str, Any] = environ.Env.db_url_config(url)
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"] == "django.db.backends.sqlite3":
        # Readers never wait (WAL); a writer takes its lock at the start of a transaction (IMMEDIATE) and waits for
        # it in a queue of seconds, so that none is told "database is locked" half-way.
        options.setdefault("transaction_mode", "IMMEDIATE")
        options.setdefault("timeout", 30)
        options.setdefault("init_command", "PRAGMA journal_mode = WAL")
        # A relative path starts here, wherever a command is called from.
        config["NAME"] = str(BASE_DIR / config["NAME"])
        # A file, not memory: the tests run many connections at once, as the server does.
        config["TEST"] = {"NAME": f"{config['NAME']}.test.sqlite3"}
    elif config["ENGINE"] == "django.db.backends.postgresql":
        # One connection a thread, kept between requests.
        config["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
        # A statement is prepared at its third use, which a proxy that pools transactions can't have.
        options["prepare_threshold"] = 2 if env.bool("DATABASE_PREPARE", default=True) else None
    else:
        raise ImproperlyConfigured("DATABASE_URL names no supported database. Use postgres://… or sqlite:///….")
    return config


DATABASES = {"default": database(env.str("DATABASE_URL", default="sqlite:///db.sqlite3"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People ------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "users.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# --- Transport security ------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=PRODUCTION)
# A probe from inside the network speaks plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^health$"]
if env.bool("TRUST_X_FORWARDED_PROTO", default=False):
    # Only behind a proxy that sets this header itself and drops it from what a client sends.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if PRODUCTION else 0)
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
# HSTS for subdomains and in browsers' preload lists binds more than this server: the owner of the domain decides.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- REST --------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["todoproj.users.authentication.PersonalTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["todoproj.users.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "todoproj.rest.exception_handler",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "todoproj",
    "DESCRIPTION": "Todo lists that AI agents keep for people. Every call needs a token: `Authorization: Bearer …`.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "todoproj.rest.add_problem_responses",
    ],
}

# --- MCP ---------------------------------------------------------------------------------------------------------

# django-mcp-server would add a sixth tool of its own.
DJANGO_MCP_GET_SERVER_INSTRUCTIONS_TOOL = False

# --- Logs --------------------------------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "todoproj.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Django's own handlers would print every record a second time.
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
    },
}
