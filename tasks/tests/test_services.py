"""The rules for tasks, on a real database."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tasks import services
from tasks.models import Status, Task
from tasks.services import TaskRow
from tasks.tests.factories import TaskFactory
from todoproj.users.models import User
from todoproj.users.principals import ActivePerson, Person

pytestmark = pytest.mark.django_db

ANN = Person("ann")


def row_of(task: Task) -> TaskRow:
    """The task as the ORM reads it, in the form in which the services give it."""
    return TaskRow(*Task.objects.values_list(*TaskRow.__struct_fields__).get(pk=task.pk))


class TestAddTask:
    def test_strips_the_title_alone(self, ann: User) -> None:
        added = services.add_task(person=ANN, title=" Buy milk\n", description=" as given ")
        task = Task.objects.get(user_id="ann")
        assert row_of(task) == added
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
            services.add_task(person=ANN, title=title)
        assert set(refused.value.message_dict) == {"title"}
        assert not Task.objects.exists()


class TestUpdateTask:
    def test_leaves_alone_what_is_not_given(self, ann: User) -> None:
        task = TaskFactory.create(user=ann, title="a", description="b")
        changed, given = services.update_task(person=ANN, task_id=task.pk, title="c")
        assert given == ["title"]
        assert row_of(task) == changed
        assert (changed.title, changed.description) == ("c", "b")

    def test_a_completed_task_stays_completed(self, ann: User) -> None:
        task = TaskFactory.create(user=ann, done=True)
        services.update_task(person=ANN, task_id=task.pk, title="c")
        changed = Task.objects.get()
        assert (changed.completed, changed.completed_at) == (True, task.completed_at)

    def test_nothing_to_change(self, ann: User) -> None:
        task = TaskFactory.create(user=ann)
        with pytest.raises(ValidationError, match="Nothing to change"):
            services.update_task(person=ANN, task_id=task.pk)


class TestStatements:
    """Each leaves the database, and answers, as the plain ORM would."""

    def test_get(self, ann: User) -> None:
        for task in [TaskFactory.create(user=ann), TaskFactory.create(user=ann, done=True, description="é 🥛")]:
            assert services.get_task(person=ANN, task_id=task.pk) == row_of(task)

    def test_complete(self, ann: User) -> None:
        task = TaskFactory.create(user=ann)
        assert services.complete_task(person=ANN, task_id=task.pk) == (row_of(task), True)
        completed = row_of(task)
        assert completed.completed_at == completed.updated_at > completed.created_at
        assert services.complete_task(person=ANN, task_id=task.pk) == (completed, False)
        assert row_of(task) == completed

    def test_delete(self, ann: User) -> None:
        task, kept = TaskFactory.create(user=ann), TaskFactory.create(user=ann)
        before = row_of(task)
        assert services.delete_task(person=ANN, task_id=task.pk) == before
        assert list(Task.objects.all()) == [kept]

    @pytest.mark.parametrize("status", Status.values)
    @pytest.mark.parametrize("limit", [1, 3, 100])
    def test_list(self, ann: User, bob: User, status: str, limit: int) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        for n in range(12):
            # Some at the same time: the id decides.
            TaskFactory.create(user=ann, done=n % 3 == 0, created_at=at + timedelta(microseconds=n * 7 % 5))
            TaskFactory.create(user=bob)
        wanted = Task.objects.filter(user=ann).order_by("-created_at", "-pk")
        if status != Status.ALL:
            wanted = wanted.filter(completed=status == Status.COMPLETED)
        found: list[TaskRow] = []
        cursor = None
        while True:
            page, cursor = services.list_tasks(person=ANN, status=status, limit=limit, cursor=cursor)
            assert len(page) <= limit
            found += page
            if cursor is None:
                break
        assert found == [TaskRow(*row) for row in wanted.values_list(*TaskRow.__struct_fields__)]

    @pytest.mark.parametrize("limit", [1, 3, 100])
    def test_completed(self, ann: User, bob: User, limit: int) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        for n in range(12):
            # Some at the same time: the id decides. Created and changed at times that say nothing.
            completed_at = at + timedelta(microseconds=n * 7 % 5)
            TaskFactory.create(user=ann, completed=True, completed_at=completed_at)
            TaskFactory.create(user=bob, completed=True, completed_at=completed_at)
            TaskFactory.create(user=ann)
        since = at + timedelta(microseconds=2)
        wanted = Task.objects.filter(user=ann, completed_at__gte=since).order_by("-completed_at", "-pk")
        found = services.list_completed(person=ANN, since=since, limit=limit)
        assert found == [TaskRow(*row) for row in wanted.values_list(*TaskRow.__struct_fields__)[:limit]]

    def test_newest_ids(self, ann: User, bob: User) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        for n in range(12):
            TaskFactory.create(user=ann, done=n % 3 == 0, created_at=at + timedelta(microseconds=n * 7 % 5))
            TaskFactory.create(user=bob)
        wanted = list(Task.objects.filter(user=ann).order_by("-created_at", "-pk").values_list("pk", flat=True))
        for limit in [1, 11, 12, 13]:
            assert services.newest_task_ids(person=ANN, limit=limit) == (wanted[:limit], limit < 12)

    def test_each_is_one_statement(self, ann: User, django_assert_num_queries: Any) -> None:
        task = TaskFactory.create(user=ann)
        TaskFactory.create(user=ann, done=True)
        works: list[Callable[[], object]] = [
            lambda: services.add_task(person=ANN, title="x"),
            lambda: services.list_tasks(person=ANN, limit=10),
            lambda: services.list_completed(person=ANN, since=task.created_at, limit=10),
            lambda: services.newest_task_ids(person=ANN, limit=10),
            lambda: services.update_task(person=ANN, task_id=task.pk, title="y"),
            lambda: services.complete_task(person=ANN, task_id=task.pk),
            lambda: services.delete_task(person=ANN, task_id=task.pk),
        ]
        for work in works:
            with django_assert_num_queries(1):
                work()

    @pytest.mark.parametrize("status", Status.values)
    def test_an_index_serves_every_page(self, ann: User, bob: User, status: str) -> None:
        """Neither a sort nor a look at tasks that are not shown, on the first page or a later one."""
        # Many that are not shown, so that to look at them would cost more, whatever else the planner makes of it.
        for user in [ann, bob]:
            TaskFactory.create_batch(300 if status == Status.COMPLETED else 30, user=user)
            TaskFactory.create_batch(300 if status == Status.PENDING else 30, user=user, done=True)
        plan_as_for_many()
        _, after = services.list_tasks(person=ANN, limit=5)
        index = "idx_tasks_user_created" if status == Status.ALL else "idx_tasks_user_status_created"
        for start in [None, after]:
            plan = plan_of(partial(services.list_tasks, person=ANN, status=status, limit=5, cursor=start))
            assert index in plan, plan
            assert "Sort" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan

    def test_an_index_serves_what_was_completed_lately(self, ann: User) -> None:
        """Neither a sort nor a look at tasks that are pending, or were completed earlier."""
        at = datetime(2026, 1, 1, tzinfo=UTC)
        TaskFactory.create_batch(300, user=ann)
        for n in range(300):
            TaskFactory.create(user=ann, completed=True, completed_at=at + timedelta(days=n))
        plan_as_for_many()
        plan = plan_of(lambda: services.list_completed(person=ANN, since=at + timedelta(days=290), limit=5))
        assert "idx_tasks_user_completed" in plan, plan
        assert "Sort" not in plan, plan
        assert "TEMP B-TREE" not in plan, plan
        # In words of PostgreSQL and of SQLite: from where in the index it is read.
        assert re.search(r"Index Cond: .*completed_at >=|\(user_id=\? AND completed_at>\?\)", plan), plan

    def test_an_index_alone_tells_the_newest_ids(self, ann: User) -> None:
        TaskFactory.create_batch(300, user=ann)
        plan_as_for_many()
        plan = plan_of(lambda: services.newest_task_ids(person=ANN, limit=5))
        assert re.search("(Index Only Scan using|COVERING INDEX) idx_tasks_user_created", plan), plan
        assert "Sort" not in plan, plan


def plan_as_for_many() -> None:
    """Let the planner know the rows, and plan as if they did not fit into a few blocks, which are read at once."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")


