"""Nobody reaches anybody else's list, or learns whether there is one."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

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
    @pytest.fixture(params=["none", "their own", "by a group"], autouse=True)
    def _permissions(self, request: pytest.FixtureRequest, ann: User) -> None:
        """Whoever has some permission is found by another statement than most; any but one makes no difference."""
        permission = Permission.objects.get(codename="view_user")
        if request.param == "their own":
            ann.user_permissions.add(permission)
        elif request.param == "by a group":
            group = Group.objects.create(name="readers")
            group.permissions.add(permission)
            ann.groups.add(group)

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
                # The token is looked up, and the refusal is written down, and nothing else: it takes as long for bob as
                # for nobody.
                looked_up, written = [query["sql"] for query in queries]
                assert not reaches_tasks(looked_up)
                assert "'bob'" not in looked_up
                assert written.startswith('INSERT INTO "security_events"')
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


@pytest.mark.parametrize("tool", TOOLS)
class TestOnBehalfOf:
    """The header by which the program, and not the model, names the person."""

    def ask(self, caller: Caller, tool: str, named: str, task_id: int, **arguments: Any) -> Any:
        message = caller.request("tools/call", {"name": tool, "arguments": arguments_for(tool, task_id) | arguments})
        return caller.post(message, On_Behalf_Of=named).json()["result"]["structuredContent"]

    def test_names_the_person(
        self, tool: str, backend: User, bob: User, everything: Callable[[], Any], caller_for: Callable[..., Caller]
    ) -> None:
        everything()
        caller, task_id = caller_for(backend), bob.tasks.earliest("pk").pk
        assert self.ask(caller, tool, "bob", task_id)["status"] == "success"
        assert Task.objects.filter(user_id="backend").count() == 0

    def test_must_equal_who_is_named_in_the_arguments(
        self, tool: str, backend: User, bob: User, everything: Callable[[], Any], caller_for: Callable[..., Caller]
    ) -> None:
        before = everything()
        caller, task_id = caller_for(backend), bob.tasks.earliest("pk").pk
        for named in ["ann", "nobody", "BOB", "bob, bob", "", "=?base64?Ym9i", "=?base64?=?=", "=?base64?AA==?="]:
            assert self.ask(caller, tool, named, task_id, user_id="bob") == NO_SUCH_PERSON
        assert everything() == before
        assert self.ask(caller, tool, "bob", task_id, user_id="bob")["status"] == "success"

    def test_opens_nothing_to_a_person(
        self, tool: str, ann: User, bob: User, everything: Callable[[], Any], caller_for: Callable[..., Caller]
    ) -> None:
        before = everything()
        caller = caller_for(ann)
        for person in [{}, {"user_id": "ann"}, {"user_id": "bob"}]:
            assert self.ask(caller, tool, "bob", bob.tasks.earliest("pk").pk, **person) == NO_SUCH_PERSON
        assert everything() == before
        assert self.ask(caller, tool, "ann", ann.tasks.earliest("pk").pk)["status"] == "success"

    def test_may_be_encoded(
        self, tool: str, backend: User, bob: User, everything: Callable[[], Any], caller_for: Callable[..., Caller]
    ) -> None:
        UserFactory.create(id="Jörg")
        everything()
        caller = caller_for(backend)
        assert self.ask(caller, tool, "=?base64?Ym9i?=", bob.tasks.earliest("pk").pk)["status"] == "success"
        encoded = f"=?base64?{base64.b64encode('Jörg'.encode()).decode()}?="
        task = TaskFactory.create(user_id="Jörg")
        assert self.ask(caller, tool, encoded, task.pk, user_id="Jörg")["status"] == "success"

    def test_can_be_required(
        self,
        tool: str,
        backend: User,
        bob: User,
        everything: Callable[[], Any],
        caller_for: Callable[..., Caller],
        settings: Settings,
    ) -> None:
        settings.ON_BEHALF_OF_REQUIRED = True
        before = everything()
        caller, task_id = caller_for(backend), bob.tasks.earliest("pk").pk
        reply = caller.call(tool, user_id="bob", **arguments_for(tool, task_id))
        assert reply["data"] == {"error_code": 400, "problem": "header_missing", "retryable": False}
        assert "On-Behalf-Of" in reply["message"]
        assert caller.call(tool, **arguments_for(tool, task_id))["data"]["problem"] == "missing"
        assert everything() == before
        assert self.ask(caller, tool, "bob", task_id)["status"] == "success"
        assert caller_for(bob).call("list_tasks")["status"] == "success"


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
