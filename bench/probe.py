"""A look at what a server answers before it is measured: fast wrong replies are worth nothing."""

from __future__ import annotations

import http.client
import json
from typing import Any

from bench.dataset import TASKS_EACH, token, user_id
from bench.loads import TOOLS
from bench.servers import ERAS, Server

# The person that is asked about. What is added for them is deleted again.
PERSON = 1


class WrongReplyError(Exception):
    """A server answered something else than it should."""


def post(server: Server, port: int, era: str, method: str, params: dict[str, Any]) -> tuple[int, str]:
    """A JSON-RPC request in the era's form; the reply's HTTP status and body."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": era,
    }
    if server.ours:
        headers["Authorization"] = f"Bearer {token(PERSON)}"
    if era == ERAS[0]:
        headers["Mcp-Method"] = method
        if "name" in params:
            headers["Mcp-Name"] = params["name"]
        meta = {"protocolVersion": era, "clientCapabilities": {}}
        params = params | {"_meta": {f"io.modelcontextprotocol/{name}": value for name, value in meta.items()}}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/mcp", json.dumps(message), headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def list_tasks(server: Server, port: int) -> tuple[int, str]:
    """What the first era's list_tasks answers; the status and body of the reply."""
    return _call(server, port, server.eras[0], "list_tasks")


def check(server: Server, port: int, era: str) -> None:
    """Try each tool once, and see that it did what it says. Raises WrongReplyError."""

    def call(tool: str, **arguments: Any) -> dict[str, Any]:
        status, body = _call(server, port, era, tool, **arguments)
        try:
            result = json.loads(body)["result"]
            reply = result["structuredContent"]
            right = (
                status == 200
                and result["isError"] is False
                and reply["status"] == "success"
                and isinstance(reply["message"], str)
                and json.loads(result["content"][0]["text"])["status"] == "success"
            )
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise WrongReplyError(f"{server.name}, {era}, {tool}: {status} {body[:800]}") from error
        _require(right, f"{server.name}, {era}, {tool}: {status} {body[:800]}")
        return dict(reply["data"])

    def titles() -> dict[int, tuple[str, bool]]:
        return {task["task_id"]: (task["title"], task["completed"]) for task in call("list_tasks")["tasks"]}

    before = titles()
    _require(len(before) == TASKS_EACH, f"{server.name} lists {len(before)} tasks, not {TASKS_EACH}")
    _require(sum(completed for _, completed in before.values()) == 3, f"{server.name} lists not three completed tasks")
    task_id = call("add_task", title=" Try ", description="")["task_id"]
    _require(titles() == before | {task_id: ("Try", False)}, f"{server.name}: add_task added something else")
    _require(next(iter(titles())) == task_id, f"{server.name}: the newest task does not come first")
    _require(call("complete_task", task_id=task_id)["already_completed"] is False, f"{server.name}: complete_task")
    _require(call("complete_task", task_id=task_id)["already_completed"] is True, f"{server.name}: complete_task")
    call("update_task", task_id=task_id, title="Tried")
    _require(titles()[task_id] == ("Tried", True), f"{server.name}: update_task or complete_task did nothing")
    call("delete_task", task_id=task_id)
    _require(titles() == before, f"{server.name}: delete_task did something else")
    _, body = post(server, port, era, "tools/list", {})
    names = [tool["name"] for tool in json.loads(body)["result"]["tools"]]
    _require(sorted(names) == sorted(TOOLS), f"{server.name} has the tools {names}")


def _call(server: Server, port: int, era: str, tool: str, **arguments: Any) -> tuple[int, str]:
    if not server.ours:
        arguments["user_id"] = user_id(PERSON)
    return post(server, port, era, "tools/call", {"name": tool, "arguments": arguments})


def _require(right: bool, fault: str) -> None:
    if not right:
        raise WrongReplyError(fault)
