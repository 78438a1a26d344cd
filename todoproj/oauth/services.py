"""The rules for whom apps act for, and until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Max, Min, Q
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken, refresh_token_expire_timedelta

from todoproj.users import events
from todoproj.users.events import Kind
from todoproj.users.models import Scope, User

# Longer than anybody is away who then finds their client as they left it.
IDLE_CLIENT_LIFETIME = timedelta(days=365)


@receiver(post_save, sender=Application)
def _registered(instance: Any, created: bool, **_: Any) -> None:
    """However a client came: by registration, by its document, or by staff."""
    if created:
        detail = f"{instance.registration_source}, {instance.authorization_grant_type}"
        events.record(Kind.CLIENT_REGISTERED, user_id=instance.user_id, client=instance.client_id, detail=detail)


@transaction.atomic
def revoke_tokens(*, tokens: Iterable[Any], detail: str = "") -> None:
    """Revoke access tokens and refresh tokens, each with all that came from the same consent: so that what a client, or
    somebody who took it from there, has refreshed meanwhile does not escape.

    detail: who did it, for the record.
    """
    for token in tokens:
        if _revoke(token):
            client = token.application
            user_id = token.user_id or (client and client.user_id)
            client_id = client.client_id if client else ""
            events.record(Kind.TOKEN_REVOKED, user_id=user_id, client=client_id, detail=detail)


def _revoke(token: Any) -> bool:
    """Whether there was anything left to revoke."""
    refresh_token = token
    if isinstance(token, AccessToken):
        refresh_token = RefreshToken.objects.filter(access_token=token).first()
    if refresh_token is None:
        token.revoke()
        return True
    is_live: bool = RefreshToken.objects.filter(token_family=refresh_token.token_family, revoked=None).exists()
    RefreshToken.revoke_family(refresh_token.token_family)
    return is_live


def has_access(user: User, *, since: datetime) -> bool:
    """Whether what was granted then still acts for the person."""
    return user.is_active and user.issued_in_time(since)


@dataclass(frozen=True)
class ConnectedApp:
    """A client that can act for a person.

    hosts: where it sends the person back to. since: its first grant that is known. last_token: when it got its newest.
    """

    application: Any
    hosts: list[str]
    scopes: list[str]
    since: datetime
    last_token: datetime


def connected_apps(*, user: User) -> list[ConnectedApp]:
    """What can act for the person now, the one that got a token last first."""
    now = timezone.now()
    refreshable = Q(refresh_token__isnull=False, refresh_token__revoked=None)
    held = AccessToken.objects.filter(
        Q(expires__gt=now) | refreshable & Q(expires__gt=now - refresh_token_expire_timedelta()),
        user=user,
        application__isnull=False,
    )
    scopes: dict[int, set[str]] = {}
    for application_id, scope in held.values_list("application_id", "scope"):
        scopes.setdefault(application_id, set()).update(scope.split())
    tokens = RefreshToken.objects.filter(user=user, application__in=scopes).values("application_id")
    times = {row["application_id"]: row for row in tokens.annotate(first=Min("created"), last=Max("created"))}
    apps = [
        ConnectedApp(
            application,
            sorted({redirect_target(uri) for uri in application.redirect_uris.split()}),
            scopes_in_words(scopes[application.pk]),
            times[application.pk]["first"],
            times[application.pk]["last"],
        )
        for application in Application.objects.filter(pk__in=times)
    ]
    return sorted(apps, key=lambda app: app.last_token, reverse=True)


@transaction.atomic
def disconnect_app(*, user: User, application_id: int) -> None:
    """Take everything from an app that it could act for the person with; from now on it is refused."""
    theirs = {"user": user, "application_id": application_id}
    Grant.objects.filter(**theirs).delete()
    now = timezone.now()
    RefreshToken.objects.filter(**theirs, revoked=None).update(revoked=now, updated=now)
    AccessToken.objects.filter(**theirs).delete()
    client = Application.objects.filter(pk=application_id).values_list("client_id", flat=True).first()
    if client:
        events.record(Kind.APP_DISCONNECTED, user_id=user.pk, client=client)


def remove_idle_clients() -> int:
    """Delete the clients that registered themselves over a year ago and hold nothing; the number of them.

    Anybody can register one, and most are never connected. One that is used again after so long registers again.
    """
    idle = Application.objects.filter(
        registration_source=Application.RegistrationSource.DCR,
        created__lt=timezone.now() - IDLE_CLIENT_LIFETIME,
        grant=None,
        accesstoken=None,
        refreshtoken=None,
    )
    removed, _ = idle.delete()
    return removed


def scopes_in_words(scopes: Iterable[str]) -> list[str]:
    return [str(scope.label) for scope in Scope if scope in scopes]


def redirect_target(uri: str) -> str:
    """Whom a redirect URI leads to, without the path, for people to read: `https://app.example.com`."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"
