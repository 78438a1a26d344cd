"""What an agent changes is written down with the change: there is neither without the other.

PostgreSQL does both in the one statement that the change is. SQLite, which can't, does them in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import BigIntegerField, F
from django.utils import timezone

from conversations.models import Conversation
from mcp_tools.models import ToolCall
from mcp_tools.protocol import JSON, META_CLIENT_INFO, encode
from todoproj.connections import thread_connection
from todoproj.statements import execute
from todoproj.text import is_storable
from todoproj.users.principals import Caller, Person

logger = logging.getLogger(__name__)

# In `_meta` of a call: the id of the conversation that it was made in.
META_CONVERSATION: Final = "todoproj/conversation_id"

# Characters of a text among the arguments that are kept, and of a client's name.
ARGUMENT_KEPT: Final = 200
CLIENT_NAME_KEPT: Final = 100


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of a call, should it change something.

    meta: the `_meta` that came with it. conversation_id: the one that it names there, if any. started: when it
    arrived, by time.perf_counter().
    """

    tool: str
    arguments: dict[str, JSON]
    caller: Caller
    meta: dict[str, JSON]
    conversation_id: int | None
    started: float

    @property
    def kept_arguments(self) -> dict[str, JSON]:
        """The arguments, with what is long cut off."""
        return {name: _shortened(value) for name, value in self.arguments.items() if value is not None}

    @property
    def client_name(self) -> str:
        """What the client calls itself: in `_meta`, or else as the transport has heard; empty if nowhere."""
        info = self.meta.get(META_CLIENT_INFO)
        name = info.get("name") if isinstance(info, dict) else None
        if not isinstance(name, str):
            name = self.caller.client_name
        return name[:CLIENT_NAME_KEPT] if is_storable(name) else ""

    @property
    def elapsed_ms(self) -> float:
        return (perf_counter() - self.started) * 1000


def conversation_named(meta: dict[str, JSON]) -> int | None:
    """The conversation that a call says it was made in, if it says one; 0 for a number that none has.

    Raises ValidationError for what is no id.
    """
    named = meta.get(META_CONVERSATION)
    if named is None:
        return None
    if isinstance(named, str) and named.isascii() and named.isdecimal() and len(named) < 20:
        named = int(named)
    if isinstance(named, int) and not isinstance(named, bool):
        return named if 0 < named <= BigIntegerField.MAX_BIGINT else 0
    fault = ValidationError("In `_meta`, give the id of a conversation, such as 7, or leave it out.", "wrong_type")
    raise ValidationError({META_CONVERSATION: fault})


def count_refusal(caller: Caller, user_id: JSON, conversation_id: int) -> None:
    """Count, in the conversation that a call named, that it was refused or failed: if it is one of the person's.

    user_id: the argument, if it was given. The caller is authenticated. Raises nothing if the database fails.
    """
    principal = caller.principal
    if user_id is None:
        user_id = principal.on_behalf_of or principal.user_id
    if isinstance(user_id, str) and principal.may_act_for(user_id):
        named = Conversation.objects.owned_by(user_id).filter(pk=conversation_id)
        try:
            named.update(error_count=F("error_count") + 1)
        except DatabaseError:
            logger.warning("a refused call could not be counted", exc_info=True)


class RecordedPerson(Person):
    """A person for whom a call is made that is to be written down; and only if the conversation it names is theirs.

    Raises Conversation.DoesNotExist for any other, whether or not there is one, before anything is done.
    """

    def __init__(self, person: Person, record: Record) -> None:
        self._person = person
        self._record = record
        self.query, self.params = person.query, person.params
        if record.conversation_id is not None:
            self.query = _having_conversation(person.query)
            self.params = [*person.params, record.conversation_id]

    def change(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        if thread_connection().vendor != "postgresql":
            return self._change_and_record(sql, params)
        record = self._record
        conversation_id = record.conversation_id
        values = [
            *(*self.params, *params),
            *(record.caller.user_id, record.client_name, conversation_id, record.tool),
            *(encode(record.kept_arguments).decode(), record.elapsed_ms, timezone.now()),
        ]
        if conversation_id is not None:
            values.append(conversation_id)
        rows = execute(_recording(self.query, sql, conversation_id is not None), values)
        if rows:
            self.found(*rows[0][-2:])
            return rows
        closer = self.explain()
        return rows if closer is None else closer.change(sql, params)

    @transaction.atomic
    def _change_and_record(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        record = self._record
        rows = self.execute(sql, params)
        if rows:
            task_id, user_id = rows[0][0], rows[0][-2]
            ToolCall.objects.create(
                user_id=user_id,
                principal=record.caller.user_id or user_id,
                client_name=record.client_name,
                conversation_id=record.conversation_id,
                tool=record.tool,
                arguments=record.kept_arguments,
                duration_ms=record.elapsed_ms,
                task_id=task_id,
            )
            if record.conversation_id is not None:
                named = Conversation.objects.filter(pk=record.conversation_id)
                named.update(tool_call_count=F("tool_call_count") + 1)
        return rows

    def found(self, user_id: str, unused: int | None) -> None:
        self._person.found(user_id, unused)

    def explain(self) -> Person | None:
        closer = self._person.explain()
        if closer is not None:
            return RecordedPerson(closer, self._record)
        if self._record.conversation_id is not None and not execute(self.query, self.params):
            raise Conversation.DoesNotExist
        return None


@lru_cache(maxsize=64)
def _having_conversation(query: str) -> str:
    """The person, if they have a conversation: its id is the last parameter."""
    return f"""SELECT found.* FROM ({query}) found
JOIN conversations ON conversations.id = %s AND conversations.user_id = found.id"""


@lru_cache(maxsize=256)
def _recording(query: str, sql: str, names_conversation: bool) -> str:
    """A statement that changes something and writes it down.

    Its parameters, after those of the two: principal (null for the person), client_name, conversation_id, tool,
    arguments as JSON, milliseconds so far, created_at, and the conversation's id once more if there is one.
    """
    counted = ""
    if names_conversation:
        # Whoever deletes it meanwhile comes before or after.
        query = f"{query} FOR KEY SHARE OF conversations"
        counted = """, counted AS (
    UPDATE conversations SET tool_call_count = tool_call_count + 1 WHERE id = %s AND EXISTS (SELECT 1 FROM changed)
)"""
    return f"""WITH person AS ({query}), changed AS ({sql}), logged AS (
    INSERT INTO tool_calls (
        user_id, principal, client_name, conversation_id, tool, arguments, outcome, duration_ms, task_id, created_at
    )
    SELECT person_id, COALESCE(%s, person_id), %s, %s, %s, CAST(%s AS jsonb), 'success',
        %s + 1000 * EXTRACT(EPOCH FROM clock_timestamp() - statement_timestamp()), id, %s
    FROM changed
){counted} SELECT * FROM changed"""


def _shortened(value: JSON) -> JSON:
    return f"{value[:ARGUMENT_KEPT]}…" if isinstance(value, str) and len(value) > ARGUMENT_KEPT else value
