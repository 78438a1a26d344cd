"""Made-up people, conversations, and what happens in them, as much as wanted, for trying things out at size.

The same plan makes the same rows, ids and times included, and none that could not come about by use. Messages come in
the order of time, as they do in life: those of one conversation stand between those of others.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from itertools import accumulate
from random import Random
from typing import Any, Final, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import BigIntegerField, Max, Model, Q

from conversations.models import BEGINNING_LENGTH, ChatAccess, Conversation, Message, Note, Role
from mcp_tools.models import Outcome, ToolCall, ToolUse
from mcp_tools.wording import LANGUAGES
from todoproj.users.models import User

# How many rows go to the database at once.
AT_ONCE: Final = 50_000
# For how many messages there is one call of a tool that changed something, or should have.
MESSAGES_A_CALL: Final = 20
# Which share of such calls is refused or fails, of conversations is read by staff, and of those has a note of theirs.
REFUSED: Final = 0.03
READ: Final = 0.1
NOTED: Final = 0.2

_MICROSECOND: Final = dt.timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_TOOLS: Final = ("add_task", "complete_task", "update_task", "delete_task")
_TOOL_WEIGHTS: Final = (50, 30, 12, 8)
_CLIENTS: Final = ("chat", "claude-ai", "cursor", "")
_ERROR_CODES: Final = (400, 404, 500)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make. until, days: the conversations take place in so many days before that time.

    first_id: the ids of conversations, and of what happens in them, are this one and those that follow, for each kind.
    seed: another one makes other rows.
    """

    users: int
    conversations: int
    messages: int
    until: dt.datetime
    days: int = 730
    first_id: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        """Raises ValidationError for what can't be made."""
        for name, least in [("users", 1), ("conversations", 0), ("messages", 0), ("days", 1), ("first_id", 1)]:
            if getattr(self, name) < least:
                raise ValidationError({name: f"Use a number from {least} up."})
        if self.messages and not self.conversations:
            raise ValidationError({"conversations": "Messages need at least one conversation."})
        if self.first_id + max(self.conversations, self.messages) > BigIntegerField.MAX_BIGINT:
            raise ValidationError({"first_id": "There are not so many ids after it. Use a smaller one."})
        try:
            _ = self.joined
        except OverflowError:
            raise ValidationError({"days": "There are not so many before that time. Use fewer."}) from None

    @property
    def began(self) -> dt.datetime:
        """When the first conversations are started, at the earliest."""
        return self.until - dt.timedelta(days=self.days)

    @property
    def joined(self) -> dt.datetime:
        """Since when the people are there."""
        return self.began - dt.timedelta(days=1)


class PersonRow(NamedTuple):
    id: str
    username: str
    email: str
    password: str
    first_name: str
    last_name: str
    is_superuser: bool
    is_staff: bool
    is_active: bool
    date_joined: dt.datetime


class ConversationRow(NamedTuple):
    id: int
    user_id: str
    title: str
    created_at: dt.datetime
    updated_at: dt.datetime
    message_count: int
    last_role: str
    beginning: str
    tool_call_count: int
    error_count: int
    note_count: int


class MessageRow(NamedTuple):
    id: int
    conversation_id: int
    user_id: str
    role: str
    content: str
    created_at: dt.datetime


class ToolCallRow(NamedTuple):
    id: int
    user_id: str
    principal: str
    client_name: str
    conversation_id: int
    tool: str
    arguments: dict[str, Any]
    outcome: str
    duration_ms: float
    task_id: int
    created_at: dt.datetime


# Nobody made up here is staff: notes and accesses are those of somebody who is gone.


class NoteRow(NamedTuple):
    id: int
    conversation_id: int
    text: str
    created_at: dt.datetime


class ChatAccessRow(NamedTuple):
    id: int
    action: str
    person_id: str
    conversation_id: int
    detail: str
    created_at: dt.datetime


