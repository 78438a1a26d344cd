"""The bench's databases on PostgreSQL: a template, made once, and a copy of it for each server's round."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from bench import ROOT
from bench.dataset import DESCRIPTION, EPOCH, SCOPES, TITLE, Dataset

# Only databases whose name starts so are ever dropped.
PREFIX: Final = "todoproj_bench"

# The rules of dataset.py in SQL, over a series of numbers `n`.
_OWNER = "CASE WHEN n <= {spread} THEN (n - 1) % {people} + 1 ELSE {people} + 1 END"
_COMPLETED = "CASE WHEN n <= {spread} THEN (n - 1) / {people} % 3 = 1 ELSE n % 10 < 3 END"
_AT = "timestamptz {epoch} + n * interval '1 second'"
_INSERT_USERS = """
    INSERT INTO users (id, username, password, first_name, last_name, email, is_superuser, is_staff, is_active,
        date_joined)
    SELECT 'bench-' || lpad(n::text, 7, '0'), 'bench-' || lpad(n::text, 7, '0'), '!', '', '', '', false, false, true,
        {epoch}
    FROM generate_series(1, {users}) n"""
_INSERT_TOKENS = """
    INSERT INTO personal_tokens (user_id, name, digest, scopes, created_at)
    SELECT 'bench-' || lpad(n::text, 7, '0'), 'bench',
        encode(sha256(convert_to('todo_bench' || lpad(n::text, 38, '0'), 'UTF8')), 'hex'), {scopes}, {epoch}
    FROM generate_series(1, {users}) n"""
_INSERT_TASKS = f"""
    INSERT INTO tasks (id, user_id, title, description, completed, completed_at, created_at, updated_at)
    SELECT n, 'bench-' || lpad(({_OWNER})::text, 7, '0'), {{title}}, {{description}}, {_COMPLETED},
        CASE WHEN {_COMPLETED} THEN {_AT} END, {_AT}, {_AT}
    FROM generate_series(1, {{tasks}}) n
    WHERE NOT EXISTS (SELECT FROM tasks WHERE id = n)"""  # noqa: S608 (constants of this module)
_RESTORE_TASKS = f"""
    UPDATE tasks SET title = {{title}}, description = {{description}}, completed = {_COMPLETED},
        completed_at = CASE WHEN {_COMPLETED} THEN {_AT} END, updated_at = created_at
    FROM (SELECT id AS n FROM tasks WHERE updated_at <> created_at) changed WHERE id = n"""  # noqa: S608
_RESTORE_TOKENS = """
    UPDATE personal_tokens SET last_used_at = now() - id % 6000 / 6000.0 * {minutes} * interval '1 minute'"""


class PostgreSQL:
    """Makes databases next to the one that `url` names, which is the one that servers use."""

    vendor = "PostgreSQL"

    def __init__(self, url: str, data: Dataset) -> None:
        self.url = url
        self.data = data
        self.name = urlsplit(url).path.removeprefix("/")
        self.template = f"{self.name}_template"
        if not self.name.startswith(PREFIX):
            raise SystemExit(f"The database is dropped and made anew, so its name must start with {PREFIX}.")

    def make(self) -> None:
        """Make the template: the project's own migrations, then the data."""
        self._recreate(self.template)
        url = self._url(self.template)
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, check=True)  # noqa: S603 (our own)
        with psycopg.connect(url, autocommit=True) as connection:
            # It would start at a moment of its own choosing, in one server's measurement and not in another's.
            for table in ["tasks", "personal_tokens"]:
                connection.execute(
                    sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = false)").format(sql.Identifier(table))
                )
            for statement in [_INSERT_USERS, _INSERT_TOKENS, _INSERT_TASKS]:
                connection.execute(self._filled(statement))
            connection.execute("SELECT setval(pg_get_serial_sequence('tasks', 'id'), max(id)) FROM tasks")
            connection.execute(self._filled(_RESTORE_TOKENS))
            connection.execute("VACUUM (FREEZE, ANALYZE)")
            connection.execute("CHECKPOINT")

    def restore(self) -> None:
        """Make the servers' database anew, from the template. Nobody may be connected to it."""
        self._recreate(self.name, template=self.template)

    def level(self) -> None:
        """Undo what loads did, while the server runs on: the next load finds what the first one found."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DELETE FROM tasks WHERE id > %s", [self.data.tasks])
            connection.execute(self._filled(_INSERT_TASKS))
            connection.execute(self._filled(_RESTORE_TASKS))
            # Among more people than that, hardly anyone calls twice in an hour: the spread stays as it is.
            if self.data.users <= 100_000 and not self.data.all_called:
                connection.execute(self._filled(_RESTORE_TOKENS))
            connection.execute("VACUUM tasks, personal_tokens")
            connection.execute("CHECKPOINT")

    def drop(self) -> None:
        """Leave nothing behind."""
        for name in [self.name, self.template]:
            self._drop(name)

    def server_process(self) -> int | None:
        """The process that all of PostgreSQL's others are children of; None if it runs on another machine."""
        with self._maintenance() as connection:
            backend = connection.info.backend_pid
            try:
                with open(f"/proc/{backend}/stat", encoding="ascii") as stat:
                    name, _, rest = stat.read().partition("(")[2].rpartition(")")
            except OSError:
                return None
            return int(rest.split()[1]) if name.startswith("postgres") else None

    def others_at_work(self) -> list[str]:
        """Other databases that somebody uses just now."""
        query = "SELECT DISTINCT datname FROM pg_stat_activity WHERE datname NOT LIKE %s AND state = 'active'"
        with self._maintenance() as connection:
            rows = connection.execute(f"{query} AND pid <> pg_backend_pid()", [f"{PREFIX}%"]).fetchall()
        return [name for (name,) in rows]

    def version(self) -> str:
        with self._maintenance() as connection:
            return f"PostgreSQL {connection.info.server_version // 10000}"

    def _filled(self, statement: str) -> sql.Composed:
        values = {
            "people": self.data.people,
            "spread": self.data.spread_tasks,
            "tasks": self.data.tasks,
            "users": self.data.users,
            "minutes": self.data.minutes_since_use,
            "epoch": EPOCH.isoformat(),
            "title": TITLE,
            "description": DESCRIPTION,
            "scopes": SCOPES,
        }
        return sql.SQL(statement).format(**{name: sql.Literal(value) for name, value in values.items()})

    def _url(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    @contextmanager
    def _maintenance(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            yield connection

    def _drop(self, name: str) -> None:
        if not name.startswith(PREFIX):
            raise ValueError(f"{name} is not the bench's")
        with self._maintenance() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _recreate(self, name: str, template: str = "template1") -> None:
        self._drop(name)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with self._maintenance() as connection:
            connection.execute(statement)
