"""Made-up messages, to /mcp and over stdio (hypothesis): whatever is sent, the reply is a right one, and the next call
works."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from conftest import NEWEST, Caller, fuzzed
from mcp_tools.protocol import META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_PROTOCOL_VERSION, REVISIONS
from mcp_tools.tests.replying import check_message, check_reply
from mcp_tools.tests.running import PATIENCE
from mcp_tools.tests.test_stdio import Stdio, request, running
from mcp_tools.views import NAMED_BY
from todoproj.users.models import User

pytestmark = pytest.mark.django_db

TOOLS = ["add_task", "list_tasks", "complete_task", "delete_task", "update_task"]
ARGUMENTS = ["user_id", "title", "description", "status", "limit", "cursor", "task_id"]
METHODS = [
    "tools/call",
    "tools/list",
    "server/discover",
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "notifications/initialized",
]
# Those that lead to a person's tasks, other than tools.
READING = ["resources/read", "prompts/get", "completion/complete"]
TASK = "todo://tasks/{task_id}"
LISTS = ["todo://tasks/pending", "todo://tasks/completed", "todo://tasks/completed/week"]
URIS = [*LISTS, "todo://tasks/1", TASK]
# With their arguments.
PROMPTS: dict[str, set[str]] = {"plan_my_day": {"time"}, "weekly_review": set()}

# Lone surrogates too: JSON can say them, UTF-8 can't.
texts = st.text(st.characters(exclude_categories=[]), max_size=30)

uris = st.sampled_from(URIS) | st.integers().map("todo://tasks/{}".format) | texts
prompts = st.sampled_from([*PROMPTS]) | texts
refs = st.fixed_dictionaries({"type": st.just("ref/resource"), "uri": uris}) | st.fixed_dictionaries(
    {"type": st.just("ref/prompt"), "name": prompts}
)
begun = st.integers().map(str) | texts
completed_arguments = st.fixed_dictionaries({"name": st.sampled_from(["task_id", "time"]) | texts, "value": begun})
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.just(10**4000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from([*TOOLS, *METHODS, *REVISIONS, *URIS, *PROMPTS, "ann", "bob", "all", "2.0"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=10
)
arguments = st.dictionaries(st.sampled_from(ARGUMENTS) | texts, values, max_size=5)


@st.composite
def well_formed(draw: st.DrawFn, methods: Sequence[str] = METHODS) -> dict[str, Any]:
    """A message as a client would send it."""
    method = draw(st.sampled_from(methods))
    params: dict[str, Any] = {
        "_meta": {
            META_PROTOCOL_VERSION: draw(st.sampled_from([*REVISIONS, "1999-01-01"])),
            META_CLIENT_CAPABILITIES: {},
            META_CLIENT_INFO: {"name": "fuzz", "version": "1"},
        }
    }
    match method:
        case "tools/call":
            params |= {"name": draw(st.sampled_from(TOOLS)), "arguments": draw(arguments)}
        case "resources/read":
            params["uri"] = draw(uris)
        case "prompts/get":
            params |= {"name": draw(prompts), "arguments": draw(st.dictionaries(st.just("time") | texts, texts))}
        case "completion/complete":
            params |= {"ref": draw(refs), "argument": draw(completed_arguments)}
        case "initialize":
            params["protocolVersion"] = draw(st.sampled_from([*REVISIONS, "1999-01-01"]))
    return {"jsonrpc": "2.0", "id": draw(st.integers() | texts), "method": method, "params": params}


def members(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where each member of an object is, at any depth."""
    if not isinstance(value, dict):
        return []
    return [deeper for name, item in value.items() for deeper in [(*path, name), *members(item, (*path, name))]]


def objects(value: Any) -> list[tuple[str, ...]]:
    """Where each object is, at any depth: the whole, and what is in it."""
    return [(), *(path for path in members(value) if isinstance(at(value, path), dict))]