class ToolUseRow(NamedTuple):
    day: dt.date
    tool: str
    error_code: int
    calls: int
    total_ms: float
    slowest_ms: float


@dataclass(slots=True)
class Batch:
    """Rows of each table, those first that others refer to."""

    people: list[PersonRow] = field(default_factory=list)
    conversations: list[ConversationRow] = field(default_factory=list)
    messages: list[MessageRow] = field(default_factory=list)
    tool_calls: list[ToolCallRow] = field(default_factory=list)
    notes: list[NoteRow] = field(default_factory=list)
    chat_accesses: list[ChatAccessRow] = field(default_factory=list)
    tool_uses: list[ToolUseRow] = field(default_factory=list)


MODELS: Final[dict[str, type[Model]]] = {
    "people": User,
    "conversations": Conversation,
    "messages": Message,
    "tool_calls": ToolCall,
    "notes": Note,
    "chat_accesses": ChatAccess,
    "tool_uses": ToolUse,
}
# Those whose rows are numbered here.
NUMBERED: Final[list[type[Model]]] = [Conversation, Message, ToolCall, Note, ChatAccess]

# What happens in a conversation, and the part of a batch that takes it.
Happening = MessageRow | ToolCallRow | NoteRow | ChatAccessRow
_PARTS: Final[dict[type, str]] = {
    MessageRow: "messages",
    ToolCallRow: "tool_calls",
    NoteRow: "notes",
    ChatAccessRow: "chat_accesses",
}


def person_id(number: int) -> str:
    """The id of the person of that number, from 1 up."""
    return f"seed-{number:06}"


def batches(plan: Plan) -> Iterator[Batch]:
    """All rows, some at a time. What a row refers to is in the same batch or in an earlier one."""
    maker = _Maker(plan)
    batch = Batch(people=[maker.person(number) for number in range(1, plan.users + 1)])
    # What happens, with its time and place in line; what happens first comes out first.
    happenings: list[tuple[int, int, Happening]] = []
    for conversation, its_own in maker.conversations():
        began = conversation.created_at
        while happenings and happenings[0][2].created_at < began:
            maker.number(heapq.heappop(happenings)[2], batch)
        batch.conversations.append(conversation)
        for happening in its_own:
            heapq.heappush(happenings, happening)
        if len(batch.messages) + len(batch.conversations) >= AT_ONCE:
            yield batch
            batch = Batch()
    while happenings:
        maker.number(heapq.heappop(happenings)[2], batch)
    batch.tool_uses = maker.tool_uses()
    yield batch


