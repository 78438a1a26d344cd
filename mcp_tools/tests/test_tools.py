"""What each of the five tools does, through the real /mcp."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.utils import timezone

from conftest import Caller
from mcp_tools.protocol import REVISIONS
from tasks.models import Status, Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import User

pytestmark = pytest.mark.django_db

SNAPSHOT = Path(__file__).parent / "tools_list.json"
TOOLS = ["add_task", "list_tasks", "complete_task", "delete_task", "update_task"]


@pytest.fixture
def caller(ann: User, caller_for: Callable[..., Caller]) -> Caller:
    return caller_for(ann)


class TestAddTask:
    def test_answers_with_the_new_task(self, caller: Caller) -> None:
        reply = caller.call("add_task", title="  Buy milk ", description="Two litres")
        task = Task.objects.get()
        assert reply == {
            "status": "success",
            "data": {
                "task_id": task.pk,
                "title": "Buy milk",
                "description": "Two litres",
                "completed": False,
                "created_at": reply["data"]["created_at"],
            },
            "message": f"Task {task.pk} was added.",
        }
        assert datetime.fromisoformat(reply["data"]["created_at"]) == task.created_at
        assert (task.user_id, task.title, task.description) == ("ann", "Buy milk", "Two litres")

    def test_the_description_may_be_left_out(self, caller: Caller) -> None:
        assert caller.call("add_task", title="Buy milk")["data"]["description"] == ""
        assert caller.call("add_task", title="Buy milk", description=None)["data"]["description"] == ""

    @pytest.mark.parametrize("title", ["x" * 200, "日本語 🥛", "<script>alert(1)</script>", "a\nb\t'\"\\"])
    def test_a_title_is_kept_as_given(self, caller: Caller, title: str) -> None:
        assert caller.call("add_task", title=title)["data"]["title"] == title
        assert caller.call("list_tasks")["data"]["tasks"][0]["title"] == title

    def test_the_longest_description_fits(self, caller: Caller) -> None:
        assert caller.call("add_task", title="x", description="é" * 1000)["status"] == "success"

    @pytest.mark.parametrize(
        ("arguments", "field", "problem"),
        [
            ({}, "title", "missing"),
            ({"title": None}, "title", "missing"),
            ({"title": ""}, "title", "too_short"),
            ({"title": " \t\n"}, "title", "blank"),
            ({"title": "x" * 201}, "title", "too_long"),
            ({"title": 7}, "title", "wrong_type"),
            ({"title": ["x"]}, "title", "wrong_type"),
            ({"title": "x", "description": "x" * 1001}, "description", "too_long"),
            ({"title": "x", "description": {}}, "description", "wrong_type"),
            ({"title": "a\0b"}, "title", "unstorable"),
            ({"title": "x", "description": "\0"}, "description", "unstorable"),
            ({"title": "\ud800"}, "title", "unstorable"),
            ({"title": "x", "user_id": 7}, "user_id", "wrong_type"),
            ({"title": "x", "user_id": ["ann"]}, "user_id", "wrong_type"),
        ],
    )
    def test_bad_arguments_change_nothing(
        self, caller: Caller, arguments: dict[str, Any], field: str, problem: str
    ) -> None:
        reply = caller.call("add_task", **arguments)
        assert reply["status"] == "error"
        assert reply["data"]["error_code"] == 400
        assert (reply["data"]["field"], reply["data"]["problem"]) == (field, problem)
        assert reply["data"]["retryable"] is False
        assert f"`{field}`" in reply["message"]
        assert not Task.objects.exists()

    @pytest.mark.parametrize("value", ["high", None])
    def test_an_unknown_argument_is_refused_by_name(self, caller: Caller, value: str | None) -> None:
        reply = caller.call("add_task", title="x", priority=value)
        assert reply["message"] == "There is no argument 'priority'. Use user_id, title or description."
        assert reply["data"] == {
            "error_code": 400,
            "problem": "unknown",
            "allowed": ["user_id", "title", "description"],
            "retryable": False,
        }
        assert not Task.objects.exists()

    def test_an_argument_whose_name_is_no_text(self, caller: Caller) -> None:
        reply = caller.call("add_task", **{"title": "x", "\ud800": 1})
        assert reply["message"].startswith("There is no argument a text with a NUL or a lone surrogate in it.")
        assert (reply["data"]["error_code"], reply["data"]["problem"]) == (400, "unknown")
        assert not Task.objects.exists()

    def test_every_fault_is_named_at_once(self, caller: Caller) -> None:
        message = caller.call("add_task", description="x" * 1001, priority=1)["message"]
        for name in ["title", "description", "priority"]:
            assert name in message

    def test_of_very_many_faults_the_first_are_named(self, caller: Caller) -> None:
        unknown = {f"unknown{number}": 1 for number in range(1000)}
        response = caller.raw_call("add_task", description="x" * 1001, **unknown)
        message = response.json()["result"]["structuredContent"]["message"]
        for name in ["title", "description", "unknown0"]:
            assert name in message
        assert message.endswith(" And 996 more.")
        assert len(response.content) < 2000

    def test_a_text_that_can_not_be_kept(self, caller: Caller) -> None:
        message = caller.call("add_task", title="\ud800")["message"]
        expected = "Use a text of 1 to 200 characters."
        assert message == f"`title` was a text with a NUL or a lone surrogate in it. {expected}"


class TestListTasks:
    def test_newest_first_with_all_that_there_is_to_know(self, caller: Caller, ann: User) -> None:
        old = TaskFactory.create(user=ann, created_at=timezone.now() - timedelta(days=1))
        new = TaskFactory.create(user=ann, description="more", done=True)
        reply = caller.call("list_tasks")
        assert [task["task_id"] for task in reply["data"]["tasks"]] == [new.pk, old.pk]
        assert reply["data"]["next_cursor"] is None
        first = reply["data"]["tasks"][0]
        assert set(first) == {"task_id", "title", "description", "completed", "created_at", "updated_at"}
        assert (first["description"], first["completed"]) == ("more", True)
        for name in ["created_at", "updated_at"]:
            assert datetime.fromisoformat(first[name]).utcoffset() == timedelta(0)

    def test_nothing_to_list(self, caller: Caller) -> None:
        reply = caller.call("list_tasks")
        assert (reply["status"], reply["data"]) == ("success", {"tasks": [], "next_cursor": None})

    @pytest.mark.parametrize(("status", "titles"), [("all", "ba"), ("pending", "a"), ("completed", "b")])
    def test_by_status(self, caller: Caller, ann: User, status: str, titles: str) -> None:
        TaskFactory.create(user=ann, title="a")
        TaskFactory.create(user=ann, title="b", done=True)
        assert "".join(task["title"] for task in caller.call("list_tasks", status=status)["data"]["tasks"]) == titles

    def test_the_statuses_are_those_of_the_model(self, caller: Caller) -> None:
        schema = caller.result("tools/list")["tools"][1]["inputSchema"]
        assert schema["properties"]["status"]["enum"] == Status.values

    def test_an_unknown_status_says_how_to_put_it_right(self, caller: Caller) -> None:
        reply = caller.call("list_tasks", status="done")
        assert reply["message"] == "`status` was 'done'. Use all, pending or completed."
        assert reply["data"]["allowed"] == ["all", "pending", "completed"]

    @pytest.mark.parametrize("limit", [0, 101, -1, 2.5, True, "x", "1e1", "٣", "", [1], 10**400])
    def test_bad_limits(self, caller: Caller, limit: Any) -> None:
        reply = caller.call("list_tasks", limit=limit)
        assert (reply["data"]["error_code"], reply["data"]["field"]) == (400, "limit")
        assert "Use a whole number from 1 to 100." in reply["message"]

    @pytest.mark.parametrize("limit", [3, "3", 3.0])
    def test_pages_to_the_end(self, caller: Caller, ann: User, limit: Any) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        # Equal times: the id decides.
        tasks = [TaskFactory.create(user=ann, created_at=at + timedelta(microseconds=n // 4)) for n in range(10)]
        seen, cursor, pages = [], None, 0
        while True:
            data = caller.call("list_tasks", limit=limit, cursor=cursor)["data"]
            seen += [task["task_id"] for task in data["tasks"]]
            cursor, pages = data["next_cursor"], pages + 1
            if cursor is None:
                break
        assert seen == [task.pk for task in reversed(tasks)]
        assert pages == 4

    def test_a_cursor_stays_right_while_tasks_come_and_go(self, caller: Caller, ann: User) -> None:
        tasks = [TaskFactory.create(user=ann) for _ in range(6)]
        cursor = caller.call("list_tasks", limit=3)["data"]["next_cursor"]
        tasks[3].delete()  # the task that the cursor was made from
        TaskFactory.create(user=ann)
        rest = caller.call("list_tasks", limit=100, cursor=cursor)["data"]["tasks"]
        assert [task["task_id"] for task in rest] == [tasks[2].pk, tasks[1].pk, tasks[0].pk]

    def test_a_cursor_gives_nobody_another_list(
        self, caller: Caller, ann: User, bob: User, caller_for: Callable[..., Caller]
    ) -> None:
        TaskFactory.create_batch(3, user=ann)
        cursor = caller.call("list_tasks", limit=1)["data"]["next_cursor"]
        assert caller_for(bob).call("list_tasks", cursor=cursor)["data"]["tasks"] == []

    @pytest.mark.parametrize(
        "cursor",
        ["", "x", "é", "\0", "\ud800", "MTIz", "LTEuMQ", "OTk5OTk5OTk5OTk5OTk5OTk5LjE", "MS4x=", 7, "A" * 5000],
    )
    def test_bad_cursors(self, caller: Caller, cursor: Any) -> None:
        reply = caller.call("list_tasks", cursor=cursor)
        assert (reply["data"]["error_code"], reply["data"]["field"]) == (400, "cursor")


class TestCompleteTask:
    def test_completes(self, caller: Caller, ann: User) -> None:
        task = TaskFactory.create(user=ann)
        reply = caller.call("complete_task", task_id=task.pk)
        task.refresh_from_db()
        assert reply["data"] == {
            "task_id": task.pk,
            "title": task.title,
            "completed": True,
            "updated_at": reply["data"]["updated_at"],
            "already_completed": False,
        }
        assert task.completed
        assert task.completed_at == task.updated_at == datetime.fromisoformat(reply["data"]["updated_at"])

    def test_again_says_so_and_moves_no_time(self, caller: Caller, ann: User) -> None:
        task = TaskFactory.create(user=ann)
        first = caller.call("complete_task", task_id=task.pk)
        before = Task.objects.values().get()
        again = caller.call("complete_task", task_id=str(task.pk))
        assert again["status"] == "success"
        assert again["data"] == first["data"] | {"already_completed": True}
        assert "already" in again["message"]
        assert Task.objects.values().get() == before


class TestDeleteTask:
    def test_deletes(self, caller: Caller, ann: User) -> None:
        gone, kept = TaskFactory.create(user=ann), TaskFactory.create(user=ann)
        reply = caller.call("delete_task", task_id=gone.pk)
        assert (reply["status"], reply["data"]) == ("success", {"task_id": gone.pk, "title": gone.title})
        assert list(Task.objects.all()) == [kept]
        assert caller.call("delete_task", task_id=gone.pk)["data"]["error_code"] == 404


class TestUpdateTask:
    @pytest.mark.parametrize(
        ("change", "title", "description", "fields"),
        [
            ({"title": " New "}, "New", "old text", ["title"]),
            ({"description": "new text"}, "Old", "new text", ["description"]),
            ({"title": "New", "description": ""}, "New", "", ["title", "description"]),
            ({"title": "New", "description": None}, "New", "old text", ["title"]),
            ({"title": None, "description": "x"}, "Old", "x", ["description"]),
        ],
    )
    def test_changes_what_is_given(
        self, caller: Caller, ann: User, change: dict[str, Any], title: str, description: str, fields: list[str]
    ) -> None:
        task = TaskFactory.create(user=ann, title="Old", description="old text")
        reply = caller.call("update_task", task_id=task.pk, **change)
        before = task.updated_at
        task.refresh_from_db()
        assert (task.title, task.description) == (title, description)
        assert task.updated_at > before
        assert reply["data"] == {
            "task_id": task.pk,
            "title": title,
            "description": description,
            "updated_fields": fields,
            "updated_at": reply["data"]["updated_at"],
        }
        assert datetime.fromisoformat(reply["data"]["updated_at"]) == task.updated_at

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({}, "nothing_to_change"),
            ({"title": None, "description": None}, "nothing_to_change"),
            ({"title": " "}, "blank"),
            ({"title": "x" * 201}, "too_long"),
            ({"description": "x" * 1001}, "too_long"),
            ({"title": "\0"}, "unstorable"),
        ],
    )
    def test_bad_changes_change_nothing(self, caller: Caller, ann: User, change: dict[str, Any], problem: str) -> None:
        task = TaskFactory.create(user=ann)
        before = Task.objects.values().get()
        reply = caller.call("update_task", task_id=task.pk, **change)
        assert (reply["data"]["error_code"], reply["data"]["problem"]) == (400, problem)
        assert Task.objects.values().get() == before


class TestTaskId:
    @pytest.mark.parametrize("tool", ["complete_task", "delete_task", "update_task"])
    @pytest.mark.parametrize(
        "task_id", [True, False, 1.5, "1.0", "one", " 1", "+1", "1_0", "", [1], {}, 0, -1, "٣", None]
    )
    def test_what_is_no_task_id(self, caller: Caller, tool: str, task_id: Any) -> None:
        reply = caller.call(tool, task_id=task_id, **({"title": "x"} if tool == "update_task" else {}))
        assert (reply["data"]["error_code"], reply["data"]["field"]) == (400, "task_id")
        assert reply["data"]["example"] == 7


class TestScope:
    def test_a_read_only_token_reads(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        assert caller_for(ann, scopes=["tasks:read"]).call("list_tasks")["status"] == "success"

    @pytest.mark.parametrize("tool", ["add_task", "complete_task", "delete_task", "update_task"])
    def test_a_read_only_token_does_not_write(self, ann: User, caller_for: Callable[..., Caller], tool: str) -> None:
        task = TaskFactory.create(user=ann)
        arguments = {"title": "x"} if tool == "add_task" else {"task_id": task.pk}
        response = caller_for(ann, scopes=["tasks:read"]).raw_call(tool, **arguments)
        assert response.status_code == 403
        assert response["WWW-Authenticate"].startswith('Bearer error="insufficient_scope", scope="tasks:write", ')
        reply = response.json()["result"]["structuredContent"]
        assert (reply["status"], reply["data"]["error_code"]) == ("error", 403)
        assert Task.objects.filter(completed=False).count() == 1

    def test_a_write_only_token_does_not_read(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        response = caller_for(ann, scopes=["tasks:write"]).raw_call("list_tasks")
        assert response.status_code == 403
        assert 'scope="tasks:read"' in response["WWW-Authenticate"]


class TestDeclarations:
    def test_exactly_five_in_order(self, caller: Caller) -> None:
        for revision in REVISIONS:
            caller.revision = revision
            assert [tool["name"] for tool in caller.result("tools/list")["tools"]] == TOOLS

    def test_the_list_is_the_snapshot(self, caller: Caller) -> None:
        """A change of what agents are told is a change of the interface, to be seen in a diff (see CONTRIBUTING)."""
        tools = caller.result("tools/list")["tools"]
        if os.environ.get("UPDATE_SNAPSHOT"):
            SNAPSHOT.write_text(json.dumps(tools, indent=2, ensure_ascii=False) + "\n")
        assert tools == json.loads(SNAPSHOT.read_text())

    def test_annotations(self, caller: Caller) -> None:
        hints = {
            tool["name"]: [
                tool["annotations"][f"{hint}Hint"] for hint in ["readOnly", "destructive", "idempotent", "openWorld"]
            ]
            for tool in caller.result("tools/list")["tools"]
        }
        assert hints == {
            "add_task": [False, False, False, False],
            "list_tasks": [True, False, True, False],
            "complete_task": [False, False, True, False],
            "delete_task": [False, True, True, False],
            "update_task": [False, True, True, False],
        }

    def test_input_schemas_are_plain(self, caller: Caller) -> None:
        for tool in caller.result("tools/list")["tools"]:
            schema = tool["inputSchema"]
            jsonschema.Draft202012Validator.check_schema(schema)
            jsonschema.Draft202012Validator.check_schema(tool["outputSchema"])
            assert schema["additionalProperties"] is False
            assert tool["title"]
            assert tool["description"]
            for described in schema["properties"].values():
                assert described["type"] in {"string", "integer"}
                assert "such as" in described["description"]
                assert described["examples"]

    def test_instructions_are_short(self, caller: Caller) -> None:
        assert len(caller.result("server/discover")["instructions"].split()) < 150


class TestOutputSchema:
    """Every reply, success and error, is what the tool's outputSchema says."""

    @pytest.fixture
    def validators(self, caller: Caller) -> dict[str, jsonschema.Draft202012Validator]:
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        return {
            tool["name"]: jsonschema.Draft202012Validator(_closed(tool["outputSchema"]), format_checker=checker)
            for tool in caller.result("tools/list")["tools"]
        }

    @pytest.mark.parametrize(
        ("tool", "arguments"),
        [
            ("add_task", {"title": "x"}),
            ("add_task", {"title": ""}),
            ("add_task", {"title": "x", "nonsense": 1}),
            ("list_tasks", {}),
            ("list_tasks", {"limit": 1}),
            ("list_tasks", {"status": "done"}),
            ("list_tasks", {"cursor": "x"}),
            ("complete_task", {"task_id": "OWN"}),
            ("complete_task", {"task_id": "DONE"}),
            ("complete_task", {"task_id": 10**18}),
            ("delete_task", {"task_id": "OWN"}),
            ("delete_task", {"task_id": True}),
            ("delete_task", {"task_id": "OWN", "user_id": "nobody"}),
            ("update_task", {"task_id": "OWN", "title": "y"}),
            ("update_task", {"task_id": "OWN"}),
        ],
    )
    def test_replies(
        self, caller: Caller, ann: User, validators: dict[str, Any], tool: str, arguments: dict[str, Any]
    ) -> None:
        own = {"OWN": TaskFactory.create(user=ann).pk, "DONE": TaskFactory.create(user=ann, done=True).pk}
        arguments = {
            name: own.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()
        }
        validators[tool].validate(caller.call(tool, **arguments))

    def test_a_failure_that_nobody_expected(
        self,
        caller: Caller,
        validators: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(**_: Any) -> None:
            raise RuntimeError("SELECT secret FROM /path")

        monkeypatch.setattr("tasks.services.add_task", fail)
        response = caller.raw_call("add_task", title="x")
        reply = response.json()["result"]["structuredContent"]
        validators["add_task"].validate(reply)
        assert reply["data"] == {"error_code": 500, "retryable": True}
        assert b"secret" not in response.content
        assert response["X-Request-ID"] in reply["message"]
        assert "SELECT secret" in caplog.text


def _closed(schema: Any) -> Any:
    """The schema with no room for anything that it does not name."""
    if isinstance(schema, dict):
        schema = {name: _closed(value) for name, value in schema.items()}
        if schema.get("type") == "object" and "properties" in schema:
            schema["additionalProperties"] = False
        return schema
    return [_closed(item) for item in schema] if isinstance(schema, list) else schema
