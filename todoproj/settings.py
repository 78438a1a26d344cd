"""Settings, read from the environment (and from `.env`, where the environment is silent).

README.md and `.env.example` describe every variable. With ENVIRONMENT=production an unsafe value stops the start.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")


def whole_number(name: str, *, default: int, least: int = 0) -> int:
    """A number from `least` up."""
    text = env.str(name, default=str(default))
    if not (re.fullmatch(r"[0-9]{1,9}", text) and int(text) >= least):
        raise ImproperlyConfigured(f"{name} is {text!r}. Use a whole number from {least} up, such as {default}.")
    return int(text)


def flag(name: str, *, default: bool) -> bool:
    """Whether something is on. What is neither true nor false is an error: a guard must not go off by a slip."""
    text = env.str(name, default=str(default)).lower()
    if text not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise ImproperlyConfigured(f"{name} is {text!r}. Use true or false.")
    return text in {"true", "1", "yes", "on"}


def several(name: str, *, default: Sequence[str] = ()) -> list[str]:
    """What is separated by commas, with or without spaces."""
    return [stripped for item in env.list(name, default=list(default)) if (stripped := item.strip())]


# --- Where this runs ---------------------------------------------------------------------------------------------

ENVIRONMENT = env.str("ENVIRONMENT", default="development")
if ENVIRONMENT not in {"development", "production"}:
    raise ImproperlyConfigured(f"ENVIRONMENT is {ENVIRONMENT!r}. Use development or production.")
PRODUCTION = ENVIRONMENT == "production"

DEBUG = flag("DEBUG", default=False)

DEVELOPMENT_SECRET_KEY = "insecure-key-for-development-only-never-for-production"  # noqa: S105 (refused in production)
SECRET_KEY = env.str("SECRET_KEY", default=DEVELOPMENT_SECRET_KEY)

# Keys that were SECRET_KEY: what was signed by them stays good, and nothing new is.
SECRET_KEY_FALLBACKS = several("SECRET_KEY_FALLBACKS")

LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = several("ALLOWED_HOSTS", default=[] if PRODUCTION else LOCAL_HOSTS)
CSRF_TRUSTED_ORIGINS = several("CSRF_TRUSTED_ORIGINS")

# Where people and programs reach this server, such as https://todo.example.com. Empty: where each request came to.
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")
if PUBLIC_URL and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", PUBLIC_URL):
    raise ImproperlyConfigured("PUBLIC_URL is no scheme and host. Set it to one such as https://todo.example.com.")

# Web pages that may call /mcp from another origin than the server's own, such as https://inspector.example.com.
MCP_ALLOWED_ORIGINS = several("MCP_ALLOWED_ORIGINS")
for origin in MCP_ALLOWED_ORIGINS:
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s]+", origin):
        raise ImproperlyConfigured(f"MCP_ALLOWED_ORIGINS has {origin!r}. Use scheme and host alone, without a slash.")
# The port of a server that serves MCP apart from the rest of the application.
MCP_SERVER_PORT = whole_number("MCP_SERVER_PORT", default=5000)

SECRET_KEY_MIN_LENGTH = 50


def is_weak(key: str) -> bool:
    """Whether a secret key can be guessed."""
    return len(key) < SECRET_KEY_MIN_LENGTH or len(set(key)) < 10


if PRODUCTION:
    faults = []
    if DEBUG:
        faults.append("DEBUG is on, which shows settings and source to strangers. Set DEBUG=false.")
    if SECRET_KEY == DEVELOPMENT_SECRET_KEY:
        faults.append("SECRET_KEY is not set. Set it to a long random text that nobody else knows.")
    elif is_weak(SECRET_KEY):
        faults.append(f"SECRET_KEY is too short. Set it to at least {SECRET_KEY_MIN_LENGTH} random characters.")
    # Whoever knows a former key can sign tokens as well as by the present one.
    if any(key == DEVELOPMENT_SECRET_KEY or is_weak(key) for key in SECRET_KEY_FALLBACKS):
        faults.append("SECRET_KEY_FALLBACKS has a key that is known or too short. Take it out: people log in again.")
    if "*" in ALLOWED_HOSTS:
        faults.append("ALLOWED_HOSTS is *, which lets any host name through. Name the hosts that this server has.")
    elif not ALLOWED_HOSTS:
        faults.append("ALLOWED_HOSTS is not set. Name the hosts that this server has, separated by commas.")
    if PUBLIC_URL.startswith("http:"):
        faults.append("PUBLIC_URL is plain HTTP, over which anybody can read tokens. Set it to one with https.")
    if faults:
        raise ImproperlyConfigured("ENVIRONMENT=production refuses to start: " + " ".join(faults))
elif SECRET_KEY == DEVELOPMENT_SECRET_KEY and not {
    urlsplit(PUBLIC_URL).hostname or "localhost",
    *ALLOWED_HOSTS,
} <= {*LOCAL_HOSTS, "::1"}:
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS or PUBLIC_URL names more than this machine, and SECRET_KEY is the one that everybody knows. Set"
        " ENVIRONMENT=production, and SECRET_KEY to a long random text."
    )

# --- The application ---------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "todoproj.admin_site.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "oauth2_provider",
    "todoproj.users",
    "todoproj.oauth",
    "todoproj.idempotency",
    "tasks",
    "conversations",
    "mcp_tools",
    # After mcp_tools, whose command stdio_server stands in for this one's.
    "mcp_server",
]

MIDDLEWARE = [
    "todoproj.logs.request_id_middleware",
    "django.middleware.security.SecurityMiddleware",
    "todoproj.middleware.CommonMiddleware",
    "todoproj.middleware.SessionMiddleware",
    "todoproj.middleware.CsrfViewMiddleware",
    "todoproj.middleware.AuthenticationMiddleware",
    "todoproj.middleware.MessageMiddleware",
    "todoproj.middleware.XFrameOptionsMiddleware",
    "todoproj.middleware.LockoutMiddleware",
    "todoproj.cors.cors_middleware",
]

ROOT_URLCONF = "todoproj.urls"
WSGI_APPLICATION = "todoproj.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "todoproj" / "templates"],
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
FORMAT_MODULE_PATH = "todoproj.locales"
TIME_ZONE = "UTC"
USE_TZ = True

# Served by the production server itself; see mcp_tools/management/commands/serve.py.
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"

# --- The database ------------------------------------------------------------------------------------------------


def database(url: str) -> dict[str, Any]:
    """Django's settings for the database at `url`, with what each engine needs for many writers at once."""
    config: dict[str, Any] = environ.Env.db_url_config(url)
    if config.get("ENGINE") not in {"django.db.backends.sqlite3", "django.db.backends.postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL names no supported database. Use postgres://… or sqlite:///….")
    options = config.setdefault("OPTIONS", {})
    # One connection a thread, kept between requests for so many seconds.
    config["CONN_MAX_AGE"] = whole_number("CONN_MAX_AGE", default=60)
    if config["ENGINE"] == "django.db.backends.sqlite3":
        if config["NAME"] == ":memory:":
            raise ImproperlyConfigured(
                "DATABASE_URL names no file, and in memory each thread would have a database of its own. "
                "Use one, such as sqlite:///db.sqlite3."
            )
        # Readers never wait (WAL); a writer takes its lock at the start of a transaction (IMMEDIATE) and waits for
        # it in a queue of seconds, so that none is told "database is locked" half-way.
        options.setdefault("transaction_mode", "IMMEDIATE")
        options.setdefault("timeout", 30)
        options.setdefault("init_command", "PRAGMA journal_mode = WAL")
        # A relative path starts here, wherever a command is called from.
        config["NAME"] = str(BASE_DIR / config["NAME"])
        # A file, not memory: the tests run many connections at once, as the server does.
        config["TEST"] = {"NAME": f"{config['NAME']}.test.sqlite3"}
    return config