def at(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        value = value[step]
    return value


# Members that mean something somewhere.
NAMES = [
    "_meta",
    "result",
    "error",
    "arguments",
    "argument",
    "context",
    "cursor",
    "name",
    "ref",
    "uri",
    "value",
    "time",
    "__class__",
]


class Doubled(list[Any]):
    """The values of a member that is written once for each."""


def written(value: Any) -> str:
    """JSON, in which a member may occur more than once."""
    if isinstance(value, Doubled):
        return written(value[0])
    if not isinstance(value, dict):
        return json.dumps(value)
    pairs = [(name, one) for name, item in value.items() for one in (item if isinstance(item, Doubled) else [item])]
    return "{" + ",".join(f"{json.dumps(name)}:{written(item)}" for name, item in pairs) + "}"


@st.composite
def mutated(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A well-formed message, and the body that it became when some members were replaced, dropped, doubled or added."""
    message = draw(well_formed())
    changed = json.loads(json.dumps(message))
    for _ in range(draw(st.integers(0, 3))):
        change = draw(st.sampled_from(["add", "replace", "drop", "double"]))
        if change == "add":
            at(changed, draw(st.sampled_from(objects(changed))))[draw(st.sampled_from(NAMES) | texts)] = draw(values)
            continue
        *way, name = draw(st.sampled_from(members(changed)))
        inside = at(changed, way)
        match change:
            case "replace":
                inside[name] = draw(values)
            case "drop":
                del inside[name]
            case _:
                inside[name] = Doubled([inside[name], draw(values)])
    return message, written(changed).encode()


# What a header may hold: no line breaks, and nothing beyond Latin-1.
header_values = (
    st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=40)
    | st.sampled_from(
        ["", " ", "null", NEWEST, f"{NEWEST},{NEWEST}", "2025-11-25", "tools/list", "tools/call", "add_task"]
    )
    | st.builds("=?base64?{}?=".format, st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])))
)
HEADERS = [
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "Accept",
    "Origin",
    "X-Request-ID",
    "Mcp-Session-Id",
    "Last-Event-ID",
    "Content-Type",
]
header_changes = st.dictionaries(st.sampled_from(HEADERS), st.none() | header_values, max_size=3)


def headers_of(message: Any) -> dict[str, str]:
    """The headers that repeat what a well-formed message says, as far as headers can say it."""
    params = message["params"]
    headers = {"MCP-Protocol-Version": params["_meta"][META_PROTOCOL_VERSION], "Mcp-Method": message["method"]}
    if named_by := NAMED_BY.get(message["method"]):
        headers["Mcp-Name"] = header_of(params[named_by])
    return headers


def header_of(text: str) -> str:
    """The text as a header holds it."""
    if text.isascii() and text.isprintable() and text.strip() == text and not text.startswith("=?"):
        return text
    return f"=?base64?{base64.b64encode(text.encode('utf-8', 'replace')).decode()}?="


@pytest.fixture
def send(ann: User, bob: User, caller_for: Callable[..., Caller]) -> Callable[..., dict[str, Any] | None]:
    """Post to /mcp with a good token, and check the reply."""
    caller = caller_for(ann)
    client = Client(raise_request_exception=False)

    def post(body: bytes, headers: dict[str, str | None]) -> dict[str, Any] | None:
        wanted = {
            "Authorization": f"Bearer {caller.token}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        } | headers
        response = client.generic(
            "POST", "/mcp", body, headers={name: value for name, value in wanted.items() if value is not None}
        )
        reply = check_reply(response.status_code, response.headers.get("Content-Type"), response.content, body)
        assert caller.result("tools/list")["tools"]
        return reply

    return post


def valid_id(body: bytes) -> str | int | None:
    """The id of a message that has a valid one."""
    try:
        message = json.loads(body, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return None
    id = message.get("id") if isinstance(message, dict) else None
    if isinstance(id, str) and not any("\ud800" <= char <= "\udfff" for char in id):
        return id
    return id if type(id) is int else None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError
    return dict(pairs)


@fuzzed
@given(body=st.binary(max_size=200), headers=header_changes)
def test_any_bytes(send: Any, body: bytes, headers: dict[str, str | None]) -> None:
    send(body, {"MCP-Protocol-Version": NEWEST, "Mcp-Method": "tools/list"} | headers)


@fuzzed
@given(message=values, version=st.none() | st.sampled_from(list(REVISIONS)))
def test_any_json(send: Any, message: Any, version: str | None) -> None:
    send(json.dumps(message).encode(), {"MCP-Protocol-Version": version})


@fuzzed
@given(messages=mutated(), headers=header_changes)
def test_mutated_messages(send: Any, messages: tuple[dict[str, Any], bytes], headers: dict[str, str | None]) -> None:
    message, body = messages
    reply = send(body, headers_of(message) | headers)
    if reply is not None:
        assert reply.get("id") in (valid_id(body), None)
        if "result" in reply:
            assert reply["id"] is not None


@fuzzed
@given(message=well_formed())
def test_messages_as_they_should_be(send: Any, message: dict[str, Any]) -> None:
    reply = send(json.dumps(message).encode(), headers_of(message))
    assert reply is not None
    assert reply.get("id") == valid_id(json.dumps(message).encode())


@fuzzed
@given(message=well_formed(READING))
def test_resources_prompts_and_completion(send: Any, message: dict[str, Any]) -> None:
    """What is there is found, in every revision."""
    reply = send(json.dumps(message).encode(), headers_of(message))
    params = message["params"]
    match message["method"]:
        case "resources/read":
            there = params["uri"] in LISTS
        case "prompts/get":
            there = params["name"] in PROMPTS and params["arguments"].keys() <= PROMPTS[params["name"]]
        case _:
            of = params["ref"].get("uri", params["ref"].get("name"))
            there = (of, params["argument"]["name"]) in {(TASK, "task_id"), ("plan_my_day", "time")}
    if "id" in reply and params["_meta"][META_PROTOCOL_VERSION] in REVISIONS:
        assert there is ("result" in reply), reply


@fuzzed
@given(tool=st.sampled_from(TOOLS), given_arguments=arguments)
def test_any_arguments(send: Any, tool: str, given_arguments: dict[str, Any]) -> None:
    """A tool answers in its own words, whatever it is called with."""
    meta = {META_PROTOCOL_VERSION: NEWEST, META_CLIENT_CAPABILITIES: {}}
    params = {"name": tool, "arguments": given_arguments, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    body = json.dumps(message).encode()
    reply = send(body, headers_of(message))
    if "error" in reply:
        assert reply["error"]["code"] == -32700
        with pytest.raises(ValueError, match="JSON"):
            json.dumps(given_arguments, allow_nan=False)
    else:
        content = reply["result"]["structuredContent"]
        assert reply["result"]["isError"] is (content["status"] == "error")
        assert content["data"].get("error_code", 400) in {400, 404}


@pytest.fixture
def stdio(ann: User) -> Iterator[Stdio]:
    with running() as client:
        yield client


def is_answered(line: bytes) -> bool:
    """Whether a line is anything but white space, a notification, or a response."""
    try:
        message = json.loads(line.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return bool(line.strip())
    if not isinstance(message, dict):
        return True
    if "method" not in message and message.keys() & {"result", "error"}:
        return False
    return not (
        "id" not in message
        and message.get("jsonrpc") == "2.0"
        and isinstance(message.get("method"), str)
        and isinstance(message.get("params", {}), dict)
    )


@pytest.mark.django_db(transaction=True)
@fuzzed
@given(line=st.binary(max_size=200) | values.map(json.dumps).map(str.encode) | mutated().map(lambda both: both[1]))
def test_any_line(stdio: Stdio, line: bytes) -> None:
    """Over stdio, to one process: an answer or none, as it must be, and then those to what comes next."""
    line = line.replace(b"\n", b" ")
    stdio.send(line)
    if is_answered(line):
        reply = check_message(stdio.lines.get(timeout=PATIENCE), line)
        assert reply.get("id") in (valid_id(line), None)
    assert stdio.ask(request("tools/list", id="next"))["id"] == "next"
