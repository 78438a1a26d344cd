"""Statements of our own, past the ORM, on the real databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
from django.conf import settings
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from tasks.tests.factories import TaskFactory
from todoproj.connections import close_unusable_connection
from todoproj.statements import execute, to_datetime
from todoproj.users.models import User
from todoproj.web import Handler

# Without this, each test would be a transaction, in which a statement takes another way.
pytestmark = pytest.mark.django_db(transaction=True)

RENAME = (
    "UPDATE users SET first_name = %s, date_joined = %s WHERE id = %s RETURNING id, first_name, date_joined, is_active"
)
AT = datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=-5)))


@pytest.mark.parametrize("name", ["", "Ann", "é 🥛 ' \" \\ % ; --", "%s $1", "x" * 150])
class TestEveryWayGivesTheSame:
    """Out of a transaction, in one, while queries are logged, and where nothing can be prepared."""

    def check(self, name: str) -> None:
        ((id, first_name, date_joined, is_active),) = execute(RENAME, [name, AT, "ann"])
        assert (id, first_name, bool(is_active)) == ("ann", name, True)
        assert to_datetime(date_joined) == AT
        assert User.objects.get(first_name=name).date_joined == AT

    def test_alone(self, ann: User, name: str) -> None:
        for _ in range(3):
            self.check(name)

    def test_in_a_transaction(self, ann: User, name: str) -> None:
        with transaction.atomic():
            self.check(name)

    def test_logged(self, ann: User, name: str) -> None:
        with CaptureQueriesContext(connection) as queries:
            self.check(name)
        assert len(queries) == 2

    def test_unprepared(self, ann: User, name: str, settings: Settings) -> None:
        settings.DATABASE_PREPARE = False
        for _ in range(3):
            self.check(name)


def test_numbers_of_every_size(ann: User) -> None:
    # psycopg sends each as the smallest type that holds it: one text, several statements.
    task = TaskFactory.create(user=ann)
    for other in [0, 40_000, 3_000_000_000, 2**62, -1, 40_000, 0]:
        assert execute("SELECT id FROM tasks WHERE id IN (%s, %s)", [task.pk, other]) == [(task.pk,)]


def test_a_transaction_that_is_rolled_back_leaves_nothing(ann: User) -> None:
    with transaction.atomic():
        execute(RENAME, ["Bob", AT, "ann"])
        transaction.set_rollback(True)
    assert not User.objects.filter(first_name="Bob").exists()


def test_an_error_is_djangos_and_leaves_the_connection_well(ann: User) -> None:
    for _ in range(2):
        with pytest.raises(IntegrityError):
            execute("INSERT INTO users SELECT * FROM users WHERE id = %s RETURNING id", ["ann"])
        assert execute("SELECT id FROM users WHERE id = %s", ["ann"]) == [("ann",)]


def test_nothing_found() -> None:
    assert execute("SELECT id FROM users WHERE id = %s AND date_joined > %s", ["nobody", datetime.now(UTC)]) == []


# On SQLite there is nothing that these could ask.
if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":

    def test_each_statement_is_prepared_once() -> None:
        for number in [1, 2, 3]:
            execute("SELECT id, %s + 1 FROM users", [number])
        prepared = execute(
            "SELECT statement FROM pg_prepared_statements WHERE statement LIKE %s", ["SELECT id, $1 + 1%"]
        )
        assert prepared == [("SELECT id, $1 + 1 FROM users",)]

    def test_nothing_is_prepared_where_nothing_can_be(settings: Settings) -> None:
        settings.DATABASE_PREPARE = False
        execute("SELECT id, %s + 2 FROM users", [1])
        assert not execute("SELECT 1 FROM pg_prepared_statements WHERE statement LIKE %s", ["SELECT id, $1 + 2%"])

    def test_a_value_that_the_database_refuses() -> None:
        with pytest.raises(DataError):
            execute("SELECT id FROM tasks WHERE id = %s", ["no number"])

    def cut() -> None:
        """End the connection, as the database does when it stops."""
        ((backend,),) = execute("SELECT pg_backend_pid()", [])
        with psycopg.connect(**connection.get_connection_params()) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])

    def test_a_connection_that_was_cut_between_requests_is_made_anew() -> None:
        execute("SELECT id FROM users", [])
        cut()
        response = Handler()(RequestFactory().get("/health").environ, lambda *started: print)
        assert response.status_code == 200

    def test_one_that_is_cut_meanwhile_is_an_error_and_then_made_anew(ann: User) -> None:
        cut()
        with pytest.raises(OperationalError):
            execute("SELECT id FROM users WHERE id = %s", ["ann"])
        close_unusable_connection()
        assert execute("SELECT id FROM users WHERE id = %s", ["ann"]) == [("ann",)]

    def test_one_that_is_well_stays() -> None:
        before = execute("SELECT pg_backend_pid()", [])
        close_unusable_connection()
        assert execute("SELECT pg_backend_pid()", []) == before