# Whether a connection keeps the statements that every call waits for, which a proxy that pools transactions can't have.
DATABASE_PREPARE = flag("DATABASE_PREPARE", default=True)
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

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "connected-apps"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_HASHERS = [
    *global_settings.PASSWORD_HASHERS,
    # For OAuth clients, whose secrets are made here; new passwords take the first.
    "todoproj.oauth.hashers.ClientSecretHasher",
]

AUTHENTICATION_BACKENDS = [
    # Counts failures, and refuses whoever has too many.
    "axes.backends.AxesStandaloneBackend",
    "todoproj.users.backends.EmailOrUsernameBackend",
]
AXES_FAILURE_LIMIT = whole_number("LOGIN_FAILURES", default=10, least=1)
AXES_COOLOFF_TIME = timedelta(minutes=15)
# One who guesses somebody's password does not lock that person out from elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "todoproj.oauth.views.locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_CLIENT_IP_CALLABLE = "todoproj.users.backends.login_address"
AXES_USERNAME_CALLABLE = "todoproj.users.backends.login_name"
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False

# Where mail goes, such as smtp+tls://user:password@smtp.example.com:587. Without it: to stdout in development, and in
# production nowhere, so that nobody can sign up or choose a new password by themselves.
vars().update(env.email_url("EMAIL_URL", default="dummymail://" if PRODUCTION else "consolemail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="todoproj@localhost")
SIGN_UP_OPEN = flag("SIGN_UP_OPEN", default=True) and ("EMAIL_URL" in env or not PRODUCTION)
# A page of an app of yours, where people choose their password; {token} stands for what it then sends here.
CONFIRM_URL = env.str("CONFIRM_URL", default="")
# How long what was mailed is good for.
CONFIRM_LIFETIME = timedelta(days=1)

# What the REST API gives for a password, and OAuth to a client: a token that goes with every call, and one that is good
# for the next pair.
JWT_ISSUER = env.str("JWT_ISSUER", default="todoproj")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", default="todoproj")
ACCESS_TOKEN_LIFETIME = timedelta(minutes=whole_number("ACCESS_TOKEN_MINUTES", default=15, least=1))
REFRESH_TOKEN_LIFETIME = timedelta(days=whole_number("REFRESH_TOKEN_DAYS", default=30, least=1))

# Whether a service account must name the person of each call in the On-Behalf-Of header, too, which no model writes.
ON_BEHALF_OF_REQUIRED = flag("ON_BEHALF_OF_REQUIRED", default=False)

# Other systems whose signed tokens (JWT) are good here, as a JSON list; see todoproj/users/issuers.py.
OUTSIDE_ISSUERS = env.str("OUTSIDE_ISSUERS", default="")

# --- How often somebody may call ---------------------------------------------------------------------------------


def cache(url: str) -> dict[str, Any]:
    """Django's settings for the cache at `url`; with none, each process keeps its own."""
    if not url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    try:
        config: dict[str, Any] = environ.Env.cache_url_config(url)
        known = urlsplit(url).scheme in {"redis", "rediss", "dbcache"} and isinstance(config["LOCATION"], str)
    except (ValueError, ImproperlyConfigured):
        known = False
    if not known or not config["LOCATION"]:
        raise ImproperlyConfigured(
            "CACHE_URL names no supported cache. Use redis://host:6379/0, rediss://… or dbcache://table, or none."
        )
    options = config.setdefault("OPTIONS", {})
    if config["BACKEND"] == "django.core.cache.backends.db.DatabaseCache":
        # Above that, Django throws entries away that still count.
        options.setdefault("MAX_ENTRIES", 1_000_000)
    else:
        # Calls wait for it.
        options.setdefault("socket_timeout", 0.25)
        options.setdefault("socket_connect_timeout", 0.25)
    return config


# What counts the calls: empty for one server, however many processes it has; a shared cache for several.
CACHE_URL = env.str("CACHE_URL", default="")
CACHES = {"default": cache(CACHE_URL)}

# Calls a minute, by person; 0 for as many as they like.
THROTTLE_TOOLS = whole_number("THROTTLE_TOOLS", default=600)
THROTTLE_API = whole_number("THROTTLE_API", default=600)
# By service account, which calls for many.
THROTTLE_SERVICE_ACCOUNTS = whole_number("THROTTLE_SERVICE_ACCOUNTS", default=60_000)
# By address: calls without a good token, log-ins, and requests for OAuth tokens.
THROTTLE_ADDRESS = whole_number("THROTTLE_ADDRESS", default=300)
THROTTLE_LOGIN = whole_number("THROTTLE_LOGIN", default=20)
THROTTLE_TOKEN = whole_number("THROTTLE_TOKEN", default=120)
# An hour, by address: people and OAuth clients that register.
THROTTLE_REGISTER = whole_number("THROTTLE_REGISTER", default=20)

# Refusals of one caller that are kept as rows for staff, a minute. The logs have all.
REFUSALS_KEPT = 30

# How many proxies in front add the address of whom they serve to X-Forwarded-For; 0 to believe no such header.
TRUST_X_FORWARDED_FOR = whole_number("TRUST_X_FORWARDED_FOR", default=0)

# --- How long something is kept ------------------------------------------------------------------------------------

# Days without activity after which `manage.py delete_old_conversations` deletes a conversation, unless it is told a
# number of its own; 0 for none.
CHAT_RETENTION_DAYS = whole_number("CHAT_RETENTION_DAYS", default=0)

# --- OAuth -------------------------------------------------------------------------------------------------------

OAUTH2_PROVIDER = {
    # What may be asked for; the same words as todoproj.users.models.Scope, which can't be imported here.
    "SCOPES": {
        "tasks:read": "Read tasks",
        "tasks:write": "Add, complete, change and delete tasks",
        "chats:read": "Read conversations",
        "chats:write": "Start, continue, rename and delete conversations",
    },
    # The issuer (RFC 8414), also without OpenID Connect. Empty: taken from the request.
    "OIDC_ISS_ENDPOINT": PUBLIC_URL,
    "OAUTH2_SERVER_CLASS": "todoproj.oauth.server.Server",
    "OAUTH2_BACKEND_CLASS": "todoproj.oauth.server.Backend",
    "OAUTH2_VALIDATOR_CLASS": "todoproj.oauth.validator.Validator",
    # Grants, and how clients authenticate, as the metadata has them.
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OAUTH2_GRANT_TYPES_SUPPORTED": ["authorization_code", "refresh_token", "client_credentials"],
    "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": ["none", "client_secret_basic", "client_secret_post"],
    "OAUTH2_PROTECTED_RESOURCE_NAME": "todoproj",
    # As long as those of a login. Each use of a refresh token gives a new one; a second use of the same revokes all
    # that came from it.
    "ACCESS_TOKEN_EXPIRE_SECONDS": int(ACCESS_TOKEN_LIFETIME.total_seconds()),
    "REFRESH_TOKEN_EXPIRE_SECONDS": int(REFRESH_TOKEN_LIFETIME.total_seconds()),
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ACCESS_TOKEN_GENERATOR": "todoproj.oauth.tokens.new_access_token",
    "REFRESH_TOKEN_GENERATOR": "todoproj.oauth.tokens.new_refresh_token",
    "CLIENT_SECRET_HASHER": "client_secret",
    "PKCE_REQUIRED": True,
    # Where people are sent back to: http only on their own machine, on any port (RFC 8252 section 7.3), which
    # todoproj/oauth/clients.py sees to; the other schemes are those of editors.
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http", "cursor", "vscode", "vscode-insiders"],
    "ALLOW_LOCALHOST_LOOPBACK": True,
    # Clients that nobody here knows: by registration, or by a document whose address is the client's id.
    "DCR_ENABLED": True,
    "CIMD_ENABLED": True,
    "CIMD_METADATA_FETCHER": "todoproj.oauth.clients.DocumentFetcher",
    "CIMD_REGISTRATION_PERMISSION_CLASSES": ["todoproj.oauth.clients.SomebodyIsLoggedIn"],
    # RFC 9700, the security best current practice.
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
}

# --- Transport security ------------------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = flag("SECURE_SSL_REDIRECT", default=PRODUCTION)
# A probe from inside the network speaks plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^health$"]
if flag("TRUST_X_FORWARDED_PROTO", default=False):
    # Only behind a proxy that sets this header itself and drops it from what a client sends.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = whole_number("SECURE_HSTS_SECONDS", default=31_536_000 if PRODUCTION else 0)
SESSION_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SECURE = PRODUCTION
# W002 and W003 look for CsrfViewMiddleware and XFrameOptionsMiddleware by name, and axes.W002 for AxesMiddleware; ours
# stand in for them (todoproj/middleware.py). W005 and W021: HSTS for subdomains and in browsers' preload lists binds
# more than this server, so the owner of the domain decides. E003: redirects by plain HTTP are for a person's own
# machine alone.
SILENCED_SYSTEM_CHECKS = [
    "axes.W002",
    "oauth2_provider.E003",
    "security.W002",
    "security.W003",
    "security.W005",
    "security.W021",
]

# --- REST --------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["todoproj.users.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["todoproj.users.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["todoproj.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "todoproj.rest.exception_handler",
    "LIST_SERIALIZER_ERRORS_AS_DICT": True,
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "todoproj",
    "DESCRIPTION": (
        "Todo lists that AI agents keep for people, and the conversations in which they do it. "
        "Every call needs a token: `Authorization: Bearer …`."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "ENUM_NAME_OVERRIDES": {"Role": "conversations.models.Role"},
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
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
    raise ImproperlyConfigured(f"LOG_LEVEL is {LOG_LEVEL!r}. Use DEBUG, INFO, WARNING, ERROR or CRITICAL.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "todoproj.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "todoproj.logs.LineHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # At INFO it says of each failure no more than that it now deals with it.
        "axes": {"handlers": [], "level": "WARNING", "propagate": True},
        # Django's own handlers would print every record a second time.
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # Their finer lines show codes and tokens.
        "oauthlib": {"level": "WARNING"},
        "oauth2_provider": {"level": "WARNING"},
    },
}
