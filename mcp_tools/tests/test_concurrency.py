"""Many threads at once on the production server lose nothing, double nothing, and are never told "locked"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mcp_tools.tests.running import RunningServer
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

THREADS = 20
EACH = 6

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What `work(n)` returns in each of THREADS threads; an exception in any is raised."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


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

    ids = [task_id for added in at_once(work) for task_id in added]
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

    at_once(work)
    for n, person in enumerate(people):
        assert set(Task.objects.filter(user_id=person).values_list("title", flat=True)) == {
            f"{n}.{step}" for step in range(0, EACH, 2)
        }


def test_the_same_task(server: RunningServer) -> None:
    """Of twenty who complete it, one did; of twenty who delete it, one did."""
    task = TaskFactory.create()
    _, token = issue_token(user_id=task.user_id)
    completed = at_once(lambda _: server.call(token, "complete_task", task_id=task.pk))
    assert sorted(reply["data"]["already_completed"] for reply in completed) == [False] + [True] * (THREADS - 1)
    assert len({reply["data"]["updated_at"] for reply in completed}) == 1
    deleted = at_once(lambda _: server.call(token, "delete_task", task_id=task.pk))
    assert Counter(reply["status"] for reply in deleted) == {"success": 1, "error": THREADS - 1}
    assert {reply["data"]["error_code"] for reply in deleted if reply["status"] == "error"} == {404}
