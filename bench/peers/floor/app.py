"""The floor: what the same work costs in Python with no protocol checks, no framework and no ORM.

It trusts every request, and answers with the envelope of MCP 2026-07-28, so that clients read the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import todo_sql

HEADERS = [(b"content-type", b"application/json")]
TOOLS = {
    "add_task": todo_sql.add_task,
    "list_tasks": todo_sql.list_tasks,
    "complete_task": todo_sql.complete_task,
    "delete_task": todo_sql.delete_task,
    "update_task": todo_sql.update_task,
}
OTHERS = {
    "tools/list": {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]},
    "server/discover": {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}},
}


def encode(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=datetime.isoformat)


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    body = b""
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    message = json.loads(body)
    method = message["method"]
    if method == "tools/call":
        params = message["params"]
        reply = encode(await TOOLS[params["name"]](POOLS[0], **params["arguments"]))
        is_error = "false" if reply.startswith('{"status":"success"') else "true"
        text = json.dumps(reply)
        result = f'{{"content":[{{"type":"text","text":{text}}}],"structuredContent":{reply},"isError":{is_error}}}'
    else:
        result = encode(OTHERS[method])
    answer = f'{{"jsonrpc":"2.0","id":{message["id"]},"result":{result}}}'.encode()
    length = (b"content-length", b"%d" % len(answer))
    await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
    await send({"type": "http.response.body", "body": answer})


# The pool, once the process has started.
POOLS: list[Any] = []


async def lifespan(
    receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    await receive()
    POOLS.append(await todo_sql.open_pool())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    POOLS[0].terminate()
    await send({"type": "lifespan.shutdown.complete"})
