"""The rules for tasks, whoever asks: an agent, an app or a member of staff.

Each takes the Person whose list it is, and raises, besides what it says: what `Person.execute` raises,
django.core.exceptions.ValidationError with the field's name for a value that can't be kept, and Task.DoesNotExist for a
task that is not this person's, whether or not it is somebody else's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import BigIntegerField
from django.utils import timezone

from tasks import statements
from tasks.models import Status, Task
from todoproj.keyset import Position
from todoproj.statements import to_datetime
from todoproj.users.principals import Person

# The fields that people write, which know what may be in them.
_FIELDS: dict[str, Any] = {name: Task._meta.get_field(name) for name in ["title", "description"]}


class TaskRow(msgspec.Struct, frozen=True):
    """A task as it is in the database."""

    id: int
    title: str
    description: str
    completed: bool
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


def add_task(*, person: Person, title: str, description: str = "") -> TaskRow:
    """A new pending task. The title is stripped of white space around it, and must not be blank."""
    kept = _kept({"title": title, "description": description})
    now = timezone.now()
    return _one(person, statements.ADD, [kept["title"], kept["description"], now, now])


def get_task(*, person: Person, task_id: int) -> TaskRow:
    """One task."""
    return _one(person, statements.GET, [task_id], task_id, changes=False)


def list_tasks(
    *, person: Person, status: str = Status.ALL, limit: int, cursor: str | None = None
) -> tuple[list[TaskRow], str | None]:
    """At most `limit` tasks, newest first and then by id, from `cursor` on; and the next page's cursor, if any.

    Raises ValidationError for a text that is no cursor.
    """
    after = () if cursor is None else Position.from_cursor(cursor)
    rows = person.execute(statements.PAGE[status, bool(after)], [*after, limit + 1])
    found = _tasks(rows[:limit])
    more = len(rows) > limit
    return found, Position(found[-1].created_at, found[-1].id).to_cursor() if more else None


def list_completed(*, person: Person, since: datetime, limit: int) -> list[TaskRow]:
    """At most `limit` tasks that were completed at that time or later, the last one first."""
    return _tasks(person.execute(statements.COMPLETED_SINCE, [since, limit]))


def newest_task_ids(*, person: Person, limit: int) -> tuple[list[int], bool]:
    """The ids of at most `limit` tasks, newest first, and whether there are older ones."""
    rows = person.execute(statements.NEWEST_IDS, [limit + 1])
    return [row[0] for row in rows[:limit]], len(rows) > limit


def complete_task(*, person: Person, task_id: int) -> tuple[TaskRow, bool]:
    """The completed task, and whether this call completed it: doing it again changes nothing, not even a time."""
    now = timezone.now()
    try:
        return _one(person, statements.COMPLETE, [now, now, task_id], task_id), True
    except Task.DoesNotExist:
        return get_task(person=person, task_id=task_id), False


def delete_task(*, person: Person, task_id: int) -> TaskRow:
    """The task as it was: it is gone for good."""
    return _one(person, statements.DELETE, [task_id], task_id)


def update_task(
    *, person: Person, task_id: int, title: str | None = None, description: str | None = None
) -> tuple[TaskRow, list[str]]:
    """The changed task, and the names of the fields that were given. None leaves a field alone; "" clears the
    description. Raises ValidationError if nothing was given to change."""
    given = {"title": title, "description": description}
    kept = _kept({name: value for name, value in given.items() if value is not None})
    if not kept:
        raise ValidationError("Nothing to change. Give `title`, `description` or both.", "nothing_to_change")
    values = [*kept.values(), timezone.now(), task_id]
    return _one(person, statements.UPDATE[tuple(kept)], values, task_id), list(kept)


def _kept(given: Mapping[str, str]) -> dict[str, str]:
    """The values as they are kept, once the model's fields have found nothing wrong with them."""
    kept, refused = {}, {}
    for name, value in given.items():
        try:
            kept[name] = _FIELDS[name].clean(value.strip() if name == "title" else value, None)
        except ValidationError as error:
            refused[name] = error
    if refused:
        raise ValidationError(refused)
    return kept


def _one(person: Person, statement: str, params: Sequence[Any], task_id: int = 0, *, changes: bool = True) -> TaskRow:
    """The one task that a statement is about."""
    # No task has a larger id, and to ask the database for one would be an error.
    if task_id > BigIntegerField.MAX_BIGINT:
        closer = person.explain()
        if closer is not None:
            closer.explain()
        raise Task.DoesNotExist
    rows = (person.change if changes else person.execute)(statement, params)
    if not rows:
        raise Task.DoesNotExist
    return _tasks(rows)[0]


def _tasks(rows: Sequence[Sequence[Any]]) -> list[TaskRow]:
    width = len(TaskRow.__struct_fields__)
    tasks = [TaskRow(*row[:width]) for row in rows]
    if tasks and not (isinstance(tasks[0].created_at, datetime) and tasks[0].created_at.tzinfo):
        # As SQLite gives them.
        tasks = [TaskRow(*(*row[:3], bool(row[3]), *map(to_datetime, row[4:width]))) for row in rows]
    return tasks
