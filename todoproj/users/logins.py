"""The rules for logging in with a password, and for the tokens that an app holds by it."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from todoproj.users import events, jwts
from todoproj.users.events import Kind
from todoproj.users.models import Login, Scope, User


class TokenPair(NamedTuple):
    """What an app gets for a login. expires_in: seconds for which the access token is good."""

    access: str
    refresh: str
    expires_in: int


class LogInRefused(Exception):
    """The person was deactivated, or cut off, after their password was checked."""


class RefreshRefused(Exception):
    """The refresh token is no good, or no longer; so the person must log in again."""


@transaction.atomic
def log_in(*, user: User) -> TokenPair:
    """A new login of an active person, whose password has been checked.

    Checking takes a while. Raises LogInRefused if the person was deactivated meanwhile, or has another password.
    """
    if not User.objects.hold(user):
        raise LogInRefused
    now = timezone.now()
    login = Login.objects.create(
        user=user,
        scopes=" ".join(Scope.values),
        refresh_id=_new_refresh_id(),
        created_at=now,
        refreshed_at=now,
        expires_at=now + settings.REFRESH_TOKEN_LIFETIME,
    )
    events.record(Kind.TOKEN_ISSUED, user_id=user.pk, detail=f"login {login}")
    return _tokens(login)


def refresh(*, token: str) -> TokenPair:
    """The next pair of tokens; the one given is good no more.

    Raises RefreshRefused. Whoever comes with a token that was used before has taken it from somebody, or is the one
    whom it was taken from: the whole login ends, since nobody can tell which (RFC 9700 section 4.14.2).
    """
    try:
        claims = jwts.verify("refresh", token)
        login_id, refresh_id = int(claims["login"]), str(claims["jti"])
    except (jwts.InvalidToken, KeyError, TypeError, ValueError):
        raise RefreshRefused from None
    now = timezone.now()
    next_id = _new_refresh_id()
    theirs = Login.objects.filter(pk=login_id, user_id=claims["sub"], revoked_at=None)
    with transaction.atomic():
        # Of any number of callers at once, the database lets one change the row. It looks again at what it had to wait
        # for: so the condition is on this row alone.
        theirs.filter(refresh_id=refresh_id, expires_at__gt=now).update(
            refresh_id=next_id, refreshed_at=now, expires_at=now + settings.REFRESH_TOKEN_LIFETIME
        )
        login = theirs.select_related("user").filter(refresh_id=next_id).first()
    if login is None:
        if theirs.exclude(refresh_id=refresh_id).revoke():
            events.record(Kind.TOKEN_REUSED, user_id=claims["sub"], detail=f"login #{login_id}, which ended")
        raise RefreshRefused
    if not (login.user.is_active and login.user.issued_in_time(login.created_at)):
        theirs.revoke()
        raise RefreshRefused
    events.note(events.TOKEN_REFRESHED, user_id=login.user_id, detail=f"login {login}")
    return _tokens(login)


def log_out(*, token: str) -> None:
    """End the login that a refresh token belongs to, with its access tokens. One that is no good changes nothing."""
    try:
        claims = jwts.verify("refresh", token)
        login_id = int(claims["login"])
    except (jwts.InvalidToken, TypeError, ValueError):
        return
    with transaction.atomic():
        if Login.objects.filter(pk=login_id, user_id=claims["sub"]).revoke():
            events.record(Kind.TOKEN_REVOKED, user_id=claims["sub"], detail=f"login #{login_id}")


@transaction.atomic
def log_out_everywhere(*, user_id: str) -> None:
    """Cut off everything that was issued to a person until now: every kind of token, and browsers."""
    User.objects.lock(user_id)
    User.objects.filter(pk=user_id).update(tokens_valid_from=timezone.now())
    Login.objects.filter(user_id=user_id).revoke()
    events.record(Kind.LOGGED_OUT_EVERYWHERE, user_id=user_id)


def remove_ended() -> int:
    """Remove the logins that can't be refreshed any more, whose access tokens are void, too; the number of them."""
    return Login.objects.filter(Q(expires_at__lte=timezone.now()) | Q(revoked_at__isnull=False)).delete()[0]


def _new_refresh_id() -> str:
    return secrets.token_hex(16)


def _tokens(login: Login) -> TokenPair:
    about = {"sub": login.user_id, "login": login.pk}
    lifetime = settings.ACCESS_TOKEN_LIFETIME
    return TokenPair(
        access=jwts.sign("access", lifetime=lifetime, **about),
        refresh=jwts.sign("refresh", lifetime=settings.REFRESH_TOKEN_LIFETIME, jti=login.refresh_id, **about),
        expires_in=int(lifetime.total_seconds()),
    )
