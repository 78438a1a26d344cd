"""What agents change is written down with the change, in the conversation that is named; all calls are counted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, connection
from django.db.models import Count, F
from django.utils import timezone

from conftest import Caller
from conversations.models import Conversation
from conversations.tests.factories import ConversationFactory
from mcp_tools import usage
from mcp_tools.models import ToolCall, ToolUse
from mcp_tools.protocol import META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_PROTOCOL_VERSION, REVISIONS
from mcp_tools.recording import META_CONVERSATION
from mcp_tools.tests.running import PATIENCE, RunningServer, run_python
from mcp_tools.tests.test_stdio import running
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import User
from todoproj.users.services import issue_token

pytestmark = pytest.mark.django_db

EVERY_REVISION = pytest.mark.parametrize("revision", REVISIONS)


def call(caller: Caller, tool: str, conversation: Any = None, client: Any = None, **arguments: Any) -> Any:
    """The reply to a call that names a conversation and a client."""
    meta: dict[str, Any] = {}
    if not REVISIONS[caller.revision].handshake:
        meta = {META_PROTOCOL_VERSION: caller.revision, META_CLIENT_CAPABILITIES: {}}
    if conversation is not None:
        meta[META_CONVERSATION] = conversation
    if client is not None:
        meta[META_CLIENT_INFO] = {"name": client, "version": "1"}
    return caller.result("tools/call", {"name": tool, "arguments": arguments, "_meta": meta})["structuredContent"]


def rows() -> list[tuple[Any, ...]]:
    return list(ToolCall.objects.order_by("pk").values_list("tool", "user_id", "task_id", "arguments"))


class TestWhatIsWrittenDown:
    @EVERY_REVISION
    def test_each_change_is(self, ann: User, caller_for: Callable[..., Caller], revision: str) -> None:
        caller = caller_for(ann, revision=revision)
        before = timezone.now()
        task_id = caller.call("add_task", title="Buy milk")["data"]["task_id"]
        caller.call("update_task", task_id=str(task_id), description="x" * 1000)
        caller.call("complete_task", task_id=task_id)
        caller.call("delete_task", task_id=task_id)
        assert rows() == [
            ("add_task", "ann", task_id, {"title": "Buy milk"}),
            ("update_task", "ann", task_id, {"task_id": str(task_id), "description": "x" * 200 + "…"}),
            ("complete_task", "ann", task_id, {"task_id": task_id}),
            ("delete_task", "ann", task_id, {"task_id": task_id}),
        ]
        for row in ToolCall.objects.all():
            assert (row.principal, row.conversation_id, row.outcome, row.error_code) == ("ann", None, "success", None)
            assert 0 < row.duration_ms < PATIENCE * 1000
            assert before <= row.created_at <= timezone.now()

    def test_what_changes_nothing_is_not(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        caller, task = caller_for(ann), TaskFactory.create(user=ann, completed=True, completed_at=timezone.now())
        assert caller.call("list_tasks")["status"] == "success"
        assert caller.call("complete_task", task_id=task.pk)["data"]["already_completed"] is True
        assert caller.call("delete_task", task_id=task.pk + 1)["data"]["error_code"] == 404
        assert caller.call("add_task", title=" ")["data"]["error_code"] == 400
        assert caller.call("add_task", title="x", user_id="bob")["data"]["error_code"] == 404
        assert rows() == []

    def test_by_a_service_account(self, ann: User, backend: User, caller_for: Callable[..., Caller]) -> None:
        caller_for(backend).call("add_task", user_id="ann", title="x")
        row = ToolCall.objects.get()
        assert (row.user_id, row.principal) == ("ann", "backend")
        assert row.arguments == {"user_id": "ann", "title": "x"}

    def test_not_what_rest_does(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        caller = caller_for(ann)
        headers = {"Authorization": f"Bearer {caller.token}"}
        created = caller.client.post("/api/tasks/", {"title": "x"}, content_type="application/json", headers=headers)
        assert created.status_code == 201
        assert rows() == []

    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ("Some agent", "Some agent"),
            ("x" * 300, "x" * 100),
            ("a\0b", ""),
            ("\ud800", ""),
            ("名前", "名前"),
            ("", ""),
        ],
    )
    def test_the_clients_name(self, ann: User, caller_for: Callable[..., Caller], name: str, kept: str) -> None:
        call(caller_for(ann), "add_task", client=name, title="x")
        assert ToolCall.objects.get().client_name == kept

    def test_the_clients_name_by_its_user_agent(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        caller = caller_for(ann, revision="2025-11-25")
        message = caller.request("tools/call", {"name": "add_task", "arguments": {"title": "x"}})
        caller.post(message, User_Agent="agent/1.0")
        assert ToolCall.objects.get().client_name == "agent/1.0"

    @pytest.mark.django_db(transaction=True)
    def test_the_clients_name_by_the_handshake(self, ann: User) -> None:
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "desk", "version": "1"}}
        params = {"name": "add_task", "arguments": {"title": "x"}}
        with running() as client:
            client.ask({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
            client.ask({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params})
        assert ToolCall.objects.get().client_name == "desk"


class TestConversation:
    @pytest.mark.parametrize("as_text", [False, True])
    @EVERY_REVISION
    def test_of_the_person(self, ann: User, caller_for: Callable[..., Caller], revision: str, as_text: bool) -> None:
        caller, conversation = caller_for(ann, revision=revision), ConversationFactory.create(user=ann)
        named = str(conversation.pk) if as_text else conversation.pk
        task_id = call(caller, "add_task", named, title="x")["data"]["task_id"]
        assert call(caller, "list_tasks", named)["status"] == "success"
        assert call(caller, "complete_task", named, task_id=task_id)["status"] == "success"
        assert call(caller, "complete_task", named, task_id=task_id)["data"]["already_completed"] is True
        assert [row.tool for row in conversation.tool_calls.order_by("pk")] == ["add_task", "complete_task"]
        conversation.refresh_from_db()
        assert (conversation.tool_call_count, conversation.error_count) == (2, 0)

    def test_by_a_service_account(self, ann: User, backend: User, caller_for: Callable[..., Caller]) -> None:
        conversation = ConversationFactory.create(user=ann)
        call(caller_for(backend), "add_task", conversation.pk, user_id="ann", title="x")
        assert ToolCall.objects.get().conversation == conversation

    @pytest.mark.parametrize("tool", ["add_task", "list_tasks", "complete_task", "delete_task", "update_task"])
    def test_of_nobody_or_somebody_else(
        self, ann: User, bob: User, caller_for: Callable[..., Caller], tool: str
    ) -> None:
        """The same to the byte, and nothing is done."""
        caller, task = caller_for(ann), TaskFactory.create(user=ann, title="as it was")
        theirs = ConversationFactory.create(user=bob)
        given: dict[str, dict[str, Any]] = {
            "add_task": {"title": "x"},
            "list_tasks": {},
            "update_task": {"task_id": task.pk, "title": "x"},
        }
        arguments = given.get(tool, {"task_id": task.pk})
        before = list(Task.objects.values())
        replies = [
            call(caller, tool, named, **arguments) for named in [theirs.pk, theirs.pk + 1, 0, -1, 2**63, 10**400]
        ]
        assert all(reply == replies[0] for reply in replies)
        assert replies[0]["data"] == {
            "error_code": 404,
            "field": META_CONVERSATION,
            "problem": "not_found",
            "retryable": False,
        }
        assert list(Task.objects.values()) == before
        assert rows() == []
        theirs.refresh_from_db()
        assert (theirs.tool_call_count, theirs.error_count) == (0, 0)

    @pytest.mark.parametrize("named", [True, 1.5, "", "seven", "1" * 20, "²", [], {}, "\ud800"])
    def test_what_is_no_id(self, ann: User, caller_for: Callable[..., Caller], named: Any) -> None:
        reply = call(caller_for(ann), "add_task", named, title="x")
        assert reply["data"]["error_code"] == 400
        assert reply["data"]["field"] == META_CONVERSATION
        assert Task.objects.count() == 0

    def test_null_is_none(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        caller = caller_for(ann)
        meta: dict[str, Any] = {META_PROTOCOL_VERSION: caller.revision, META_CLIENT_CAPABILITIES: {}}
        meta[META_CONVERSATION] = None
        params = {"name": "add_task", "arguments": {"title": "x"}, "_meta": meta}
        assert caller.result("tools/call", params)["structuredContent"]["status"] == "success"
        assert ToolCall.objects.get().conversation is None

    def test_refusals_are_counted_in_it(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        caller, conversation = caller_for(ann), ConversationFactory.create(user=ann)
        assert call(caller, "add_task", conversation.pk)["status"] == "error"
        assert call(caller, "delete_task", conversation.pk, task_id=1)["status"] == "error"
        assert call(caller, "list_tasks", conversation.pk, user_id="bob")["status"] == "error"
        conversation.refresh_from_db()
        # The third is about somebody else, who has no such conversation.
        assert (conversation.tool_call_count, conversation.error_count) == (0, 2)

    def test_a_token_without_the_scope(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        caller, conversation = caller_for(ann, scopes=["tasks:read"]), ConversationFactory.create(user=ann)
        message = caller.request("tools/call", {"name": "add_task", "arguments": {"title": "x"}})
        message["params"]["_meta"][META_CONVERSATION] = conversation.pk
        assert caller.post(message).status_code == 403
        assert rows() == []

    def test_it_may_be_deleted(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        conversation = ConversationFactory.create(user=ann)
        call(caller_for(ann), "add_task", conversation.pk, title="x")
        conversation.delete()
        assert ToolCall.objects.get().conversation is None

    def test_of_somebody_with_permissions(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        ann.user_permissions.add(Permission.objects.get(codename="view_user"))
        caller, conversation = caller_for(ann), ConversationFactory.create(user=ann)
        assert call(caller, "add_task", conversation.pk, title="x")["status"] == "success"
        assert ToolCall.objects.get().conversation == conversation
        conversation.refresh_from_db()
        assert conversation.tool_call_count == 1
        foreign = ConversationFactory.create().pk
        assert call(caller, "add_task", foreign, title="x")["data"]["error_code"] == 404
        assert ann.tasks.count() == 1
        refusals = [call(caller, "delete_task", foreign, task_id=id) for id in [ann.tasks.get().pk, 2**63]]
        assert refusals[0] == refusals[1]
        assert refusals[0]["data"]["field"] == "todoproj/conversation_id"

    def test_statements(self, ann: User, caller_for: Callable[..., Caller], django_assert_num_queries: Any) -> None:
        """On PostgreSQL, a change with all that is written down is one."""
        caller, conversation = caller_for(ann), ConversationFactory.create(user=ann)
        call(caller, "add_task", conversation.pk, title="x")
        # On SQLite: the change, the row, the count, and a savepoint's two within the test's transaction.
        with django_assert_num_queries(1 if connection.vendor == "postgresql" else 5):
            call(caller, "add_task", conversation.pk, title="x")


class FailingAt:
    """A database that fails at the n-th statement. As execute_wrapper() takes it."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.statements = 0

    def __call__(self, execute: Callable[..., Any], *statement: Any) -> Any:
        self.statements += 1
        if self.statements == self.n:
            raise DatabaseError("as if the database had failed")
        return execute(*statement)


