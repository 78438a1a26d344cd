"""The database itself sees to it that a message's person is its conversation's.

Django's foreign keys have one column, so this is SQL: a second foreign key on PostgreSQL, and triggers on SQLite, which
can't add a foreign key to a table that exists. A later migration that makes SQLite rebuild `messages` or
`conversations` (altering or removing a field) must make the triggers anew.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

POSTGRESQL_FORWARD = [
    "ALTER TABLE messages ADD CONSTRAINT fk_messages_conversation_owner FOREIGN KEY (conversation_id, user_id) "
    "REFERENCES conversations (id, user_id) DEFERRABLE INITIALLY DEFERRED"
]
POSTGRESQL_BACK = ["ALTER TABLE messages DROP CONSTRAINT fk_messages_conversation_owner"]

_REFUSE = "SELECT RAISE(ABORT, 'a message belongs to its conversation''s person')"
_OWNER = "(SELECT user_id FROM conversations WHERE id = NEW.conversation_id)"
SQLITE_FORWARD = [
    f"CREATE TRIGGER tr_messages_owner_insert BEFORE INSERT ON messages "
    f"WHEN NEW.user_id <> {_OWNER} BEGIN {_REFUSE}; END",
    f"CREATE TRIGGER tr_messages_owner_update BEFORE UPDATE OF user_id, conversation_id ON messages "
    f"WHEN NEW.user_id <> {_OWNER} BEGIN {_REFUSE}; END",
    f"CREATE TRIGGER tr_conversations_owner_update BEFORE UPDATE OF user_id ON conversations "
    f"WHEN EXISTS (SELECT 1 FROM messages WHERE conversation_id = NEW.id AND user_id <> NEW.user_id) "
    f"BEGIN {_REFUSE}; END",
]
SQLITE_BACK = [
    "DROP TRIGGER tr_conversations_owner_update",
    "DROP TRIGGER tr_messages_owner_update",
    "DROP TRIGGER tr_messages_owner_insert",
]


def forward(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _run(schema_editor, POSTGRESQL_FORWARD, SQLITE_FORWARD)


def back(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _run(schema_editor, POSTGRESQL_BACK, SQLITE_BACK)


def _run(schema_editor: BaseDatabaseSchemaEditor, postgresql: list[str], sqlite: list[str]) -> None:
    for statement in postgresql if schema_editor.connection.vendor == "postgresql" else sqlite:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("conversations", "0001_initial")]

    operations = [migrations.RunPython(forward, back)]
