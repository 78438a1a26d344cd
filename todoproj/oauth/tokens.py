"""The tokens that OAuth clients are given: 256 random bits each, with a prefix by which scanners find a leaked one."""

import secrets
import uuid
from hashlib import sha256

from todoproj.users.services import OAUTH_TOKEN_PREFIX

REFRESH_TOKEN_PREFIX = "todor_"  # noqa: S105


def new_access_token(request: object, refresh_token: bool = False) -> str:
    """Called by oauthlib with its request, of which the token says nothing."""
    return OAUTH_TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_refresh_token(request: object, refresh_token: bool = True) -> str:
    """Called by oauthlib with its request, of which the token says nothing."""
    return REFRESH_TOKEN_PREFIX + secrets.token_urlsafe(32)


def family_of(code: str) -> uuid.UUID:
    """What all tokens that come from an authorization code have in common.

    It follows from the code, which is gone once it was used: so they are found when the code comes a second time.
    """
    return uuid.UUID(bytes=sha256(code.encode()).digest()[:16], version=4)
