"""Migrations: nothing is missing, and every one can be taken back and applied again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from conversations.tests.factories import MessageFactory
from tasks.tests.factories import TaskFactory

APPS = ["users", "tasks", "conversations"]
TABLES = ["users", "personal_tokens", "tasks", "conversations", "messages"]


@pytest.fixture
def migrated() -> Iterator[None]:
    """Whatever happens, the other tests find the newest schema."""
    yield
    call_command("migrate", verbosity=0)


def test_none_is_missing(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("migrated")
def test_each_goes_back_and_forth() -> None:
    message, task = MessageFactory.create(), TaskFactory.create()
    graph = MigrationExecutor(connection).loader.graph
    complete = schema()
    for app, name in sorted(key for key in graph.nodes if key[0] in APPS):
        earlier = [parent for parent in graph.node_map[app, name].parents if parent.key[0] == app]
        if earlier:
            # Not an app's first migration: there are rows to keep.
            migrate(app, earlier[0].key[1])
            migrate(app, name)
            message.refresh_from_db()
            task.refresh_from_db()
            assert schema() == complete
    for app in reversed(APPS):
        migrate(app, "zero")
    assert not set(TABLES) & set(connection.introspection.table_names())
    call_command("migrate", verbosity=0)
    assert schema() == complete


def migrate(app: str, name: str) -> None:
    call_command("migrate", app, name, verbosity=0)


def schema() -> dict[str, list[str]]:
    """The constraints, indexes and triggers of our tables."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            found[table] = sorted(connection.introspection.get_constraints(cursor, table))
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
            found["triggers"] = [name for (name,) in cursor.fetchall()]
    return found
