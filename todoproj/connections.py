"""Connections to the database, which threads keep between requests."""

import select
from typing import Any

import psycopg
from django.db import connections


def close_unusable_connections() -> None:
    """Close this thread's connections that are too old, as Django does, and those that were cut meanwhile.

    A restart of the database cuts them, and whoever came next on each thread would get an error. Django can ask the
    database before each request whether it is still there (CONN_HEALTH_CHECKS), and wait for the answer. The system
    knows without asking: on a connection that waits for nothing, there is something to read only when it has ended.
    """
    for connection in connections.all(initialized_only=True):
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
