"""What happened to people's access: each event is a line in the logs, and a row that staff can browse.

Neither holds a secret: no password, no token, no digest of one; and no name that somebody tried to log in with, which
can be a password in the wrong field.
"""

from __future__ import annotations

import logging
from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_delete
from django.dispatch import receiver

from todoproj import throttling
from todoproj.logs import current_request, current_request_id
from todoproj.text import is_storable
from todoproj.users.models import SecurityEvent, User

logger = logging.getLogger("todoproj.security")

# Of which there is no row.
TOKEN_REFRESHED = "token_refreshed"  # noqa: S105 (no secret)

Kind = SecurityEvent.Kind

_WARNINGS = {Kind.LOGIN_FAILED, Kind.LOCKED_OUT, Kind.TOKEN_REUSED, Kind.PERMISSION_REFUSED}


def record(kind: Kind, *, user_id: str | None = None, client: str = "", detail: str = "") -> None:
    """Log an event, and keep a row of it: in the transaction that is open, if there is one, so that neither the change
    nor the row is there without the other.

    user_id: whom it is about. client: the OAuth client's id. detail: which token, which scope.
    """
    event = _event(kind, user_id, client, detail)
    _log(event)
    event.save(force_insert=True)


def note(kind: str, *, user_id: str | None = None, client: str = "", detail: str = "") -> None:
    """Log an event that comes too often, and says too little, to be kept."""
    _log(_event(kind, user_id, client, detail))


def record_refusal(*, user_id: str, detail: str) -> None:
    """Log that a caller with a good credential was refused, and keep a row of it, unless so many rows of this caller
    were kept in this minute already (REFUSALS_KEPT): nobody can fill the database with them.

    user_id: whom the credential belongs to.
    """
    if throttling.REFUSALS.hit(user_id) is None:
        record(Kind.PERMISSION_REFUSED, user_id=user_id, detail=detail)
    else:
        note(Kind.PERMISSION_REFUSED, user_id=user_id, detail=detail)


def other_person(name: str | None = None) -> str:
    """What a refusal says when a caller named somebody whom they may not act for; without a name, once that one was
    erased."""
    return "for another person" if name is None else f"for another person: {name!a}"[: SecurityEvent.DETAIL_MAX_LENGTH]


def _event(kind: str, user_id: str | None, client: str, detail: str) -> SecurityEvent:
    request = current_request()
    staff = getattr(request, "user", None)
    return SecurityEvent(
        kind=kind,
        user_id=user_id,
        by_id=staff.pk if staff is not None and staff.is_authenticated else None,
        client=client[: SecurityEvent.CLIENT_MAX_LENGTH],
        detail=detail[: SecurityEvent.DETAIL_MAX_LENGTH],
        address=throttling.client_address(request) if request else "",
        request_id=current_request_id() or "",
    )


def _log(event: SecurityEvent) -> None:
    about = {
        "event": event.kind,
        "person": event.user_id,
        "by": event.by_id,
        "client": event.client,
        "detail": event.detail,
        "address": event.address,
    }
    level = logging.WARNING if event.kind in _WARNINGS else logging.INFO
    logger.log(level, "security event", extra={name: value for name, value in about.items() if value})


# --- What Django and django-axes tell of ---------------------------------------------------------------------------


@receiver(user_logged_in)
def _logged_in(user: User, **_: Any) -> None:
    record(Kind.LOGGED_IN, user_id=user.pk)


@receiver(user_logged_out)
def _logged_out(user: User | None, **_: Any) -> None:
    if user is not None:
        record(Kind.LOGGED_OUT, user_id=user.pk)


@receiver(user_login_failed)
def _login_failed(credentials: dict[str, Any], **_: Any) -> None:
    user_id = _known(credentials.get("username"))
    record(Kind.LOGIN_FAILED, user_id=user_id, detail="" if user_id else "no such name")


@receiver(user_locked_out)
def _locked_out(username: str | None, **_: Any) -> None:
    record(Kind.LOCKED_OUT, user_id=_known(username))


def _known(name: object) -> str | None:
    """Whose name or email address somebody tried."""
    if not isinstance(name, str) or not is_storable(name):
        return None
    known = User.objects.with_email(name) or User.objects.filter(username=name).first()
    return known.pk if known else None


@receiver(post_delete, sender=User)
def _deleted(**_: Any) -> None:
    # Neither whom nor from where: nothing is to be left of them.
    event = _event(Kind.ACCOUNT_DELETED, None, "", "")
    event.address = event.request_id = ""
    _log(event)
    event.save(force_insert=True)