class TestNeitherWithoutTheOther:
    CHANGES: dict[str, Callable[[Task], dict[str, Any]]] = {
        "add_task": lambda task: {"title": "new"},
        "update_task": lambda task: {"task_id": task.pk, "title": "new"},
        "complete_task": lambda task: {"task_id": task.pk},
        "delete_task": lambda task: {"task_id": task.pk},
    }

    @pytest.mark.parametrize("tool", CHANGES)
    @pytest.mark.django_db(transaction=True)
    def test_an_error_at_each_statement(self, ann: User, caller_for: Callable[..., Caller], tool: str) -> None:
        caller, conversation = caller_for(ann), ConversationFactory.create(user=ann)
        caller.call("list_tasks")
        failing = 0
        while True:
            failing += 1
            task = TaskFactory.create(user=ann)
            ToolCall.objects.all().delete()
            before = list(Task.objects.order_by("pk").values())
            database = FailingAt(failing)
            with connection.execute_wrapper(database):
                reply = call(caller, tool, conversation.pk, **self.CHANGES[tool](task))
            changed = list(Task.objects.order_by("pk").values()) != before
            conversation.refresh_from_db()
            assert ToolCall.objects.count() == changed
            assert (reply["status"] == "success") is changed
            if database.statements < failing:
                break
            assert not changed
        assert changed
        assert conversation.tool_call_count == 1
        assert failing > (1 if connection.vendor == "postgresql" else 3)

    @pytest.mark.django_db(transaction=True)
    def test_a_killed_server(self, ann: User, tmp_path: Path) -> None:
        conversation = ConversationFactory.create(user=ann)
        _, token = issue_token(user_id="ann")
        body = {"name": "add_task", "arguments": {"title": "x"}, "_meta": {META_CONVERSATION: conversation.pk}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": body}
        headers = {"Authorization": f"Bearer {token}", "MCP-Protocol-Version": "2025-11-25"}
        answered = []
        with ExitStack() as stack:
            server = stack.enter_context(RunningServer(tmp_path / "server.log", WEB_CONCURRENCY="1"))

            def work() -> None:
                with httpx.Client(base_url=server.site, timeout=PATIENCE) as http:
                    while True:
                        try:
                            reply = http.post("/mcp", json=message, headers=headers)
                        except httpx.TransportError:
                            return
                        answered.append(reply.status_code)

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            while len(answered) < 40:
                assert any(thread.is_alive() for thread in threads)
            parent = server.process.pid
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
            for pid in [parent, *map(int, children)]:
                os.kill(pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
        assert set(answered) == {200}
        # Each of these is one statement: what the database still does for the dead is wholly in it, or not at all.
        assert Task.objects.count() >= len(answered)
        assert not Task.objects.exclude(pk__in=ToolCall.objects.values("task_id")).exists()
        assert not ToolCall.objects.exclude(task_id__in=Task.objects.values("pk")).exists()
        assert Conversation.objects.annotate(rows=Count("tool_calls")).filter(rows=F("tool_call_count")).exists()


class TestUse:
    def test_a_fork_counts_from_nothing(self) -> None:
        program = """import os, django; django.setup()
from mcp_tools import usage
usage.count("list_tasks", 0, 1.0)
with usage._lock:
    child = os.fork()
    if child == 0:
        os._exit(len(usage._counted) or usage._lock.locked() or usage._added_at is not None)
print(os.waitpid(child, 0)[1], len(usage._counted), flush=True)
os._exit(0)"""
        assert run_python(program).split() == ["0", "1"]

    def test_all_calls_are_counted(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        usage.add()
        ToolUse.objects.all().delete()
        caller = caller_for(ann)
        for _ in range(3):
            caller.call("list_tasks")
        caller.call("add_task")
        usage.add()
        caller.call("list_tasks")
        usage.add()
        usage.add()
        uses = {(use.tool, use.error_code): use for use in ToolUse.objects.all()}
        assert {key: use.calls for key, use in uses.items()} == {("list_tasks", 0): 4, ("add_task", 400): 1}
        for use in uses.values():
            assert use.day == timezone.now().date()
            assert 0 < use.slowest_ms <= use.total_ms
        assert uses["list_tasks", 0].slowest_ms < uses["list_tasks", 0].total_ms

    def test_a_call_adds_them_when_it_is_time(
        self, ann: User, caller_for: Callable[..., Caller], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage.add()
        ToolUse.objects.all().delete()
        caller = caller_for(ann)
        caller.call("list_tasks")
        assert not ToolUse.objects.exists()
        monkeypatch.setattr(usage, "INTERVAL", -1)
        caller.call("list_tasks")
        assert ToolUse.objects.get().calls == 2

    @pytest.mark.django_db(transaction=True)
    def test_what_can_not_be_added_is_kept(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        usage.add()
        ToolUse.objects.all().delete()
        caller_for(ann).call("list_tasks")
        with connection.execute_wrapper(FailingAt(1)):
            usage.add()
        usage.add()
        assert ToolUse.objects.get().calls == 1

    @pytest.mark.django_db(transaction=True)
    def test_a_server_that_ends_adds_them(self, ann: User, tmp_path: Path) -> None:
        _, token = issue_token(user_id="ann")
        with RunningServer(tmp_path / "server.log") as server:
            for _ in range(20):
                server.call(token, "list_tasks")
        assert sum(ToolUse.objects.values_list("calls", flat=True)) == 20
