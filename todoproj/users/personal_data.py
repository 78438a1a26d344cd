"""What a person is given when they ask for their own data.

Each app has a source for what it keeps of people. There are no secrets in it, no digests of any, and nothing of anybody
else: not who of the staff did something, nor what staff noted for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from todoproj.keyset import all_pages
from todoproj.users import events
from todoproj.users.events import Kind
from todoproj.users.models import Login, PersonalToken, SecurityEvent, User

Lines = Iterator[dict[str, Any]]

# How many rows of a large table are held in memory at a time.
ROWS_AT_ONCE = 200

_sources: list[Callable[[User], Lines]] = []


def source(function: Callable[[User], Lines]) -> Callable[[User], Lines]:
    """Have a person's lines from this function among their data. Each line has a `kind`."""
    _sources.append(function)
    return function


def download(*, user_id: str) -> Lines:
    """What is a person's own, line by line; that it is given to them is on record first.

    Raises User.DoesNotExist.
    """
    user = User.objects.get(pk=user_id)
    events.record(Kind.DATA_DOWNLOADED, user_id=user_id)
    return chain.from_iterable(lines(user) for lines in _sources)


def fields_of(row: Any, kind: str, *names: str) -> dict[str, Any]:
    """A line of these fields of a row."""
    return {"kind": kind} | {name: getattr(row, name) for name in names}


@source
def _account(user: User) -> Lines:
    yield fields_of(
        user, "account", "id", "username", "email", "first_name", "last_name", "is_staff", "date_joined", "last_login"
    )


@source
def _credentials(user: User) -> Lines:
    for token in all_pages(PersonalToken.objects.filter(user=user), "created_at", limit=ROWS_AT_ONCE):
        yield fields_of(
            token,
            *("personal_token", "id", "name", "scopes"),
            *("created_at", "expires_at", "last_used_at", "revoked_at"),
        )
    for login in all_pages(Login.objects.filter(user=user), "created_at", limit=ROWS_AT_ONCE):
        yield fields_of(login, "login", "id", "scopes", "created_at", "refreshed_at", "expires_at", "revoked_at")


@source
def _events(user: User) -> Lines:
    for event in all_pages(SecurityEvent.objects.filter(user=user), "created_at", limit=ROWS_AT_ONCE):
        line = {"kind": "security_event", "event": event.kind} | {
            name: getattr(event, name) for name in ("detail", "client", "address", "created_at")
        }
        if event.by_id not in {None, user.pk}:
            # Where a member of staff was when they did it is theirs.
            del line["address"]
        yield line
