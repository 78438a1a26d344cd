"""`manage.py stdio_server` as clients run it: a process of its own, on the database of the tests."""

from __future__ import annotations

import itertools
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from django.conf import settings
from django.db import connection, transaction

from conftest import Caller
from mcp_tools.management.commands.serve import STOP_TIMEOUT
from mcp_tools.models import ToolCall
from mcp_tools.protocol import MAX_MESSAGE_SIZE, REVISIONS
from mcp_tools.stdio import MAX_OPEN, THREADS
from mcp_tools.tests.replying import check_response
from mcp_tools.tests.running import PATIENCE, RunningServer, database_url, free_port
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

COMPLETION = {
    "ref": {"type": "ref/resource", "uri": "todo://tasks/{task_id}"},
    "argument": {"name": "task_id", "value": ""},
}

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'

Both: TypeAlias = Callable[..., tuple[bytes, bytes]]

HANDSHAKES = [name for name, revision in REVISIONS.items() if revision.handshake]


class Stdio:
    """A client at the other end of the pipes."""

    def __init__(self, *arguments: str, user: str = "ann", reads: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "stdio_server", "--user", user, *arguments],
            cwd=settings.BASE_DIR,
            # Whatever would spoil the output shows: everything that can be said is said.
            env=os.environ | {"DATABASE_URL": database_url(), "LOG_LEVEL": "DEBUG"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.lines: queue.Queue[bytes] = queue.Queue()
        self.errors: list[bytes] = []
        self.readers = [
            threading.Thread(target=self.read, args=[pipe, take])
            for pipe, take in [(self.process.stdout, self.lines.put), (self.process.stderr, self.errors.append)]
            if reads or pipe is not self.process.stdout
        ]
        for reader in self.readers:
            reader.start()

    def read(self, pipe: Any, take: Callable[[bytes], None]) -> None:
        for line in pipe:
            take(line)

    def send(self, message: Any) -> None:
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        assert self.process.stdin
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        return json.loads(self.lines.get(timeout=PATIENCE))

    def ask(self, message: Any) -> Any:
        self.send(message)
        return self.receive()

    def end(self) -> list[Any]:
        """Close the input; what still came then."""
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(timeout=PATIENCE) == 0, self.errors
        for reader in self.readers:
            reader.join()
        return [json.loads(line) for line in self.lines.queue]


@pytest.fixture
def stdio(ann: User) -> Iterator[Stdio]:
    with running() as client:
        yield client


@contextmanager
def running(*arguments: str, user: str = "ann", reads: bool = True) -> Iterator[Stdio]:
    client = Stdio(*arguments, user=user, reads=reads)
    try:
        yield client
    finally:
        if client.process.stdin:
            with suppress(BrokenPipeError):
                client.process.stdin.close()
        try:
            client.process.wait(timeout=PATIENCE)
        finally:
            client.process.kill()
        for reader in client.readers:
            reader.join()
        for pipe in [client.process.stdout, client.process.stderr]:
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


def request(method: str, params: dict[str, Any] | None = None, id: Any = 1, revision: str = "2026-07-28") -> Any:
    return Caller("", revision).request(method, params, id)


def call(tool: str, arguments: dict[str, Any] | None = None, id: Any = 1) -> Any:
    return request("tools/call", {"name": tool, "arguments": arguments or {}}, id)


def initialize(revision: str | None, client_name: str = "tester") -> Any:
    params = {"protocolVersion": revision, "clientInfo": {"name": client_name, "version": "1"}}
    return request("initialize", params, revision="2025-11-25")


def handshake(stdio: Stdio, revision: str) -> str:
    greeting = stdio.ask(initialize(revision))
    stdio.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    return str(greeting["result"]["protocolVersion"])


class TestRevisions:
    def test_the_newest(self, stdio: Stdio) -> None:
        assert stdio.ask(request("server/discover"))["result"]["supportedVersions"] == list(REVISIONS)
        assert stdio.ask(call("add_task", {"title": "x"}))["result"]["isError"] is False
        assert Task.objects.get().user_id == "ann"

    @pytest.mark.parametrize("revision", HANDSHAKES)
    def test_by_handshake(self, stdio: Stdio, revision: str) -> None:
        assert handshake(stdio, revision) == revision
        result = stdio.ask({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_tasks"}})
        assert set(result["result"]) == {"content", "structuredContent", "isError"}
        assert stdio.ask({"jsonrpc": "2.0", "id": 3, "method": "ping"}) == {"jsonrpc": "2.0", "id": 3, "result": {}}

    def test_both_in_one_process(self, stdio: Stdio) -> None:
        handshake(stdio, "2025-11-25")
        assert "resultType" in stdio.ask(request("tools/list"))["result"]
        assert "resultType" not in stdio.ask({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})["result"]

    def test_a_refused_handshake_changes_nothing(self, stdio: Stdio) -> None:
        stdio.ask(initialize("2025-06-18", "first"))
        newest = request("initialize", {"protocolVersion": "2025-06-18", "clientInfo": {"name": "third"}})
        for refused, code in [(initialize(None, "second"), -32602), (newest, -32601)]:
            assert stdio.ask(refused)["error"]["code"] == code

        written = stdio.ask(
            request("tools/call", {"name": "add_task", "arguments": {"title": "x"}}, revision="2025-06-18")
        )

        assert "resultType" not in written["result"]
        assert ToolCall.objects.get().client_name == "first"

    def test_an_unknown_one(self, stdio: Stdio) -> None:
        assert handshake(stdio, "1999-01-01") == "2025-11-25"


@pytest.mark.parametrize("revision", REVISIONS)
class TestHttp:
    """It answers the same bytes, whatever is asked."""

    @pytest.fixture
    def both(self, ann: User, caller_for: Callable[..., Caller], stdio: Stdio, revision: str) -> Both:
        caller = caller_for(ann, revision=revision)
        if REVISIONS[revision].handshake:
            handshake(stdio, revision)
        ids = itertools.count(2)

        def both(method: str, params: dict[str, Any], between: Callable[[], Any] = lambda: None) -> tuple[bytes, bytes]:
            """What stdio answers, and what HTTP does. between: done between the two."""
            message = caller.request(method, params, next(ids))
            stdio.send(message)
            line = stdio.lines.get(timeout=PATIENCE)
            between()
            return line, caller.post(message).content + b"\n"

        return both

    def test_to_what_reads(self, ann: User, both: Both) -> None:
        for title in ["Buy milk", '日本語 "🥛"\n\\']:
            TaskFactory.create(user=ann, title=title)
        for method, params in [
            ("server/discover", {}),
            ("ping", {}),
            ("tools/list", {}),
            ("tools/list", {"cursor": "x"}),
            ("resources/list", {}),
            ("resources/templates/list", {}),
            ("prompts/list", {}),
            ("tools/call", {"name": "list_tasks", "arguments": {"limit": 1}}),
            ("tools/call", {"name": "add_task", "arguments": {"title": ""}}),
            ("tools/call", {"name": "list_tasks", "arguments": {"user_id": "bob"}}),
            ("tools/call", {"name": "nonsense"}),
            ("resources/read", {"uri": "todo://tasks/pending"}),
            ("resources/read", {"uri": "todo://nothing"}),
            ("prompts/get", {"name": "weekly_review"}),
            ("completion/complete", COMPLETION),
            ("nonsense", {}),
        ]:
            line, body = both(method, params)
            assert line == body

    def test_to_a_write(self, ann: User, both: Both) -> None:
        task = TaskFactory.create(user=ann)
        delete = {"name": "delete_task", "arguments": {"task_id": task.pk}}

        line, body = both("tools/call", delete, between=lambda: Task.objects.bulk_create([task]))

        assert line == body
        assert b'"status":"success"' in line
        assert not Task.objects.exists()

    def test_to_a_handshake(self, both: Both) -> None:
        for asked in [{"protocolVersion": name} for name in REVISIONS] + [{"protocolVersion": "1999-01-01"}, {}]:
            line, body = both("initialize", asked)
            assert line == body

    def test_to_what_fails(self, both: Both) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE tasks RENAME TO tasks_elsewhere")
            try:
                answers = both("resources/read", {"uri": "todo://tasks/1"})
            finally:
                cursor.execute("ALTER TABLE tasks_elsewhere RENAME TO tasks")

        # But for what each is known by in the logs.
        line, body = [re.sub(rb"[0-9a-f]{32}", b"...", answer) for answer in answers]
        assert line == body
        assert b"-32603" in line


class TestLines:
    def test_nothing_but_messages_comes_out(self, stdio: Stdio) -> None:
        stdio.ask(call("list_tasks"))
        stdio.ask(call("add_task", {"title": "a\nb\r\n\u2028"}))
        assert stdio.end() == []
        assert any(b'"tool call"' in line for line in stdio.errors)

    def test_that_can_not_be_read(self, stdio: Stdio) -> None:
        for line, code in [
            (b"nonsense", -32700),
            (b"\xff\xfe", -32700),
            (b"[" * 100_000, -32700),
            (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}', -32700),
            (b" " * (MAX_MESSAGE_SIZE + 1 - len(PING)) + PING, -32600),
            (b'"' + b"x" * (3 * MAX_MESSAGE_SIZE) + b'"', -32600),
            (b"[]", -32600),
            (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        ]:
            reply = stdio.ask(line)
            check_response(reply)
            assert (reply.get("id"), reply["error"]["code"]) == (None, code)
        assert "result" in stdio.ask(call("list_tasks"))

    def test_as_long_as_they_may_be(self, stdio: Stdio) -> None:
        assert "result" in stdio.ask(b" " * (MAX_MESSAGE_SIZE - len(PING)) + PING)

    def test_empty_ones_and_notifications_get_no_answer(self, stdio: Stdio) -> None:
        for line in [b"", b"  ", b'{"jsonrpc":"2.0","method":"notifications/nonsense"}']:
            stdio.send(line)
        assert stdio.ask(call("list_tasks", id="mine"))["id"] == "mine"

    @pytest.mark.parametrize("response", [b'"id":1,"result":{}', b'"id":null,"error":{"code":-32600}', b'"result":1'])
    def test_responses_get_no_answer(self, stdio: Stdio, response: bytes) -> None:
        stdio.send(b'{"jsonrpc":"2.0",' + response + b"}")
        assert stdio.ask(call("list_tasks", id="mine"))["id"] == "mine"
        assert stdio.end() == []

    def test_an_error_names_its_request(self, stdio: Stdio) -> None:
        message = {
            "jsonrpc": "2.0",
            "id": 7,
            "method": "ping",
            "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "x"}},
        }
        reply = stdio.ask(message)
        assert (reply["id"], reply["error"]["code"]) == (7, -32022)

    @pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_it_without_a_fuss(self, stdio: Stdio, ending: signal.Signals) -> None:
        stdio.ask(call("list_tasks"))
        stdio.process.send_signal(ending)
        assert stdio.process.wait(timeout=PATIENCE) == 0
        for reader in stdio.readers:
            reader.join()
        assert not any(b"Traceback" in line for line in stdio.errors)

    def test_what_was_asked_before_the_end_is_answered(self, stdio: Stdio) -> None:
        for id in range(20):
            stdio.send(call("add_task", {"title": "x"}, id))
        assert sorted(reply["id"] for reply in stdio.end()) == list(range(20))
        assert Task.objects.count() == 20


@contextmanager
def writers_wait() -> Iterator[None]:
    """Nobody else can change a task meanwhile."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE tasks IN EXCLUSIVE MODE")
        else:
            cursor.execute("UPDATE tasks SET id = id")
        yield


class TestSeveralAtOnce:
    def test_a_slow_call_holds_up_no_other(self, stdio: Stdio) -> None:
        with writers_wait():
            stdio.send(call("add_task", {"title": "slow"}, "slow"))
            assert stdio.ask(call("list_tasks", id="quick"))["id"] == "quick"
        assert stdio.receive()["id"] == "slow"

    def test_many_slow_changes_hold_up_no_reading(self, stdio: Stdio) -> None:
        with writers_wait():
            for id in range(THREADS + 1):
                stdio.send(call("add_task", {"title": "slow"}, id))
            for quick in [call("list_tasks", id="list"), request("tools/list", id="tools"), request("ping", id="ping")]:
                assert stdio.ask(quick)["id"] == quick["id"]
        assert sorted(reply["id"] for reply in stdio.end()) == list(range(THREADS + 1))

    def test_too_many(self, stdio: Stdio) -> None:
        with writers_wait():
            for id in range(MAX_OPEN):
                stdio.send(call("add_task", {"title": "slow"}, id))
            refused = stdio.ask(call("list_tasks", id="last"))
            assert (refused["id"], refused["error"]["code"]) == ("last", -32600)
            assert "Too many requests are open" in refused["error"]["message"]
            for id in range(MAX_OPEN):
                stdio.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
            # Nothing else is answered before these were read.
            assert stdio.ask(b"nonsense")["error"]["code"] == -32700
        assert stdio.end() == []

    def test_one_that_a_signal_meets_is_answered_first(self, stdio: Stdio) -> None:
        with writers_wait():
            stdio.send(call("add_task", {"title": "slow"}, "slow"))
            stdio.ask(call("list_tasks", id="quick"))
            stdio.process.send_signal(signal.SIGTERM)
        assert stdio.receive()["id"] == "slow"
        assert stdio.process.wait(timeout=PATIENCE) == 0

    def test_a_second_signal_waits_for_none(self, stdio: Stdio) -> None:
        with writers_wait():
            stdio.send(call("add_task", {"title": "slow"}))
            stdio.ask(call("list_tasks", id="quick"))
            while stdio.process.poll() is None:
                stdio.process.send_signal(signal.SIGTERM)
                time.sleep(0.1)
        assert stdio.process.returncode == -signal.SIGTERM

    def test_one_that_takes_too_long_is_not_waited_for(self, stdio: Stdio) -> None:
        with writers_wait():
            stdio.send(call("add_task", {"title": "slow"}))
            stdio.ask(call("list_tasks", id="quick"))
            told = time.monotonic()
            stdio.process.send_signal(signal.SIGTERM)
            assert stdio.process.wait(timeout=PATIENCE) == 1
        assert time.monotonic() - told >= STOP_TIMEOUT
        stdio.readers[1].join()
        assert b"ended with requests open" in stdio.errors[-1]

    def test_nor_is_one_whose_answer_nobody_reads(self, ann: User) -> None:
        with running(reads=False) as client:
            for id in range(30):
                client.send(request("tools/list", id=id))
            assert client.process.stdin
            client.process.stdin.close()
            assert client.process.wait(timeout=PATIENCE) == 1

    def test_a_cancelled_call_gets_no_answer(self, stdio: Stdio) -> None:
        with writers_wait():
            stdio.send(call("add_task", {"title": "slow"}, "slow"))
            stdio.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow"}})
            stdio.ask(call("list_tasks"))
        assert stdio.end() == []

    def test_one_that_waits_is_not_begun_once_cancelled(self, stdio: Stdio) -> None:
        with writers_wait():
            for id in range(20):
                stdio.send(call("add_task", {"title": str(id)}, id))
            for id in range(20):
                stdio.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
            # Nothing else is answered before these were read.
            assert stdio.ask(b"nonsense")["error"]["code"] == -32700
        assert stdio.end() == []
        assert Task.objects.count() < 20

    def test_an_id_that_is_in_use(self, stdio: Stdio) -> None:
        with writers_wait():
            stdio.send(call("add_task", {"title": "slow"}))
            refused = stdio.ask(call("add_task", {"title": "again"}))
            assert (refused["id"], refused["error"]["code"]) == (1, -32600)
        assert "result" in stdio.receive()

    def test_cancelling_what_there_is_not(self, stdio: Stdio) -> None:
        unknown: list[Any] = ["unknown", "1", None, True, [1], {}, 1.5]
        with writers_wait():
            stdio.send(call("add_task", {"title": "slow"}, 1))
            for id in unknown:
                stdio.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
            stdio.send({"jsonrpc": "2.0", "method": "notifications/cancelled"})
            stdio.ask(call("list_tasks", id="quick"))
        assert stdio.receive()["id"] == 1


class TestWhoMayRunIt:
    @pytest.mark.parametrize("user", ["Ann", ""])
    def test_nobody_who_does_not_exist(self, ann: User, user: str) -> None:
        with running(user=user) as client:
            assert client.process.wait(timeout=PATIENCE) == 1
            client.readers[1].join()
            assert b"no active person" in client.errors[-1]
            assert client.lines.empty()

    def test_not_once_deactivated(self, stdio: Stdio) -> None:
        assert "result" in stdio.ask(call("list_tasks"))
        User.objects.filter(pk="ann").update(is_active=False)
        for message in [call("list_tasks"), call("list_tasks", {"user_id": "ann"}), request("tools/list")]:
            assert stdio.ask(message)["error"]["code"] == -32600

    def test_for_nobody_else(self, stdio: Stdio, bob: User) -> None:
        task = TaskFactory.create(user=bob)
        assert stdio.ask(call("list_tasks", {"user_id": "bob"}))["result"]["isError"] is True
        assert stdio.ask(call("delete_task", {"task_id": task.pk}))["result"]["isError"] is True
        assert Task.objects.filter(pk=task.pk).exists()


class TestWithTheWebApplication:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_both_work_until_the_input_ends(self, ann: User, host: str) -> None:
        site = f"{host}:{free_port()}"
        with running("--http", site) as client:
            assert "result" in client.ask(call("add_task", {"title": "x"}))
            assert status_once_it_answers(f"http://{site}/admin/login/") == 200
            assert client.end() == []
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://{site}/health")

    def test_ends_when_told_to(self, ann: User) -> None:
        with running("--http", f"127.0.0.1:{free_port()}") as client:
            client.ask(call("list_tasks"))
            client.process.send_signal(signal.SIGTERM)
            assert client.process.wait(timeout=PATIENCE) == 0

    def test_nothing_is_left_when_it_is_killed(self, ann: User) -> None:
        port = free_port()
        with running("--http", f"127.0.0.1:{port}") as client:
            assert status_once_it_answers(f"http://127.0.0.1:{port}/health") == 200
            client.process.kill()
            # They end with the last process that has the pipes.
            for reader in client.readers:
                reader.join(timeout=PATIENCE)
                assert not reader.is_alive()
            with pytest.raises(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/health")

    @pytest.mark.parametrize("http", ["8000", "127.0.0.1:99999", "127.0.0.1:٨", "127.0.0.1:" + "9" * 5000, "a..b:8000"])
    def test_an_address_that_can_not_be(self, ann: User, http: str) -> None:
        with running("--http", http) as client:
            assert client.process.wait(timeout=PATIENCE) == 1
            client.readers[1].join()
            assert client.errors[-1].startswith(b"CommandError: ")


def status_once_it_answers(url: str) -> int:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return httpx.get(url, timeout=PATIENCE).status_code
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_a_server_of_mcp_alone(ann: User, caller_for: Callable[..., Caller], tmp_path: Path) -> None:
    with RunningServer(tmp_path / "server.log", "mcp_server") as server:
        reply = server.call(caller_for(ann).token, "add_task", title="x")
        assert reply["status"] == "success"
        for path in ["/admin/", "/api/tasks/", "/api/docs/", "/static/", "/"]:
            response = server.http.get(f"{server.site}{path}")
            assert (response.status_code, response.headers["Content-Type"]) == (404, "application/problem+json")
