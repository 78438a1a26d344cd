"""What the database holds: people, tasks and tokens, all derived from their numbers, so that any part can be restored.

People are numbered from 1, and have ten tasks each. Task `id` is the person's whose number is (id - 1) % people + 1, so
one person's tasks lie far apart, as they do where people come and go. With `crowded`, there is one person more, who has
CROWD tasks. load.lua relies on the same rules.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TASKS_EACH: Final = 10
CROWD: Final = 100_000
TITLE: Final = "Buy milk, the kind in glass"
DESCRIPTION: Final = "Two litres from the shop round the corner, before it closes at eight."
# Where tasks begin; each is a second younger than the one before.
EPOCH: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
SCOPES: Final = "tasks:read tasks:write"


@dataclass(frozen=True, slots=True)
class Dataset:
    """people: those with ten tasks each. crowded: whether there is one more, who has CROWD tasks. all_called: whether
    everybody called a moment ago, so that no call is anybody's first in an hour."""

    people: int
    crowded: bool = False
    all_called: bool = False

    @property
    def spread_tasks(self) -> int:
        """The tasks of the people who have ten each."""
        return self.people * TASKS_EACH

    @property
    def tasks(self) -> int:
        return self.spread_tasks + (CROWD if self.crowded else 0)

    @property
    def users(self) -> int:
        return self.people + self.crowded

    def owner(self, task_id: int) -> int:
        """The number of the person whose task this is."""
        return (task_id - 1) % self.people + 1 if task_id <= self.spread_tasks else self.people + 1

    def is_completed(self, task_id: int) -> bool:
        """Three in ten are."""
        return (task_id - 1) // self.people % 3 == 1 if task_id <= self.spread_tasks else task_id % 10 < 3

    @property
    def minutes_since_use(self) -> float:
        """The time in minutes over which the tokens' last uses are spread: as if 10,000 people called every hour.

        The server notes a token's use once an hour. With every token unused, each call would cost that write; with
        every token just used, none would.
        """
        return 0.0 if self.all_called else 60 * max(self.users / 10_000, 1.0)


def user_id(number: int) -> str:
    return f"bench-{number:07d}"


def token(number: int) -> str:
    """The person's token, as long as a real one."""
    return f"todo_bench{number:038d}"


def digest(number: int) -> str:
    """What the database knows the token by."""
    return hashlib.sha256(token(number).encode()).hexdigest()


def user_rows(data: Dataset) -> Iterator[tuple[object, ...]]:
    """For the columns (id, username, password, first_name, last_name, email, is_superuser, is_staff, is_active,
    date_joined)."""
    for number in range(1, data.users + 1):
        name = user_id(number)
        yield name, name, "!", "", "", "", False, False, True, EPOCH


def token_rows(data: Dataset) -> Iterator[tuple[object, ...]]:
    """For the columns (user_id, name, digest, scopes, created_at)."""
    for number in range(1, data.users + 1):
        yield user_id(number), "bench", digest(number), SCOPES, EPOCH


def task_row(data: Dataset, id: int) -> tuple[object, ...]:
    """For the columns (id, user_id, title, description, completed, completed_at, created_at, updated_at)."""
    at = EPOCH + dt.timedelta(seconds=id)
    completed = data.is_completed(id)
    return id, user_id(data.owner(id)), TITLE, DESCRIPTION, completed, at if completed else None, at, at