def plan_of(read: Callable[[], object]) -> str:
    with CaptureQueriesContext(connection) as queries:
        read()
    (query,) = queries
    with connection.cursor() as explain:
        explain.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{query['sql']}")
        return "\n".join(str(row) for row in explain.fetchall())


@pytest.mark.parametrize("task_id", [None, 999_999_999, 2**63 - 1, 2**63, 10**40])
@pytest.mark.parametrize(
    "service", [services.get_task, services.complete_task, services.delete_task, services.update_task]
)
def test_another_persons_task_does_not_exist(ann: User, bob: User, service: Any, task_id: int | None) -> None:
    task = TaskFactory.create(user=bob)
    before = Task.objects.values().get()
    change = {"title": "x"} if service is services.update_task else {}
    with pytest.raises(Task.DoesNotExist):
        service(person=ANN, task_id=task_id or task.pk, **change)
    assert Task.objects.values().get() == before


class TestPerson:
    def test_nobody(self, db: None) -> None:
        for person in [Person("nobody"), ActivePerson("nobody")]:
            with pytest.raises(User.DoesNotExist):
                services.add_task(person=person, title="x")
            with pytest.raises(User.DoesNotExist):
                services.list_tasks(person=person, limit=1)
            with pytest.raises(User.DoesNotExist):
                services.delete_task(person=person, task_id=2**70)

    def test_someone_deactivated_has_tasks_but_no_access(self, ann: User) -> None:
        User.objects.update(is_active=False)
        task = services.add_task(person=ANN, title="x")
        with pytest.raises(User.DoesNotExist):
            services.get_task(person=ActivePerson("ann"), task_id=task.id)


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