class _Maker:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = Random(plan.seed)  # noqa: S311 (made-up data)
        self._last_ids = dict.fromkeys(_PARTS, plan.first_id - 1)
        self._uses: defaultdict[tuple[dt.date, str, int], list[float]] = defaultdict(list)
        self._lined_up = 0

    def person(self, number: int) -> PersonRow:
        name = person_id(number)
        return PersonRow(name, name, f"{name}@example.com", "!", "", "", False, False, True, self._plan.joined)

    def conversations(self) -> Iterator[tuple[ConversationRow, list[tuple[int, int, Happening]]]]:
        """Each with what happens in it, in the order in which they were started: more and more, the later it is."""
        plan, random = self._plan, self._random
        span = plan.days * 86_400 * _SECOND
        languages, weights = zip(*LANGUAGES, strict=True)
        for number, length in enumerate(self._lengths()):
            person = person_id(1 + int(plan.users * random.random() ** 2))
            [language] = random.choices(languages, weights)
            began = int(span * ((number + random.random()) / plan.conversations) ** 0.6)
            yield self._conversation(plan.first_id + number, person, language, began, span, length)

    def _lengths(self) -> Iterator[int]:
        """How many messages each conversation has: most have few, and some very many."""
        plan, random = self._plan, self._random
        weights = list(accumulate(random.lognormvariate(0, 0.9) for _ in range(plan.conversations)))
        before = 0
        for weight in weights:
            until = round(plan.messages * weight / weights[-1])
            yield until - before
            before = until

    def _conversation(
        self, pk: int, person: str, language: Any, began: int, span: int, length: int
    ) -> tuple[ConversationRow, list[tuple[int, int, Happening]]]:
        random = self._random
        title = language.text(random, 2 + int(random.random() * 4))[:-1] if random.random() < 0.8 else ""
        at = began
        happenings: list[tuple[int, int, Happening]] = []

        def happen(at: int, row: Happening) -> None:
            self._lined_up += 1
            happenings.append((at, self._lined_up, row))

        first = last = None
        calls = errors = notes = 0
        for position in range(length):
            is_person = position % 2 == 0
            if position:
                at = max(at + 1, min(at + self._gap(is_person), span))
            role = Role.USER.value if is_person else Role.ASSISTANT.value
            words = 1 + int(random.expovariate(1 / (11 if is_person else 36)))
            content = language.text(random, min(words, 2_000))
            if random.random() < 0.02:
                # What hardly any other message has.
                content += f" {random.randrange(10_000_000)}"
            last = MessageRow(0, pk, person, role, content, self._time(at))
            first = first or last
            if not is_person and random.random() < 2 / MESSAGES_A_CALL:
                # While the answer was being written.
                called_at = at - int(random.random() * _SECOND)
                call = self._call(pk, person, title, called_at)
                if call:
                    happen(called_at, call)
                    calls += 1
                else:
                    errors += 1
            happen(at, last)
        if last and random.random() < READ:
            read_at = self._later(at, span)
            viewed = ChatAccess.Action.VIEWED.value
            happen(read_at, ChatAccessRow(0, viewed, person, pk, "transcript", self._time(read_at)))
            if random.random() < NOTED:
                happen(read_at + 1, NoteRow(0, pk, language.text(random, 12), self._time(read_at + 1)))
                notes = 1
        row = ConversationRow(
            id=pk,
            user_id=person,
            title=title,
            created_at=self._time(began),
            updated_at=last.created_at if last else self._time(began),
            message_count=length,
            last_role=last.role if last else "",
            beginning=first.content[:BEGINNING_LENGTH] if first else "",
            tool_call_count=calls,
            error_count=errors,
            note_count=notes,
        )
        return row, happenings

    def _time(self, at: int) -> dt.datetime:
        """at: microseconds since the first conversations were started."""
        return self._plan.began + at * _MICROSECOND

    def _later(self, at: int, span: int) -> int:
        """Some time within two days."""
        return max(at + 1, min(at + int(self._random.random() * 2 * 86_400 * _SECOND), span))

    def _gap(self, is_person: bool) -> int:
        """Microseconds between a message and the one before."""
        random = self._random
        if is_person and random.random() < 0.05:
            return int(random.random() * 2 * 86_400 * _SECOND)
        return int((2 + random.expovariate(1 / (60 if is_person else 6))) * _SECOND)

    def _call(self, conversation: int, person: str, title: str, at: int) -> ToolCallRow | None:
        """What is kept of a call, besides that it is counted: nothing, if it was refused."""
        random = self._random
        [tool] = random.choices(_TOOLS, _TOOL_WEIGHTS)
        error_code = random.choice(_ERROR_CODES) if random.random() < REFUSED else 0
        duration_ms = round(random.lognormvariate(1.2, 0.6), 3)
        created_at = self._time(at)
        day = created_at.date()
        self._uses[day, tool, error_code].append(duration_ms)
        # Whoever changes a list has looked at it before.
        self._uses[day, "list_tasks", 0].append(round(duration_ms * 0.8, 3))
        if error_code:
            return None
        task = 1 + random.randrange(1_000_000)
        return ToolCallRow(
            id=0,
            user_id=person,
            principal=person,
            client_name=random.choice(_CLIENTS),
            conversation_id=conversation,
            tool=tool,
            arguments={"title": title or "Buy milk"} if tool == "add_task" else {"task_id": task},
            outcome=Outcome.SUCCESS.value,
            duration_ms=duration_ms,
            task_id=task,
            created_at=created_at,
        )

    def number(self, happening: Happening, batch: Batch) -> None:
        """Give what happened the next id of its kind, and put it into the batch."""
        kind = type(happening)
        self._last_ids[kind] += 1
        getattr(batch, _PARTS[kind]).append(happening._replace(id=self._last_ids[kind]))

    def tool_uses(self) -> list[ToolUseRow]:
        return [
            ToolUseRow(*key, calls=len(times), total_ms=round(sum(times), 3), slowest_ms=max(times))
            for key, times in sorted(self._uses.items())
        ]


