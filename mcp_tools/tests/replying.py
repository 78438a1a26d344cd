"""What holds for every reply to a stranger, whatever was sent."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

# What would give away that code, a database or a file system is behind it.
TELLTALES = [
    b"Traceback",
    b"Error(",
    b"Exception",
    b"SELECT ",
    b"INSERT ",
    b"sqlite",
    b"psycopg",
    b"django",
    b"site-packages",
    b".py",
    b"Internal error",
    b"Something went wrong",
]

# JSONRPCResultResponse and JSONRPCErrorResponse, as the schema.json of 2025-11-25 and 2026-07-28 has them, but for what
# a Result holds. The revisions before have the same, with an id in each error.
_ID = {"type": ["string", "integer"]}
_VERSION = {"const": "2.0", "type": "string"}
_ERROR = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}
RESULT_RESPONSE = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "properties": {"jsonrpc": _VERSION, "id": _ID, "result": {"type": "object"}},
        "required": ["id", "jsonrpc", "result"],
    }
)
ERROR_RESPONSE = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "properties": {"jsonrpc": _VERSION, "id": _ID, "error": _ERROR},
        "required": ["error", "jsonrpc"],
    }
)

UNREADABLE_MESSAGE = {400, 401, 403, 405, 406, 413, 415}
ANSWERED = {200, 400, 404}


def tells_nothing(body: bytes, sent: bytes) -> None:
    """Fails if a reply gives away what only the server knows. sent: what it answers, of which it may quote anything."""
    for telltale in TELLTALES:
        assert telltale not in body or telltale in sent, body


def check_reply(status: int, content_type: str | None, body: bytes, sent: bytes) -> dict[str, Any] | None:
    """The reply of /mcp, if it has a body. Fails if it is none that a client or a stranger may get.

    sent: the body that it answers, of which it may quote anything.
    """
    assert status in ANSWERED | UNREADABLE_MESSAGE | {202}, (status, body)
    if status in {202, 405}:
        assert body == b""
        return None
    assert content_type == "application/json"
    reply = check_message(body, sent)
    assert "result" not in reply or status == 200
    return reply


def check_message(body: bytes, sent: bytes) -> dict[str, Any]:
    """The JSON-RPC response, over any transport. See `check_reply`."""
    tells_nothing(body, sent)
    reply: dict[str, Any] = json.loads(body.decode("utf-8"))
    check_response(reply)
    return reply


def check_response(reply: dict[str, Any]) -> None:
    """Fails for what is no JSON-RPC response by MCP's schema, or holds more than one."""
    if "result" in reply:
        RESULT_RESPONSE.validate(reply)
        assert set(reply) == {"jsonrpc", "id", "result"}
    else:
        ERROR_RESPONSE.validate(reply)
        assert set(reply) <= {"jsonrpc", "id", "error"}
        assert set(reply["error"]) <= {"code", "message", "data"}
