"""Keyset paging: a page starts after a position, not after a number of rows, so each page costs the same."""

import base64
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import BigIntegerField, Model, Q, QuerySet

PAGE_SIZE = 50
PAGE_SIZE_MAX = 100

M = TypeVar("M", bound=Model)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Position(NamedTuple):
    """A place in a list sorted by a time and then by id: after the row with these.

    It names a place, not a row, so it stays right while rows come and go, and it gives away nothing but what the
    caller was shown.
    """

    at: dt.datetime
    id: int

    def to_cursor(self) -> str:
        """The position as an opaque text for a client to hand back."""
        microseconds = (self.at - _EPOCH) // _MICROSECOND
        return base64.urlsafe_b64encode(f"{microseconds}.{self.id}".encode()).decode().rstrip("=")

    @classmethod
    def from_cursor(cls, cursor: str) -> Self:
        """The position that `to_cursor` wrote. Raises ValidationError for any other text."""
        try:
            plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
            match = re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,19})", plain)
            if match:
                position = cls(_EPOCH + int(match[1]) * _MICROSECOND, int(match[2]))
                if position.id <= BigIntegerField.MAX_BIGINT and position.to_cursor() == cursor:
                    return position
        except (ValueError, OverflowError):
            pass
        fault = ValidationError(
            "This is no cursor of this list. Leave `cursor` out to start from the top.", "bad_cursor"
        )
        raise ValidationError({"cursor": fault})


def page(
    rows: QuerySet[M], time: str, *, newest_first: bool, limit: int, cursor: str | None
) -> tuple[list[M], str | None]:
    """At most `limit` rows by the field `time` and then by id, from `cursor` on; and the next page's cursor, if any.

    Raises ValidationError for a text that is no cursor.
    """
    position = None if cursor is None else Position.from_cursor(cursor)
    found = list(beyond(rows, time, position, newest_first=newest_first)[: limit + 1])
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], Position(getattr(last, time), last.pk).to_cursor()


def all_pages(rows: QuerySet[M], time: str, *, limit: int) -> Iterator[M]:
    """All rows by the field `time` and then by id, the oldest first, of which no more than a page is held in memory.

    Each page is a query of its own, so it needs neither a transaction nor a cursor that stays open.
    """
    cursor = None
    while True:
        found, cursor = page(rows, time, newest_first=False, limit=limit, cursor=cursor)
        yield from found
        if cursor is None:
            return


def beyond(rows: QuerySet[M], time: str, position: Position | None, *, newest_first: bool) -> QuerySet[M]:
    """The rows after a position, or all, by the field `time` and then by id."""
    sign = "-" if newest_first else ""
    ordering = [f"{sign}{time}", f"{sign}pk"]
    if position is not None:
        rows = rows.filter(after(ordering, position))
    return rows.order_by(*ordering)


def opposite(ordering: Sequence[str]) -> list[str]:
    """The fields that a list is sorted by from its other end."""
    return [name[1:] if name.startswith("-") else f"-{name}" for name in ordering]


def after(ordering: Sequence[str], place: Sequence[Any]) -> Q:
    """The rows that come after a place in a list.

    ordering: the fields that it is sorted by, all in the same direction. place: the values of these there.
    """
    beyond = "lt" if ordering[0].startswith("-") else "gt"
    fields = [name.removeprefix("-") for name in ordering]
    # Said twice for the index, which finds where the first condition begins.
    first, start = fields[0], place[0]
    alternatives = Q()
    for number, (field, value) in enumerate(zip(fields, place, strict=True)):
        equal = dict(zip(fields[:number], place, strict=False))
        alternatives |= Q(**equal, **{f"{field}__{beyond}": value})
    return Q(**{f"{first}__{beyond}e": start}) & alternatives
