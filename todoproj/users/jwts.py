"""The JSON Web Tokens (RFC 7519) that this server signs for itself: access and refresh tokens of a Login.

They are signed with keys derived from SECRET_KEY, by HMAC: nobody else needs to verify them. A key is named in the
header (`kid`), so that those of SECRET_KEY_FALLBACKS stay good while a new SECRET_KEY takes over.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import lru_cache
from typing import Any, Final, Literal

import jwt
from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

ALGORITHM: Final = "HS256"

Use = Literal["access", "refresh"]


class InvalidToken(Exception):
    """It is no token of this server, is meant for something else, or has expired."""


@lru_cache(maxsize=1)
def _keys(secrets: tuple[str, ...]) -> dict[str, bytes]:
    """The keys by their names, the one to sign with first."""
    derived = [salted_hmac("todoproj.users.jwts", "", secret=secret, algorithm="sha256").digest() for secret in secrets]
    return {hashlib.sha256(key).hexdigest()[:16]: key for key in derived}


def _current_keys() -> dict[str, bytes]:
    return _keys((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def is_ours(token: str) -> bool:
    """Whether a token's header names a key of this server; it may be no good all the same."""
    try:
        return jwt.get_unverified_header(token).get("kid") in _current_keys()
    except (jwt.InvalidTokenError, TypeError, ValueError, RecursionError):
        return False


def sign(use: Use, *, lifetime: dt.timedelta, **claims: Any) -> str:
    """A token for one use, good for so long from now."""
    kid, key = next(iter(_current_keys().items()))
    now = timezone.now()
    registered = {
        "iss": settings.JWT_ISSUER,
        "aud": f"{settings.JWT_AUDIENCE}/{use}",
        "iat": now,
        "exp": now + lifetime,
    }
    return jwt.encode(registered | claims, key, ALGORITHM, headers={"kid": kid})


def verify(use: Use, token: str) -> dict[str, Any]:
    """The claims of a token that is good for this use. Raises InvalidToken."""
    try:
        key = _current_keys()[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(
            token,
            key,
            [ALGORITHM],
            audience=f"{settings.JWT_AUDIENCE}/{use}",
            issuer=settings.JWT_ISSUER,
            options={"require": ["iss", "aud", "sub", "iat", "exp", "login"], "strict_aud": True},
        )
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, RecursionError):
        raise InvalidToken from None
