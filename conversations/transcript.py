"""A conversation as it went, page by page: what was said, what the agent did meanwhile, and what staff noted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db.models import BigIntegerField, QuerySet
from django.db.models.functions import Left, Length
from django.utils.safestring import SafeString

from conversations.markdown import Steps, to_html
from conversations.models import Conversation
from todoproj.keyset import Position, beyond

# Entries of a page.
PAGE_SIZE = 50
# Of a page that is opened at a message: how many of them come before it.
CONTEXT = 10
# How much of a message a page shows: characters.
SHOWN_LENGTH = 20_000
# How much work it takes to lay out its messages as Markdown: steps of the parser. Those that come when there are none
# left are shown as they were written.
STEPS_OF_A_PAGE = 150_000
# From how many characters, or lines, on a message is folded.
FOLDED_LENGTH = 3_000
FOLDED_LINES = 50
# How much of a folded one is seen: characters.
FOLDED_SHOWN = 300

# Which page: the parameters of its address.
OLDEST, AFTER, BEFORE, AT = "oldest", "after", "before", "message"


class Kind(StrEnum):
    """What an entry is. Of the same microsecond, they come in this order, which is that of the words."""

    CALL = "call"
    MESSAGE = "message"
    NOTE = "note"


class Place(NamedTuple):
    """Where an entry is: entries are sorted by their places."""

    at: datetime
    kind: Kind
    id: int

    def among(self, kind: Kind) -> Position:
        """The place in the list of all entries of one kind."""
        if kind == self.kind:
            return Position(self.at, self.id)
        return Position(self.at, 0 if kind > self.kind else BigIntegerField.MAX_BIGINT)

    def to_cursor(self) -> str:
        """The place as a text for an address."""
        return f"{self.kind}.{Position(self.at, self.id).to_cursor()}"

    @classmethod
    def from_cursor(cls, cursor: str) -> Self:
        """The place that `to_cursor` wrote. Raises ValidationError for any other text."""
        kind, _, position = cursor.partition(".")
        if kind not in list(Kind):
            raise ValidationError("This is no place in a conversation.", "bad_cursor")
        at, pk = Position.from_cursor(position)
        return cls(at, Kind(kind), pk)


class Body(NamedTuple):
    """What a message says, to be shown. beginning: of one that is folded. is_cut: whether this is not all of it."""

    html: SafeString
    beginning: str
    is_cut: bool


class Entry(NamedTuple):
    """A message, a call of a tool or a note. day: in the reader's zone."""

    place: Place
    row: Any
    day: date
    body: Body | None

    @property
    def anchor(self) -> str:
        return f"{self.place.kind}-{self.place.id}"

    @property
    def arguments(self) -> str:
        """Those of a call, at most so much of them as of a message."""
        return json.dumps(self.row.arguments, ensure_ascii=False, indent=2)[:SHOWN_LENGTH]


class Page(NamedTuple):
    """Some entries, the oldest first. earlier, later: what the address of the page before, or after, asks for."""

    entries: list[Entry]
    earlier: dict[str, str] | None
    later: dict[str, str] | None


def read_page(conversation: Conversation, wanted: Mapping[str, str], zone: ZoneInfo) -> Page:
    """The page that the parameters of an address ask for; without any, the newest.

    Raises ValidationError for a place that there is none of in this conversation.
    """
    if AT in wanted:
        place = _place_of(conversation, wanted[AT])
        earlier = _beyond(conversation, place, newest_first=True, limit=CONTEXT + 1)
        later = _beyond(
            conversation, place._replace(id=place.id - 1), newest_first=False, limit=PAGE_SIZE + 1 - CONTEXT
        )
        is_first, is_last = len(earlier) <= CONTEXT, len(later) <= PAGE_SIZE - CONTEXT
        found = [*reversed(earlier[:CONTEXT]), *later[: PAGE_SIZE - CONTEXT]]
    elif AFTER in wanted or OLDEST in wanted:
        after = Place.from_cursor(wanted[AFTER]) if AFTER in wanted else None
        found = _beyond(conversation, after, newest_first=False, limit=PAGE_SIZE + 1)
        is_first, is_last = after is None, len(found) <= PAGE_SIZE
        found = found[:PAGE_SIZE]
    else:
        before = Place.from_cursor(wanted[BEFORE]) if BEFORE in wanted else None
        found = _beyond(conversation, before, newest_first=True, limit=PAGE_SIZE + 1)
        is_first, is_last = len(found) <= PAGE_SIZE, before is None
        found = found[:PAGE_SIZE][::-1]
    return Page(
        _entries(found, zone),
        None if is_first or not found else {BEFORE: found[0][0].to_cursor()},
        None if is_last or not found else {AFTER: found[-1][0].to_cursor()},
    )


def _place_of(conversation: Conversation, number: str) -> Place:
    messages = conversation.messages.values_list("created_at", "pk")
    found = messages.filter(pk=number).first() if re.fullmatch(r"[0-9]{1,18}", number) else None
    if found is None:
        raise ValidationError("There is no such message in this conversation.", "no_such_message")
    at, pk = found
    return Place(at, Kind.MESSAGE, pk)


def _beyond(
    conversation: Conversation, place: Place | None, *, newest_first: bool, limit: int
) -> list[tuple[Place, Any]]:
    """At most so many rows of all kinds, from a place on or from the first one."""
    messages = conversation.messages.defer("content").annotate(
        shown=Left("content", SHOWN_LENGTH), length=Length("content")
    )
    sources: dict[Kind, QuerySet[Any]] = {
        Kind.CALL: conversation.tool_calls.all(),
        Kind.MESSAGE: messages,
        Kind.NOTE: conversation.notes.select_related("author"),
    }
    found = [
        (Place(row.created_at, kind, row.pk), row)
        for kind, rows in sources.items()
        for row in beyond(rows, "created_at", place and place.among(kind), newest_first=newest_first)[:limit]
    ]
    return sorted(found, reverse=newest_first, key=lambda pair: pair[0])[:limit]


def _entries(found: Sequence[tuple[Place, Any]], zone: ZoneInfo) -> list[Entry]:
    entries, steps = [], Steps(STEPS_OF_A_PAGE)
    for place, row in found:
        body = None
        if place.kind == Kind.MESSAGE:
            body = Body(
                to_html(row.shown, steps),
                row.shown[:FOLDED_SHOWN] if _is_long(row.shown) else "",
                is_cut=row.length > SHOWN_LENGTH,
            )
        entries.append(Entry(place, row, place.at.astimezone(zone).date(), body))
    return entries


def _is_long(text: str) -> bool:
    return len(text) > FOLDED_LENGTH or text.count("\n") >= FOLDED_LINES
