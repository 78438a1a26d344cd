"""SQL of our own, on Django's connection: for the few statements that every call waits for.

The ORM builds a statement and its rows anew each time, which costs more than the database does; and so, to a lesser
degree, does a cursor.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import psycopg
from django.conf import settings
from django.utils.dateparse import parse_datetime
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

from todoproj.connections import thread_connection


def execute(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of one statement that returns some, and is a transaction of its own unless one is open.

    `%s` stands for a parameter, in PostgreSQL and in SQLite. Raises django.db.DatabaseError.
    """
    connection = thread_connection()
    if connection.vendor == "sqlite":
        adapt = connection.ops.adapt_datetimefield_value
        params = [adapt(value) if isinstance(value, dt.datetime) else value for value in params]
    elif not (connection.in_atomic_block or connection.queries_logged or connection.execute_wrappers):
        if connection.connection is None:
            connection.ensure_connection()
        with connection.wrap_database_errors:
            return _execute_prepared(connection.connection, sql, params)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def to_datetime(value: Any) -> Any:
    """A time as both databases give it, zone-aware: SQLite keeps it as text."""
    if isinstance(value, str):
        value = parse_datetime(value)
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo is None else value


# --- PostgreSQL, by psycopg's interface to libpq: half the CPU time of a cursor ------------------------------------


class _Session:
    """What is kept for as long as a connection: how its values are converted, and what it has prepared.

    names: the prepared statements, by text and by the types of the parameters.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.transformer = Transformer(connection)
        self.names: dict[tuple[str, tuple[int, ...] | None], bytes] = {}


class _Thread(threading.local):
    """Django gives each thread a connection of its own."""

    session: _Session | None = None


_thread = _Thread()


def _execute_prepared(connection: psycopg.Connection, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement outside of any transaction. Raises psycopg.Error."""
    session = _thread.session
    if session is None or session.connection is not connection:
        session = _thread.session = _Session(connection)
    transformer, libpq = session.transformer, connection.pgconn
    values: Any = transformer.dump_sequence(params, [PyFormat.AUTO] * len(params))
    # dump_sequence() sets both.
    types, formats = transformer.types, transformer.formats
    if settings.DATABASE_PREPARE:
        name = session.names.get((sql, types))
        if name is None:
            name = f"todoproj_{len(session.names)}".encode()
            _require(ExecStatus.COMMAND_OK, libpq.prepare(name, _numbered(sql), types), libpq)
            session.names[sql, types] = name
        result = libpq.exec_prepared(name, values, formats, Format.BINARY)
    else:
        result = libpq.exec_params(_numbered(sql), values, types, formats, Format.BINARY)
    _require(ExecStatus.TUPLES_OK, result, libpq)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


def _require(status: ExecStatus, result: PGresult, libpq: PGconn) -> None:
    if result.status == status:
        return
    if libpq.status == ConnStatus.BAD:
        raise psycopg.OperationalError(libpq.get_error_message())
    raise error_from_result(result)


@lru_cache(maxsize=256)
def _numbered(sql: str) -> bytes:
    """The statement with its parameters as libpq has them: $1, $2 and so on."""
    first, *rest = sql.split("%s")
    return "".join([first, *(f"${number}{text}" for number, text in enumerate(rest, 1))]).encode()
