"""Who runs on which core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from bench import proc
from bench.postgresql import PostgreSQL
from bench.sqlite import SQLite


class Cores:
    """A core for the server, and another one for the load and PostgreSQL, if `pin` and the machine lends two.

    server: the server's core, None for any. notes: how it came out, for readers of the figures.
    """

    def __init__(self, *, pin: bool) -> None:
        self.notes: list[str] = []
        self.server: int | None = None
        self._load: int | None = None
        cores = sorted(os.sched_getaffinity(0))
        if not pin:
            self.notes.append("Nothing was pinned to a core.")
        elif len(cores) < 2:
            self.notes.append("This machine lends one core only, so nothing was pinned.")
        else:
            self.server, self._load = cores[:2]

    @contextmanager
    def with_load_apart(self, database: PostgreSQL | SQLite) -> Iterator[None]:
        """Keep the bench, wrk and PostgreSQL on the other core until the end."""
        if self._load is None:
            yield
            return
        cores = os.sched_getaffinity(0)
        database_process = database.server_process()
        with nullcontext(True) if database_process is None else proc.pinned(database_process, self._load) as moved:
            where = f"The server had core {self.server}, wrk core {self._load}"
            if isinstance(database, SQLite):
                self.notes.append(f"{where}; SQLite runs in the server.")
            elif database_process is None:
                self.notes.append(f"{where}; PostgreSQL runs on another machine.")
            elif moved:
                self.notes.append(f"{where}, which PostgreSQL shared.")
            else:
                self.notes.append(f"{where}; PostgreSQL could not be pinned (not permitted), so it had both.")
            if others := database.others_at_work():
                self.notes.append(f"Others used PostgreSQL meanwhile: {', '.join(others)}.")
            os.sched_setaffinity(0, {self._load})
            try:
                yield
            finally:
                os.sched_setaffinity(0, cores)
