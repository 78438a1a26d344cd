"""Connections to the database, which threads keep between requests."""

import select
import threading
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper


class _Thread(threading.local):
    connection: BaseDatabaseWrapper | None = None


_thread = _Thread()


def thread_connection() -> BaseDatabaseWrapper:
    """This thread's connection, as Django has it, which first asks each time whether an event loop runs."""
    connection = _thread.connection
    if connection is None:
        connection = _thread.connection = connections[DEFAULT_DB_ALIAS]
    return connection


def close_unusable_connection() -> None:
    """Close this thread's connection if it is too old, as Django does, or was cut meanwhile.

    A restart of the database cuts them, and whoever came next on each thread would get an error. Django can ask the
    database before each request whether it is still there (CONN_HEALTH_CHECKS), and wait for the answer. The system
    knows without asking: on a connection that waits for nothing, there is something to read only when it has ended.
    """
    connection = thread_connection()
    # All that Django does here itself (django.db.close_old_connections).
    connection.close_if_unusable_or_obsolete()
    session: Any = connection.connection
    if isinstance(session, psycopg.Connection) and not connection.in_atomic_block and _is_cut(session):
        connection.close()


def _is_cut(connection: psycopg.Connection) -> bool:
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
