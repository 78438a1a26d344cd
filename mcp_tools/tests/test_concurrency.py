"""Many threads at once on the production server lose nothing, double nothing, and are never told "locked"."""

from __future__ import annotations

from collections import Counter

import pytest
from django.conf import settings
from django.db import connection

from mcp_tools.tests.running import RunningServer, at_once
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

THREADS = 20
EACH = 6

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_person(server: RunningServer) -> None:
    person = UserFactory.create().pk
    _, token = issue_token(user_id=person)

    def work(n: int) -> list[int]:
        added = []
        for step in range(EACH):
            task_id = server.call(token, "add_task", title=f"{n}.{step}")["data"]["task_id"]
            if step % 3 == 0:
                assert server.call(token, "complete_task", task_id=task_id)["status"] == "success"
            if step % 3 == 1:
                assert server.call(token, "delete_task", task_id=task_id)["status"] == "success"
            assert server.call(token, "list_tasks")["status"] == "success"
            added.append(task_id)
        return added

    ids = [task_id for added in at_once(THREADS, work) for task_id in added]
    assert len(set(ids)) == THREADS * EACH
    left = Task.objects.filter(user_id=person)
    assert Counter(left.values_list("title", flat=True)) == Counter(
        f"{n}.{step}" for n in range(THREADS) for step in range(EACH) if step % 3 != 1
    )
    assert left.filter(completed=True).count() == THREADS * EACH // 3


def test_many_people(server: RunningServer) -> None:
    people = [UserFactory.create().pk for _ in range(THREADS)]
    tokens = [issue_token(user_id=person)[1] for person in people]

    def work(n: int) -> None:
        for step in range(EACH):
            task_id = server.call(tokens[n], "add_task", title=f"{n}.{step}")["data"]["task_id"]
            if step % 2:
                assert server.call(tokens[n], "delete_task", task_id=task_id)["status"] == "success"

    at_once(THREADS, work)
    for n, person in enumerate(people):
        assert set(Task.objects.filter(user_id=person).values_list("title", flat=True)) == {
            f"{n}.{step}" for step in range(0, EACH, 2)
        }


def test_the_same_task(server: RunningServer) -> None:
    """Of twenty who complete it, one did; of twenty who delete it, one did."""
    task = TaskFactory.create()
    _, token = issue_token(user_id=task.user_id)
    completed = at_once(THREADS, lambda _: server.call(token, "complete_task", task_id=task.pk))
    assert sorted(reply["data"]["already_completed"] for reply in completed) == [False] + [True] * (THREADS - 1)
    assert len({reply["data"]["updated_at"] for reply in completed}) == 1
    deleted = at_once(THREADS, lambda _: server.call(token, "delete_task", task_id=task.pk))
    assert Counter(reply["status"] for reply in deleted) == {"success": 1, "error": THREADS - 1}
    assert {reply["data"]["error_code"] for reply in deleted if reply["status"] == "error"} == {404}


# SQLite is no server.
if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":

    def test_a_restart_of_the_database_between_calls_fails_none(server: RunningServer) -> None:
        _, token = issue_token(user_id=UserFactory.create().pk)

        def work(n: int) -> str:
            return str(server.call(token, "list_tasks")["status"])

        at_once(THREADS, work)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert len(cursor.fetchall()) >= 2

        assert at_once(THREADS, work) == ["success"] * THREADS
