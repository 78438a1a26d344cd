"""Signed tokens (JWT, RFC 7519) of other systems that people log in to, such as Better Auth.

OUTSIDE_ISSUERS is a JSON list of them, each as IssuerSettings has it. A token is verified as RFC 8725 asks: with keys
and algorithms that the operator named, never with any that the token brings along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from todoproj.text import is_storable
from todoproj.users.jwks import KeySet
from todoproj.users.models import Scope

# With these, whoever can verify a token can't make one.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    "EdDSA",
)
# Characters.
MAX_TOKEN_LENGTH = 8 * 1024
# Seconds by which clocks may differ.
LEEWAY = 30


class InvalidToken(Exception):
    """The token is of nobody known, not meant for this server, expired, or not well formed. It says why, for logs."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says that was found good.

    subject: the person's id at the issuer, up to 255 characters, that only together with the issuer names somebody.
    scopes: what it allows here; none, if the issuer granted scopes of other systems only.
    create_user: whether a person who is not known here yet is to be made.
    """

    issuer: str
    subject: str
    issued_at: datetime
    scopes: frozenset[str]
    create_user: bool


class IssuerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A system whose tokens are good here.

    issuer: what its tokens have as `iss`, to the letter.
    jwks_url: where it publishes its keys; https, or http on this machine.
    audience: what tokens for this server have as `aud`: one, or a list of which a token has any.
    algorithms: those that it signs with, of ALGORITHMS.
    scopes: what a token allows that says nothing of scopes.
    create_users: whether people whom it knows become people here when they first call.
    """

    issuer: str
    jwks_url: str
    audience: str | list[str]
    algorithms: list[str]
    scopes: list[str] = msgspec.field(default_factory=lambda: list(Scope.values))
    create_users: bool = False

    @property
    def audiences(self) -> list[str]:
        return [self.audience] if isinstance(self.audience, str) else self.audience

    def faults(self) -> list[str]:
        """What is wrong with it, and how to put it right."""
        faults = []
        if not self.issuer:
            faults.append("issuer is empty. Use what its tokens have as iss.")
        if not _is_safe(self.jwks_url):
            faults.append("jwks_url must be an https URL without a password (http only to this machine).")
        if not self.audiences or "" in self.audiences:
            faults.append("audience is empty. Use what its tokens for this server have as aud.")
        if not self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            faults.append(f"algorithms must be some of {', '.join(ALGORITHMS)}.")
        if not set(self.scopes) <= set(Scope.values):
            faults.append(f"scopes must be some of {', '.join(Scope.values)}.")
        return faults


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can put other keys in the place of what is there."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    host = parts.hostname
    if not host or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Issuer:
    def __init__(self, configured: IssuerSettings) -> None:
        self.settings = configured
        self.keys = KeySet(configured.jwks_url, configured.algorithms)


@lru_cache(maxsize=1)
def _parse(configured: str) -> Mapping[str, _Issuer]:
    """The issuers by name. Raises ImproperlyConfigured."""
    try:
        parsed = msgspec.json.decode(configured or "[]", type=list[IssuerSettings])
    except msgspec.MsgspecError as error:
        raise ImproperlyConfigured(f"OUTSIDE_ISSUERS is not a JSON list of issuers: {error}.") from None
    faults = [f"[{number}].{fault}" for number, issuer in enumerate(parsed) for fault in issuer.faults()]
    if faults:
        raise ImproperlyConfigured("OUTSIDE_ISSUERS: " + " ".join(faults))
    issuers = {issuer.issuer: _Issuer(issuer) for issuer in parsed}
    if len(issuers) != len(parsed):
        raise ImproperlyConfigured("OUTSIDE_ISSUERS names an issuer twice. Keep one, with all its audiences.")
    return issuers


def check_settings() -> None:
    """Raise ImproperlyConfigured, which says what to do, if OUTSIDE_ISSUERS is wrong."""
    _parse(settings.OUTSIDE_ISSUERS)


def verify(token: str) -> Claims:
    """What the token says, if it is good. Raises InvalidToken.

    It must have iss, sub, aud, exp and iat (RFC 9068 section 2.2). Keys that the header brings along or points to (jwk,
    jku, x5c, x5u) are ignored, and a header that must be understood (crit) is refused. Fetching the issuer's keys takes
    up to some seconds, when they are first needed and after that rarely.
    """
    issuers = _parse(settings.OUTSIDE_ISSUERS)
    if not issuers:
        raise InvalidToken("no issuers are configured")
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise InvalidToken("too long, or not ASCII")
    try:
        unverified = jwt.decode_complete(token, options={"verify_signature": False})
        header, name = unverified["header"], unverified["payload"].get("iss")
        issuer = issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise InvalidToken("no known issuer")
        return _verify(token, header, issuer)
    except jwt.PyJWTError as error:
        raise InvalidToken(type(error).__name__) from None


def _verify(token: str, header: dict[str, Any], issuer: _Issuer) -> Claims:
    """Raises InvalidToken or jwt.PyJWTError."""
    configured = issuer.settings
    if "crit" in header:
        raise InvalidToken("a header that must be understood")
    algorithm = header.get("alg")
    if algorithm not in configured.algorithms:
        raise InvalidToken("another algorithm")
    key = issuer.keys.find(header.get("kid"), algorithm)
    if key is None:
        raise InvalidToken("no such key")
    claims = jwt.decode(
        token,
        key,
        algorithms=[algorithm],
        audience=configured.audiences,
        issuer=configured.issuer,
        leeway=LEEWAY,
        options={"require": ["iss", "sub", "aud", "exp", "iat"], "enforce_minimum_key_length": True},
    )
    for name in ["exp", "iat", "nbf"]:
        # NumericDate (RFC 7519 section 2). The library takes what int() takes, such as a text or true.
        if name in claims and type(claims[name]) not in (int, float):
            raise InvalidToken(f"{name} is no number")
    subject = claims["sub"]
    if not 0 < len(subject) <= 255 or not is_storable(subject):
        raise InvalidToken("sub can't be kept")
    try:
        issued_at = datetime.fromtimestamp(claims["iat"], UTC)
    except (OverflowError, OSError, ValueError):
        raise InvalidToken("iat is no time") from None
    return Claims(configured.issuer, subject, issued_at, _scopes(claims, configured), configured.create_users)


def _scopes(claims: dict[str, Any], configured: IssuerSettings) -> frozenset[str]:
    """Those of ours, from `scope` (RFC 8693 section 4.2), or else from `scp`, as others name it.

    Either is text, separated by spaces, or a list. Raises InvalidToken.
    """
    granted = claims.get("scope", claims.get("scp", configured.scopes))
    if isinstance(granted, str):
        granted = granted.split(" ")
    if not isinstance(granted, list) or not all(isinstance(scope, str) for scope in granted):
        raise InvalidToken("scope is neither text nor a list of it")
    return frozenset(granted) & frozenset(Scope.values)
