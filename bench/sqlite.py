"""The bench's database on SQLite, for the project's own server: a template file, and a copy of it for each round."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from bench import ROOT
from bench.dataset import DESCRIPTION, TITLE, Dataset, task_row, token_rows, user_rows

_INSERT_USERS = """
    INSERT INTO users (id, username, password, first_name, last_name, email, is_superuser, is_staff, is_active,
        date_joined) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_TOKENS = "INSERT INTO personal_tokens (user_id, name, digest, scopes, created_at) VALUES (?, ?, ?, ?, ?)"
_INSERT_TASK = """
    INSERT INTO tasks (id, user_id, title, description, completed, completed_at, created_at, updated_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_RESTORE_TASK = """
    UPDATE tasks SET title = ?, description = ?, completed = ?, completed_at = ?, updated_at = created_at
    WHERE id = ?"""


class SQLite:
    """Files in `folder`, which is the caller's to remove."""

    vendor = "SQLite"

    def __init__(self, folder: Path, data: Dataset) -> None:
        self.data = data
        self.path = folder / "bench.sqlite3"
        self.template = folder / "template.sqlite3"
        self.url = f"sqlite:///{self.path}"

    def make(self) -> None:
        """Make the template: the project's own migrations, then the data."""
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        environment = os.environ | {"DATABASE_URL": f"sqlite:///{self.template}"}
        subprocess.run(command, cwd=ROOT, env=environment, check=True)  # noqa: S603 (our own)
        with closing(sqlite3.connect(self.template)) as connection, connection:
            connection.executemany(_INSERT_USERS, map(_stored, user_rows(self.data)))
            connection.executemany(_INSERT_TOKENS, map(_stored, token_rows(self.data)))
            rows = (task_row(self.data, id) for id in range(1, self.data.tasks + 1))
            connection.executemany(_INSERT_TASK, map(_stored, rows))
            self._spread_uses(connection)
        with closing(sqlite3.connect(self.template)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("ANALYZE")

    def restore(self) -> None:
        """Make the server's database anew. Nobody may be connected to it."""
        for suffix in ["", "-wal", "-shm"]:
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self.template, self.path)

    def level(self) -> None:
        """Undo what loads did, while the server runs on: the next load finds what the first one found."""
        with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
            connection.execute("DELETE FROM tasks WHERE id > ?", [self.data.tasks])
            kept = {id for (id,) in connection.execute("SELECT id FROM tasks")}
            gone = set(range(1, self.data.tasks + 1)) - kept
            connection.executemany(_INSERT_TASK, (_stored(task_row(self.data, id)) for id in sorted(gone)))
            changed = connection.execute("SELECT id FROM tasks WHERE updated_at <> created_at").fetchall()
            for (id,) in changed:
                completed, completed_at = _stored(task_row(self.data, id))[4:6]
                connection.execute(_RESTORE_TASK, [TITLE, DESCRIPTION, completed, completed_at, id])
            self._spread_uses(connection)

    def drop(self) -> None:
        """The folder goes, and all with it."""

    def server_process(self) -> int | None:
        """It runs in the server's own."""
        return None

    def others_at_work(self) -> list[str]:
        return []

    def version(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def _spread_uses(self, connection: sqlite3.Connection) -> None:
        now, minute = dt.datetime.now(dt.UTC), dt.timedelta(minutes=self.data.minutes_since_use)
        uses = ((str((now - minute * (id % 6000 / 6000)).replace(tzinfo=None)), id) for id in self._token_ids())
        connection.executemany("UPDATE personal_tokens SET last_used_at = ? WHERE id = ?", uses)

    def _token_ids(self) -> range:
        return range(1, self.data.users + 1)


def _stored(row: tuple[object, ...]) -> tuple[object, ...]:
    """As Django writes it: a time in UTC, without saying so."""
    return tuple(str(value.replace(tzinfo=None)) if isinstance(value, dt.datetime) else value for value in row)
