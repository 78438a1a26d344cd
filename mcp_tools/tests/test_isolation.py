"""Nobody reaches anybody else's list, or learns whether there is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import Caller
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import PersonalToken, User
from todoproj.users.services import token_digest
from todoproj.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

TOOLS = ["add_task", "list_tasks", "complete_task", "delete_task", "update_task"]
TAKES_TASK_ID = ["complete_task", "delete_task", "update_task"]

# Every way to name someone whom ann may not act for; the first is there, the others are not.
NOT_ANN = ["bob", "nobody", "Ann", "ANN", "ann ", " ann", "", "ann\0", "\0", "ann\u200b", "x" * 300, "ann' OR '1'='1"]

# Every way for ann to mean herself.
OWN: list[dict[str, Any]] = [{}, {"user_id": None}, {"user_id": "ann"}]

NO_SUCH_PERSON = {
    "status": "error",
    "data": {"error_code": 404, "field": "user_id", "problem": "not_found", "retryable": False},
    "message": "There is no such person for this caller. Leave `user_id` out for the token's own person.",
}
NO_SUCH_TASK = {
    "status": "error",
    "data": {"error_code": 404, "field": "task_id", "problem": "not_found", "retryable": False},
    "message": "This person has no such task. Call list_tasks for the tasks there are.",
}


@pytest.fixture
def everything(ann: User, bob: User) -> Callable[[], Any]:
    """Both have tasks; the function returns all that the database knows of them."""
    for user in [ann, bob]:
        TaskFactory.create(user=user)
        TaskFactory.create(user=user, done=True)
    return lambda: list(Task.objects.order_by("pk").values())


def reaches_tasks(sql: str) -> bool:
    """Whether a statement reads or writes the table of tasks."""
    return re.search(r'\b(from|join|into|update)\s+"?tasks\b', sql, re.IGNORECASE) is not None


def arguments_for(tool: str, task_id: int) -> dict[str, Any]:
    """Good arguments, but for whom they are."""
    if tool == "add_task":
        return {"title": "x"}
    if tool == "list_tasks":
        return {}
    return {"task_id": task_id} | ({"title": "x"} if tool == "update_task" else {})


class TestAPerson:
    @pytest.mark.parametrize("tool", TOOLS)
    def test_names_nobody_else(
        self, tool: str, ann: User, bob: User, everything: Callable[[], Any], caller_for: Callable[..., Caller]
    ) -> None:
        caller, before = caller_for(ann), everything()
        bobs = bob.tasks.earliest("pk")
        caller.call("list_tasks")  # the token's first use is written down
        bodies = set()
        for user_id in NOT_ANN:
            for task_id in {bobs.pk, ann.tasks.earliest("pk").pk}:
                with CaptureQueriesContext(
                    connection,
                ) as queries:
                    response = caller.raw_call(tool, user_id=user_id, **arguments_for(tool, task_id))
                assert response.status_code == 200
                bodies.add(response.content)
                # The token is looked up, and nothing else: a refusal takes as long for bob as for nobody.
                assert len(queries) == 1
                assert not reaches_tasks(queries[0]["sql"])
                assert "'bob'" not in queries[0]["sql"]
        assert len(bodies) == 1
        assert caller.call(tool, user_id="bob", **arguments_for(tool, bobs.pk)) == NO_SUCH_PERSON
        assert everything() == before

    @pytest.mark.parametrize("tool", TAKES_TASK_ID)
    def test_reaches_nobody_elses_task(
        self, tool: str, ann: User, bob: User, everything: Callable[[], Any], caller_for: Callable[..., Caller]
    ) -> None:
        caller, before = caller_for(ann), everything()
        bodies = set()
        for task in bob.tasks.all():
            ids: list[int | str] = [task.pk, str(task.pk), 999_999_999, 2**63 - 1, 2**63, 10**40]
            for task_id in ids:
                for person in OWN:
                    arguments = arguments_for(tool, 0) | {"task_id": task_id} | person
                    with CaptureQueriesContext(connection) as queries:
                        bodies.add(caller.raw_call(tool, **arguments).content)
                    reached = [query["sql"] for query in queries if reaches_tasks(query["sql"])]
                    # For an id that is no bigint, no task is asked for.
                    assert bool(reached) is (int(task_id) < 2**63)
                    for sql in reached:
                        # Only those of the person found by ann's token, or by her id.
                        assert "user_id = (SELECT id FROM person)" in sql
                        assert token_digest(caller.token) in sql or "'ann'" in sql
                        assert "'bob'" not in sql
        assert len(bodies) == 1
        assert caller.call(tool, **arguments_for(tool, bob.tasks.earliest("pk").pk)) == NO_SUCH_TASK
        assert everything() == before

    @pytest.mark.parametrize("person", OWN)
    def test_is_meant_when_nobody_is_named(
        self, person: dict[str, Any], ann: User, everything: Callable[[], Any], caller_for: Callable[..., Caller]
    ) -> None:
        caller = caller_for(ann)
        everything()
        listed = caller.call("list_tasks", **person)["data"]["tasks"]
        assert {task["task_id"] for task in listed} == set(ann.tasks.values_list("pk", flat=True))
        added = caller.call("add_task", title="mine", **person)
        assert Task.objects.get(pk=added["data"]["task_id"]).user_id == "ann"
        own = ann.tasks.earliest("pk").pk
        assert caller.call("complete_task", task_id=own, **person)["status"] == "success"
        assert caller.call("update_task", task_id=own, title="y", **person)["status"] == "success"
        assert caller.call("delete_task", task_id=own, **person)["status"] == "success"

    def test_being_a_superuser_opens_no_list(self, bob: User, caller_for: Callable[..., Caller]) -> None:
        root = UserFactory.create(id="root", is_superuser=True, is_staff=True)
        assert caller_for(root).call("list_tasks", user_id="bob") == NO_SUCH_PERSON

    @pytest.mark.parametrize("tool", TOOLS)
    def test_is_refused_the_same_in_every_revision(
        self, tool: str, ann: User, bob: User, caller_for: Callable[..., Caller]
    ) -> None:
        for revision in ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]:
            caller = caller_for(ann, revision=revision)
            assert caller.call(tool, user_id="bob", **arguments_for(tool, 1)) == NO_SUCH_PERSON


class TestAServiceAccount:
    @pytest.mark.parametrize("tool", TOOLS)
    def test_must_name_somebody(self, tool: str, backend: User, caller_for: Callable[..., Caller]) -> None:
        for person in [{}, {"user_id": None}]:
            reply = caller_for(backend).call(tool, **arguments_for(tool, 1), **person)
            assert reply["data"] == {
                "error_code": 400,
                "field": "user_id",
                "problem": "missing",
                "example": "demo",
                "retryable": False,
            }

    @pytest.mark.parametrize("tool", TOOLS)
    def test_acts_for_whom_it_names(
        self, tool: str, backend: User, bob: User, everything: Callable[[], Any], caller_for: Callable[..., Caller]
    ) -> None:
        everything()
        task_id = bob.tasks.earliest("pk").pk
        reply = caller_for(backend).call(tool, user_id="bob", **arguments_for(tool, task_id))
        assert reply["status"] == "success"
        assert Task.objects.filter(user_id="backend").count() == 0

    @pytest.mark.parametrize("tool", TAKES_TASK_ID)
    def test_does_not_mix_people_up(
        self,
        tool: str,
        backend: User,
        ann: User,
        bob: User,
        everything: Callable[[], Any],
        caller_for: Callable[..., Caller],
    ) -> None:
        before = everything()
        bobs = bob.tasks.earliest("pk").pk
        assert caller_for(backend).call(tool, user_id="ann", **arguments_for(tool, bobs)) == NO_SUCH_TASK
        assert everything() == before

    @pytest.mark.parametrize("tool", TOOLS)
    def test_someone_deactivated_is_as_if_never_there(
        self, tool: str, backend: User, bob: User, everything: Callable[[], Any], caller_for: Callable[..., Caller]
    ) -> None:
        before = everything()
        User.objects.filter(pk="bob").update(is_active=False)
        caller = caller_for(backend)
        arguments = arguments_for(tool, bob.tasks.earliest("pk").pk)
        wanted = ["bob", "nobody", "Bob", "bob ", "", "bob\0"]
        assert len({caller.raw_call(tool, user_id=user_id, **arguments).content for user_id in wanted}) == 1
        assert caller.call(tool, user_id="bob", **arguments) == NO_SUCH_PERSON
        assert everything() == before

    def test_loses_the_right_with_the_permission(
        self, backend: User, bob: User, caller_for: Callable[..., Caller]
    ) -> None:
        caller = caller_for(backend)
        assert caller.call("list_tasks", user_id="bob")["status"] == "success"
        backend.user_permissions.clear()
        assert caller.call("list_tasks", user_id="bob") == NO_SUCH_PERSON

    def test_may_have_the_permission_by_a_group(
        self, backend: User, bob: User, caller_for: Callable[..., Caller]
    ) -> None:
        permission = backend.user_permissions.get()
        backend.user_permissions.clear()
        group = Group.objects.create(name="backends")
        group.permissions.add(permission)
        backend.groups.add(group)
        assert caller_for(backend).call("list_tasks", user_id="bob")["status"] == "success"


class TestAccess:
    def test_ends_with_deactivation(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        caller = caller_for(ann)
        assert caller.call("list_tasks")["status"] == "success"
        User.objects.filter(pk="ann").update(is_active=False)
        assert caller.raw_call("list_tasks").status_code == 401

    def test_ends_with_revocation(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        caller = caller_for(ann)
        PersonalToken.objects.all().revoke()
        assert caller.raw_call("list_tasks").status_code == 401
