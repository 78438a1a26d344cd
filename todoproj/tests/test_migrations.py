"""Migrations: nothing is missing, and every one can be taken back and applied again, also after an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations import RunPython
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from conversations.models import Conversation
from conversations.tests.factories import ConversationFactory, MessageFactory
from tasks.tests.factories import TaskFactory

APPS = ["users", "idempotency", "tasks", "conversations", "mcp_tools"]
TABLES = [
    *("users", "personal_tokens", "logins", "security_events", "idempotency_keys"),
    *("tasks", "conversations", "messages", "conversation_notes", "chat_accesses", "tool_calls", "tool_uses"),
]


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
            call_command("migrate", verbosity=0)
            message.refresh_from_db()
            task.refresh_from_db()
            assert schema() == complete
    for app in reversed(APPS):
        migrate(app, "zero")
    assert not set(TABLES) & set(connection.introspection.table_names())
    call_command("migrate", verbosity=0)
    assert schema() == complete


class Interrupted(Exception):
    """In the middle of a migration."""


def interrupt(*_: Any) -> None:
    raise Interrupted


# What the database does not undo by itself when it is interrupted.
NOT_ATOMIC = [
    key
    for key, migration in sorted(MigrationLoader(None).graph.nodes.items())
    if key[0] in APPS and not migration.atomic
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("migrated")
@pytest.mark.parametrize(("app", "name"), NOT_ATOMIC, ids=lambda part: part)
def test_one_that_was_interrupted_is_finished_by_doing_it_again(
    app: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(app, name)
    complete, earlier = schema(), before(app, name)
    migration = import_module(f"{apps.get_app_config(app).name}.migrations.{name}").Migration
    operations = migration.operations
    for done in range(len(operations) + 1):
        interrupted = [*operations[:done], RunPython(interrupt, interrupt), *operations[done:]]
        for target in [earlier, name]:
            with monkeypatch.context() as patch:
                patch.setattr(migration, "operations", interrupted)
                with pytest.raises(Interrupted):
                    go(app, target)
            go(app, target)
        assert schema() == complete


# SQLite makes an index whole or not at all.
if connection.vendor == "postgresql":

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.usefixtures("migrated")
    @pytest.mark.parametrize(
        ("table", "index"), [("conversations", "idx_conversations_role_updated"), ("messages", "idx_messages_words")]
    )
    def test_an_index_that_was_left_half_made_is_made_anew(table: str, index: str) -> None:
        go("conversations", "0005_search")
        complete = schema()
        go("conversations", before("conversations", "0005_search"))
        settings = connection.settings_dict
        names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        with psycopg.connect(**{name: settings[key] for name, key in names.items() if settings[key]}) as other:
            # Somebody writes, and is not done: who makes an index waits for that.
            other.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '200ms'")
            with pytest.raises(OperationalError):
                go("conversations", "0005_search")
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = 0")
        assert half_made() == [index]

        go("conversations", "0005_search")

        assert schema() == complete
        assert half_made() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("migrated")
def test_what_messages_come_to_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("conversations.migrations.0004_fill_what_is_kept"), "AT_ONCE", 2)
    now = timezone.now()
    empty = ConversationFactory.create()
    several = MessageFactory.create(content="second", created_at=now).conversation
    MessageFactory.create(conversation=several, content="x" * 200, created_at=now - timedelta(hours=1))
    MessageFactory.create(conversation=several, content="third", created_at=now, role="assistant")
    one = MessageFactory.create(content=" only\n").conversation

    migrate("conversations", "0002_message_owner")
    call_command("migrate", verbosity=0)

    kept = Conversation.objects.order_by("pk").values_list("pk", "message_count", "last_role", "beginning")
    assert list(kept) == [
        (empty.pk, 0, "", ""),
        (several.pk, 3, "assistant", "x" * 100),
        (one.pk, 1, "user", " only\n"),
    ]


def migrate(app: str, name: str) -> None:
    call_command("migrate", app, name, verbosity=0)


def go(app: str, name: str) -> None:
    """As `migrate`, and no further: without what follows a command."""
    MigrationExecutor(connection).migrate([(app, name)])


def before(app: str, name: str) -> str:
    """The name of the migration before this one in its app."""
    parents = MigrationLoader(None).graph.node_map[app, name].parents
    [earlier] = [str(parent.key[1]) for parent in parents if parent.key[0] == app]
    return earlier


def half_made() -> list[str]:
    """The indexes that PostgreSQL does not use, since they are not whole."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        return [name for (name,) in cursor.fetchall()]


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
