"""Keyset paging: a page starts after a position, not after a number of rows, so each page costs the same."""

import base64
import datetime as dt
import re
from typing import NamedTuple, Self

from django.core.exceptions import ValidationError
from django.db.models import BigIntegerField

PAGE_SIZE = 50
PAGE_SIZE_MAX = 100

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Position(NamedTuple):
    """A place in a list sorted by a time and then by id, newest first: after the row with these.

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
