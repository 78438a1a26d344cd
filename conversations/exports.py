"""Conversations as lines of JSON or CSV: as many as there may be, of which few are in memory at a time.

A line is a message, or a call of a tool that changed something. The newest conversation comes first; the lines of each
are in the order in which things happened. The last line says how many there were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import groupby
from typing import Any

from django.db import models
from django.db.models import QuerySet
from django.db.models.functions import Length

from conversations.accesses import record_access
from conversations.models import ChatAccess, Conversation, Message
from todoproj.formats import CSV_TYPE, JSONL_TYPE, to_csv, to_jsonl, with_end
from todoproj.keyset import all_pages
from todoproj.users.models import User

# How many conversations, how many of their messages and calls, and how much of what these say is held in memory at a
# time.
CONVERSATIONS_AT_ONCE = 1_000
ROWS_AT_ONCE = 200
CHARACTERS_AT_ONCE = 500_000

_OF_ALL = ("kind", "conversation_id", "conversation_title", "person_id", "id", "created_at")
_OF_MESSAGES = ("role", "content", "redacted_at")
_OF_CALLS = ("tool", "arguments", "outcome", "error_code", "duration_ms", "task_id", "client_name", "principal")
# What a line can say: the columns of CSV.
FIELDS = (*_OF_ALL, *_OF_MESSAGES, *_OF_CALLS, "lines")


class Format(models.TextChoices):
    """How an export is written."""

    JSONL = "jsonl", "JSON Lines"
    CSV = "csv", "CSV"


CONTENT_TYPES = {Format.JSONL: JSONL_TYPE, Format.CSV: CSV_TYPE}


def export_conversations(
    *,
    conversations: QuerySet[Conversation],
    format: Format,
    actor: User | None,
    detail: str,
    person_id: str = "",
    conversation_id: int | None = None,
    on_progress: Callable[[Conversation], None] = lambda conversation: None,
) -> Iterator[bytes]:
    """What was said and done in the conversations, in pieces of this format; that it is taken out is on record first.

    Each comes once at most, however its place in any list changes meanwhile. Filters by what changes (last activity,
    who spoke last, errors, notes, title) look at it shortly before its turn comes: one that they don't find by then is
    left out. All others that are there when the first piece is made come, unless they are deleted.

    actor, detail, person_id, conversation_id: as record_access() has them. on_progress: told of each conversation when
    its lines are done.
    """
    record_access(
        actor_id=actor.pk if actor else None,
        action=ChatAccess.Action.EXPORTED,
        person_id=person_id,
        conversation_id=conversation_id,
        detail=f"{format.label}: {detail}",
    )

    def lines() -> Iterator[dict[str, Any]]:
        for conversation, happened in newest_first(conversations):
            yield from lines_of(conversation, happened)
            on_progress(conversation)

    whole = with_end(lines())
    return to_jsonl(whole) if format is Format.JSONL else to_csv(whole, FIELDS)


def lines_of(conversation: Conversation, happened: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """The lines of a conversation, of what happened in it: messages and calls in order."""
    known = {
        "conversation_id": conversation.pk,
        "conversation_title": conversation.title,
        "person_id": conversation.user_id,
    }
    for row in happened:
        kind, names = ("message", _OF_MESSAGES) if isinstance(row, Message) else ("tool_call", _OF_CALLS)
        line = {"kind": kind, **known, "id": row.pk, "created_at": row.created_at}
        yield line | {name: getattr(row, name) for name in names}


def newest_first(conversations: QuerySet[Conversation]) -> Iterator[tuple[Conversation, Iterable[Any]]]:
    """The conversations, each with what happened in it, to be read before the next one: where that is little, it is
    read for several at once.

    By id, since that alone stays while others go on to write: what is active now moves to the top of any list by time.
    """
    ids = conversations.order_by("-pk").values_list("pk", flat=True)
    page = list(ids[:CONVERSATIONS_AT_ONCE])
    while page:
        together: list[Conversation] = []
        rows = 0
        for conversation in Conversation.objects.filter(pk__in=page).order_by("-pk"):
            size = conversation.message_count + conversation.tool_call_count
            if rows + size > ROWS_AT_ONCE:
                yield from _read_together(together)
                together, rows = [], 0
            if size > ROWS_AT_ONCE:
                yield conversation, _read_in_pages(conversation)
            else:
                together.append(conversation)
                rows += size
        yield from _read_together(together)
        page = list(ids.filter(pk__lt=page[-1])[:CONVERSATIONS_AT_ONCE])


def _read_together(conversations: list[Conversation]) -> Iterator[tuple[Conversation, Iterable[Any]]]:
    each = (rows.filter(conversation__in=conversations) for rows in _happening())
    happened = groupby(
        _merged(rows.order_by("-conversation", "created_at", "pk") for rows in each),
        key=lambda row: row.conversation_id,
    )
    upcoming, rows = next(happened, (None, ()))
    for conversation in conversations:
        if conversation.pk == upcoming:
            yield conversation, rows
            upcoming, rows = next(happened, (None, ()))
        else:
            yield conversation, ()


def _read_in_pages(conversation: Conversation) -> Iterable[Any]:
    each = (rows.filter(conversation=conversation) for rows in _happening())
    return _merged(all_pages(rows, "created_at", limit=ROWS_AT_ONCE) for rows in each)


def _happening() -> list[QuerySet[Any]]:
    """What happens in conversations: messages without what they say, and calls of tools, which are known here by their
    relation alone."""
    calls: Any = Conversation._meta.get_field("tool_calls").related_model
    return [Message.objects.defer("content").annotate(length=Length("content")), calls._default_manager.all()]


def _merged(each: Iterable[Iterable[Any]]) -> Iterator[Any]:
    messages, calls = each
    return merge(_whole(messages), calls, key=lambda row: (-row.conversation_id, row.created_at))


def _whole(messages: Iterable[Any]) -> Iterator[Message]:
    """The messages with what they say. One can be as long as a book, so some are read at a time, by their lengths.
    Those that are gone by then are left out."""
    several: list[int] = []
    characters = 0
    for message in messages:
        if len(several) == ROWS_AT_ONCE or (several and characters + message.length > CHARACTERS_AT_ONCE):
            yield from _in_this_order(several)
            several, characters = [], 0
        several.append(message.pk)
        characters += message.length
    yield from _in_this_order(several)


def _in_this_order(ids: list[int]) -> Iterator[Message]:
    found = Message.objects.in_bulk(ids)
    return (found[pk] for pk in ids if pk in found)
