"""The rules for writing tasks, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tasks import services
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import User

pytestmark = pytest.mark.django_db


class TestAddTask:
    def test_strips_the_title_alone(self, ann: User) -> None:
        task = services.add_task(user_id="ann", title=" Buy milk\n", description=" as given ")
        task.refresh_from_db()
        assert (task.title, task.description, task.completed, task.completed_at) == (
            "Buy milk",
            " as given ",
            False,
            None,
        )
        assert task.created_at == task.updated_at

    @pytest.mark.parametrize("title", ["", "  ", "\u3000", "x" * 201, "a\0", "\udc00"])
    def test_refuses_a_title(self, ann: User, title: str) -> None:
        with pytest.raises(ValidationError) as refused:
            services.add_task(user_id="ann", title=title)
        assert set(refused.value.message_dict) == {"title"}
        assert not Task.objects.exists()

    def test_costs_one_statement(self, ann: User, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(3):  # the savepoint of `atomic` in a test, and the insert
            services.add_task(user_id="ann", title="x")


class TestUpdateTask:
    def test_leaves_alone_what_is_not_given(self, ann: User) -> None:
        task = TaskFactory.create(user=ann, title="a", description="b")
        assert services.update_task(user_id="ann", task_id=task.pk, title="c")[1] == ["title"]
        assert Task.objects.values_list("title", "description").get() == ("c", "b")

    def test_a_completed_task_stays_completed(self, ann: User) -> None:
        task = TaskFactory.create(user=ann, done=True)
        services.update_task(user_id="ann", task_id=task.pk, title="c")
        changed = Task.objects.get()
        assert (changed.completed, changed.completed_at) == (True, task.completed_at)

    def test_nothing_to_change(self, ann: User) -> None:
        task = TaskFactory.create(user=ann)
        with pytest.raises(ValidationError, match="Nothing to change"):
            services.update_task(user_id="ann", task_id=task.pk)


@pytest.mark.parametrize("service", [services.complete_task, services.delete_task, services.update_task])
def test_another_persons_task_does_not_exist(ann: User, bob: User, service: Any) -> None:
    task = TaskFactory.create(user=bob)
    before = Task.objects.values().get()
    with pytest.raises(Task.DoesNotExist):
        service(user_id="ann", task_id=task.pk, **({"title": "x"} if service is services.update_task else {}))
    assert Task.objects.values().get() == before


class TestPage:
    def test_orders_by_time_and_then_by_id(self, ann: User) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        tasks = [TaskFactory.create(user=ann, created_at=at - timedelta(days=n // 2)) for n in range(4)]
        found, cursor = Task.objects.owned_by("ann").page(limit=4)
        assert (found, cursor) == ([tasks[1], tasks[0], tasks[3], tasks[2]], None)

    def test_an_index_serves_every_page(self, ann: User, bob: User) -> None:
        """Neither a sort nor a look at rows that are not shown, on the first page or a later one."""
        TaskFactory.create_batch(30, user=bob)
        tasks = TaskFactory.create_batch(30, user=ann)
        Task.objects.filter(pk__in=[task.pk for task in tasks[:10]]).update(
            completed=True, completed_at=datetime.now(UTC)
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute("SET LOCAL enable_bitmapscan = off")
        _, after = Task.objects.owned_by("ann").page(limit=5)
        for status, index in [("all", "idx_tasks_user_created"), ("pending", "idx_tasks_user_status_created")]:
            for start in [None, after]:
                plan = _plan_of_page(status, start)
                assert index in plan, plan
                assert "Sort" not in plan, plan
                assert "TEMP B-TREE" not in plan, plan


def _plan_of_page(status: str, cursor: str | None) -> str:
    with CaptureQueriesContext(connection) as queries:
        Task.objects.owned_by("ann").with_status(status).page(limit=5, cursor=cursor)
    (query,) = queries
    with connection.cursor() as explain:
        explain.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{query['sql']}")
        return "\n".join(str(row) for row in explain.fetchall())


def write_for_nobody() -> None:
    Task.objects.create(user_id="nobody", title="x")
    connection.check_constraints()


class TestTheDatabaseHolds:
    """What a program that goes past the services can't write either."""

    @pytest.mark.parametrize(
        "change",
        [
            {"title": ""},
            {"title": "x" * 201},
            {"description": "x" * 1001},
            {"completed": True},
            {"completed_at": datetime(2026, 1, 1, tzinfo=UTC)},
            {"title": None},
            {"user_id": None},
        ],
    )
    def test_a_row(self, ann: User, change: dict[str, Any]) -> None:
        task = TaskFactory.create(user=ann)
        with pytest.raises((IntegrityError, DataError)), transaction.atomic():
            Task.objects.filter(pk=task.pk).update(**change)

    def test_the_person(self, ann: User) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            write_for_nobody()

    def test_tasks_go_with_their_person(self, ann: User, bob: User) -> None:
        TaskFactory.create(user=ann)
        kept = TaskFactory.create(user=bob)
        ann.delete()
        assert list(Task.objects.all()) == [kept]
