"""SQL of our own, on Django's connection: for the few statements that every call waits for.

The ORM builds a statement and its rows anew each time, which costs more than the database does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.dateparse import parse_datetime


def execute(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of one statement, which is a transaction of its own unless one is open.

    `%s` stands for a parameter, in PostgreSQL and in SQLite. Raises django.db.DatabaseError.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "sqlite":
        adapt = connection.ops.adapt_datetimefield_value
        params = [adapt(value) if isinstance(value, dt.datetime) else value for value in params]
    elif not (connection.queries_logged or connection.execute_wrappers):
        # Past Django's cursor, which puts parameters into the text: a text that stays the same is prepared once.
        connection.ensure_connection()
        connection.validate_no_broken_transaction()
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as fast:
            rows: list[tuple[Any, ...]] = fast.execute(sql, params, binary=True).fetchall()
        return rows
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def to_datetime(value: Any) -> Any:
    """A time as both databases give it, zone-aware: SQLite keeps it as text."""
    if isinstance(value, str):
        value = parse_datetime(value)
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo is None else value
