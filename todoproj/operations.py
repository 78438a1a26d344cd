"""Operations for migrations of tables that may be large, which others go on to read and write meanwhile.

That is for PostgreSQL. SQLite, which has one writer at a time, does what Django has it do for any table.

A migration with `atomic = False` that is interrupted leaves what it has done so far, and perhaps an index half made. So
each of these operations can be done again: migrating once more does the rest.
"""

from typing import Any

from django.contrib.postgres import operations as postgresql
from django.db.migrations import AddConstraint, AddIndex
from django.db.migrations.operations.base import Operation


class AddIndexConcurrently(postgresql.AddIndexConcurrently):
    """Adds an index, and keeps nobody from writing. For migrations with `atomic = False`."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if not _has_whole_index(schema_editor, self.index.name):
            self._kind(schema_editor).database_forwards(self, app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if _has_whole_index(schema_editor, self.index.name):
            self._kind(schema_editor).database_backwards(self, app_label, schema_editor, from_state, to_state)

    @staticmethod
    def _kind(schema_editor: Any) -> Any:
        return postgresql.AddIndexConcurrently if _is_postgresql(schema_editor) else AddIndex


class RunPostgreSQL(Operation):
    """Runs a statement on PostgreSQL alone: one that can be run again. `back`, the one that undoes it, too."""

    reversible = True
    reduces_to_sql = True

    def __init__(self, forward: str, back: str = "") -> None:
        self.forward, self.back = forward, back

    def state_forwards(self, app_label: str, state: Any) -> None:
        """What Django knows of stays the same."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._run(schema_editor, self.forward)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._run(schema_editor, self.back)

    def _run(self, schema_editor: Any, statement: str) -> None:
        if statement and _is_postgresql(schema_editor):
            schema_editor.execute(statement, params=None)


class AddPostgreSQLIndexConcurrently(RunPostgreSQL):
    """Adds an index that PostgreSQL alone has, on `table USING ...`, and keeps nobody from writing. For migrations with
    `atomic = False`."""

    def __init__(self, name: str, on: str) -> None:
        self.name, self.on = name, on
        super().__init__(f"CREATE INDEX CONCURRENTLY {name} ON {on}", f"DROP INDEX CONCURRENTLY IF EXISTS {name}")

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if not _has_whole_index(schema_editor, self.name):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class AddConstraintNotValid(postgresql.AddConstraintNotValid):
    """Adds a check constraint for what is written from now on; ValidateConstraint, in a later one, does the rest."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        kind = postgresql.AddConstraintNotValid if _is_postgresql(schema_editor) else AddConstraint
        kind.database_forwards(self, app_label, schema_editor, *states)


class ValidateConstraint(postgresql.ValidateConstraint):
    """Looks whether a constraint holds for the rows that were there before it, and keeps nobody from writing."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        if _is_postgresql(schema_editor):
            super().database_forwards(app_label, schema_editor, *states)


def _has_whole_index(schema_editor: Any, name: str) -> bool:
    """Whether there is an index of this name. One that was left half made is dropped."""
    if not _is_postgresql(schema_editor):
        found = "SELECT true FROM sqlite_master WHERE type = 'index' AND name = %s"
    else:
        found = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(found, [name])
        is_valid = [bool(valid) for (valid,) in cursor.fetchall()]
    if is_valid == [False]:
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    return is_valid == [True]


def _is_postgresql(schema_editor: Any) -> bool:
    return schema_editor.connection.vendor == "postgresql"  # type: ignore[no-any-return]
