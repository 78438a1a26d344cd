"""How a password is checked, wherever it is given: REST, the admin, the page where apps are allowed in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from todoproj import throttling
from todoproj.text import is_storable
from todoproj.users.models import User


class EmailOrUsernameBackend(ModelBackend):
    """People are known by their email address, in any case, and staff by their username as well."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if not username or password is None or not is_storable(username):
            return None
        if "@" in username:
            known = User.objects.with_email(username)
            username = known.username if known else username
        # For whoever is unknown, it spends the same time on hashing the password.
        return super().authenticate(request, username=username, password=password, **kwargs)


def login_address(request: HttpRequest) -> str:
    """The address by which failures are counted, for django-axes, which keeps it as one: of a network, its first; and
    one for all who have none."""
    return throttling.client_address(request).partition("/")[0] or "0.0.0.0"  # noqa: S104 (nobody listens there)


def login_name(request: HttpRequest | None, credentials: dict[str, Any] | None = None) -> str:
    """Whose failures are counted together, for django-axes: an address is the same in any case."""
    given = (credentials or {}).get("username") or (request.POST.get("username") if request else None)
    return str(given or "").lower()[:255]