@transaction.atomic
def seed(
    plan: Plan,
    *,
    on_progress: Callable[[int], None] = lambda messages: None,
    on_step: Callable[[str], None] = lambda what: None,
) -> None:
    """Make all of it, or nothing. Raises ValidationError if some of the rows are there already, or if their ids may be
    taken.

    on_progress: told how many messages there are by then. on_step: told what else is being done.
    """
    _require_room(plan)
    made = 0
    with _indexes_afterwards(on_step):
        for batch in batches(plan):
            for part in fields(Batch):
                _insert(MODELS[part.name], getattr(batch, part.name))
            made += len(batch.messages)
            on_progress(made)
    _move_sequences()


def _require_room(plan: Plan) -> None:
    named_so = Q(pk__startswith="seed-") | Q(username__startswith="seed-") | Q(email__istartswith="seed-")
    if User.objects.filter(named_so).exists():
        raise ValidationError(
            "Made-up people are here already: ids, usernames or addresses begin with `seed-`. Delete them first."
        )
    for model in NUMBERED:
        largest = model._default_manager.aggregate(largest=Max("pk"))["largest"]
        if largest is not None and largest >= plan.first_id:
            raise ValidationError(
                f"{str(model._meta.verbose_name_plural).capitalize()} are here with ids up to {largest}. "
                "Choose a larger --first-id, or an empty database."
            )
    if ToolUse.objects.filter(day__gte=plan.began.date(), day__lte=plan.until.date()).exists():
        raise ValidationError("Uses of tools are counted for these days already. Choose an earlier --until.")


def _insert(model: type[Model], rows: list[Any]) -> None:
    if not rows:
        return
    columns = rows[0]._fields
    if connection.vendor != "postgresql":
        made = (model(**row._asdict()) for row in rows)
        model._default_manager.bulk_create(made, batch_size=1_000)
        return
    from psycopg.types.json import Jsonb

    names = ", ".join(map(connection.ops.quote_name, columns))
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([Jsonb(value) if isinstance(value, dict) else value for value in row])


@contextmanager
def _indexes_afterwards(on_step: Callable[[str], None]) -> Iterator[None]:
    """Tables of PostgreSQL that are empty get their indexes when they are full, which is much faster.

    All in the transaction that there is: should it end half-way, the indexes are as they were.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        # Else what a row refers to would be looked for at the very end, and no index could be made before.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        empty = [model for model in NUMBERED if not model._default_manager.exists()]
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
            "WHERE indrelid = ANY(%s::regclass[]) AND NOT indisunique ORDER BY indexrelid",
            [[model._meta.db_table for model in empty]],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        yield
        cursor.execute("SET LOCAL maintenance_work_mem = '1GB'")
        for name, definition in indexes:
            on_step(f"index {name}")
            cursor.execute(definition)
        on_step("statistics")
        for model in MODELS.values():
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")


def _move_sequences() -> None:
    """Whatever is made next gets an id after those that were given here."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        for model in NUMBERED:
            table = model._meta.db_table
            sequence = f"pg_get_serial_sequence('{table}', 'id')"
            cursor.execute(f"SELECT setval({sequence}, greatest(max(id), nextval({sequence}))) FROM {table}")  # noqa: S608
