"""What both Django peers set alike: no middleware, no sessions, one connection a thread, quiet logs."""

import os
from typing import Any
from urllib.parse import unquote, urlsplit


def database() -> dict[str, Any]:
    """Django's settings for DATABASE_URL, a PostgreSQL database."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.removeprefix("/"),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
        "CONN_MAX_AGE": None,
    }


SECRET_KEY = "only-for-measurements-on-the-loopback"  # noqa: S105 (protects nothing here)
ALLOWED_HOSTS = ["127.0.0.1"]
DEBUG = False
USE_TZ = True
USE_I18N = False
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "urls"
DATABASES = {"default": database()}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "WARNING"},
    # The SDK would log three lines a request.
    "loggers": {"mcp": {"level": "WARNING"}},
}
