"""The Model Context Protocol: a JSON-RPC message in, a JSON-RPC message out, for every revision that is served.

It knows neither HTTP nor stdio: a transport hands over the bytes, what it was told about the revision, and the caller,
and sends what comes back. Everything that stays the same from call to call is bytes made when the Server is.

Source: the specification at modelcontextprotocol.io, revisions 2026-07-28, 2025-11-25, 2025-06-18 and 2025-03-26.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeAlias

import msgspec

from todoproj.users.principals import Caller

JSON: TypeAlias = Any

# JSON-RPC 2.0, section 5.1.
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
# MCP 2026-07-28.
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_PROTOCOL_VERSION: Final = -32022

META_PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
META_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"

# How long a client may keep the lists, in milliseconds: they change only with a new release of the server.
LIST_TTL_MS: Final = 300_000


@dataclass(frozen=True, slots=True)
class Revision:
    """What differs between the revisions of the protocol; everything else is the same for all.

    handshake: a client opens with `initialize`. If not, each request carries its own `_meta`, and over HTTP the headers
        that repeat it, each result says who made it, and an error has a status of its own.
    methods: the requests that it knows.
    """

    name: str
    handshake: bool
    methods: Mapping[str, Callable[[Server, Revision, Message, Caller], Answer]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A JSON-RPC request, or a notification, which has no id and gets no answer."""

    method: str
    params: dict[str, JSON]
    id: str | int | None
    is_notification: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON-RPC response; its error code, if it is an error; and the scope that the caller lacked, if any."""

    body: bytes
    error_code: int | None = None
    missing_scope: str | None = None


class ProtocolError(Exception):
    """A message that can't be served, as the JSON-RPC error that it gets."""

    def __init__(self, code: int, message: str, *, data: JSON = None, id: str | int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.id = id

    def answer(self, id: str | int | None = None) -> Answer:
        error = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return Answer(encode({"jsonrpc": "2.0", "id": self.id if id is None else id, "error": error}), self.code)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered: one JSON object, for structured content and text; and the scope it lacked, if any."""

    body: bytes
    is_error: bool = False
    missing_scope: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as clients see it (`definition`, the specification's Tool), and the function that runs it."""

    name: str
    definition: dict[str, JSON]
    run: Callable[[dict[str, JSON], Caller], ToolResult]


_encode = msgspec.json.Encoder().encode


def encode(value: JSON) -> bytes:
    """Compact JSON in UTF-8; times as ISO 8601."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        # Half of a UTF-16 pair, which UTF-8 can't hold, stays the escape that it came as.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


# --- Reading -----------------------------------------------------------------------------------------------------


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    # Two readers of a doubled key might each take another value: one that checks, and one that acts.
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key occurs twice")
    return members


_decode_json = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique).decode


def decode(body: bytes) -> Message:
    """The message in `body`. Raises ProtocolError for anything but one JSON-RPC request or notification."""
    try:
        raw = _decode_json(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ProtocolError(PARSE_ERROR, "Parse error: the body is not JSON in UTF-8, or nests too deeply.") from None
    if not isinstance(raw, dict):
        raise ProtocolError(INVALID_REQUEST, "Invalid request: send one JSON-RPC message, as an object.")
    id = raw.get("id")
    is_notification = "id" not in raw
    if not is_notification and (isinstance(id, bool) or not isinstance(id, str | int) or not _is_utf8(id)):
        raise ProtocolError(INVALID_REQUEST, "Invalid request: the id must be a string or a whole number.")
    method = raw.get("method")
    params = raw.get("params", {})
    if raw.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, dict):
        raise ProtocolError(
            INVALID_REQUEST,
            'Invalid request: it needs "jsonrpc": "2.0", a method, and params that are an object, if any.',
            id=id,
        )
    return Message(method, params, id, is_notification)


def _is_utf8(id: str | int) -> bool:
    try:
        return isinstance(id, int) or bool(id.encode()) or True
    except UnicodeEncodeError:
        return False


def revision_of(message: Message, stated: str | None) -> Revision:
    """The revision that a request is made in.

    stated: what the transport was told (the MCP-Protocol-Version header), None for nothing.

    A request with `_meta` says it itself, and must not contradict the transport. One with neither comes from a client
    of 2025-03-26, which did not say it, or opens the handshake. Raises ProtocolError.
    """
    meta = message.params.get("_meta")
    in_meta = meta.get(META_PROTOCOL_VERSION) if isinstance(meta, dict) else None
    if in_meta is not None and stated is not None and in_meta != stated:
        raise ProtocolError(
            HEADER_MISMATCH,
            f"The MCP-Protocol-Version header and {META_PROTOCOL_VERSION} in _meta differ. Send the same in both.",
        )
    name = stated if in_meta is None else in_meta
    if name is None:
        return REVISIONS[OLDEST]
    if not isinstance(name, str):
        raise ProtocolError(INVALID_PARAMS, f"{META_PROTOCOL_VERSION} in _meta must be a string.")
    return supported_revision(name)


def supported_revision(name: str) -> Revision:
    """The revision of this name. Raises ProtocolError, which names those that are served."""
    try:
        return REVISIONS[name]
    except KeyError:
        raise ProtocolError(
            UNSUPPORTED_PROTOCOL_VERSION,
            "Unsupported protocol version. Use one of those in data.supported.",
            data={"supported": list(REVISIONS), "requested": name},
        ) from None


# --- Answering ---------------------------------------------------------------------------------------------------


class Server:
    """What is offered to clients: a name, instructions and tools."""

    def __init__(self, *, name: str, title: str, version: str, instructions: str, tools: Sequence[Tool]) -> None:
        info = {"name": name, "title": title, "version": version}
        self._tools = {tool.name: tool for tool in tools}
        capabilities: dict[str, JSON] = {"tools": {}}
        cached = {"ttlMs": LIST_TTL_MS, "cacheScope": "public"}
        definitions = {"tools": [tool.definition for tool in tools]}
        # What a result holds besides its own members: nothing, or what 2026-07-28 adds to each.
        self._extra = {True: b"", False: b',"resultType":"complete","_meta":' + encode({META_SERVER_INFO: info})}
        self._lists = {True: encode(definitions), False: encode(definitions | cached)}
        self._discovery = encode(
            {
                "supportedVersions": list(REVISIONS),
                "capabilities": capabilities,
                "instructions": instructions,
                **cached,
            }
        )
        self._greetings = {
            revision.name: encode(
                {
                    "protocolVersion": revision.name,
                    "capabilities": capabilities,
                    "serverInfo": info,
                    "instructions": instructions,
                }
            )
            for revision in REVISIONS.values()
            if revision.handshake
        }

    def answer(self, message: Message, revision: Revision, caller: Caller) -> Answer:
        """The response to a request. Never raises for what the message holds."""
        try:
            if not revision.handshake:
                _check_meta(message.params.get("_meta"))
            handler = revision.methods.get(message.method)
            if handler is None:
                raise ProtocolError(
                    METHOD_NOT_FOUND, "Method not found. This revision of the protocol has no such one."
                )
            return handler(self, revision, message, caller)
        except ProtocolError as error:
            return error.answer(message.id)

    def _result(self, revision: Revision, message: Message, result: bytes) -> bytes:
        """The response with this result: an object, as bytes, which are used as they are."""
        extra = self._extra[revision.handshake]
        return b'{"jsonrpc":"2.0","id":%b,"result":%b%b}}' % (encode(message.id), result[:-1], extra)

    def _initialize(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        requested = message.params.get("protocolVersion")
        if not isinstance(requested, str):
            raise ProtocolError(INVALID_PARAMS, "initialize needs protocolVersion, such as 2025-11-25.")
        greeting = self._greetings.get(requested, self._greetings[NEWEST_HANDSHAKE])
        return Answer(self._result(revision, message, greeting))

    def _ping(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        return Answer(b'{"jsonrpc":"2.0","id":%b,"result":{}}' % encode(message.id))

    def _discover(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        return Answer(self._result(revision, message, self._discovery))

    def _list_tools(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        if message.params.get("cursor") is not None:
            raise ProtocolError(INVALID_PARAMS, "Invalid cursor: the list has one page. Leave the cursor out.")
        return Answer(self._result(revision, message, self._lists[revision.handshake]))

    def _call_tool(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        name = message.params.get("name")
        tool = self._tools.get(name) if isinstance(name, str) else None
        if tool is None:
            raise ProtocolError(INVALID_PARAMS, f"Unknown tool. Use one of {', '.join(self._tools)}.")
        arguments = message.params.get("arguments")
        if arguments is None:
            arguments = {}
        elif not isinstance(arguments, dict):
            raise ProtocolError(INVALID_PARAMS, "arguments must be an object.")
        result = tool.run(arguments, caller)
        body = self._result(
            revision,
            message,
            b'{"content":[{"type":"text","text":%b}],"structuredContent":%b,"isError":%b}'
            % (encode(result.body.decode()), result.body, b"true" if result.is_error else b"false"),
        )
        return Answer(body, missing_scope=result.missing_scope)


def _check_meta(meta: JSON) -> None:
    """What 2026-07-28 wants in each request's `_meta`. Raises ProtocolError."""
    if (
        not isinstance(meta, dict)
        or not isinstance(meta.get(META_PROTOCOL_VERSION), str)
        or not isinstance(meta.get(META_CLIENT_CAPABILITIES), dict)
        or not isinstance(meta.get(META_CLIENT_INFO, {}), dict)
    ):
        raise ProtocolError(
            INVALID_PARAMS,
            f"params._meta must hold {META_PROTOCOL_VERSION} (a string) and {META_CLIENT_CAPABILITIES} (an object); "
            f"{META_CLIENT_INFO}, if there, must be an object.",
        )


_TOOLS = {"tools/list": Server._list_tools, "tools/call": Server._call_tool}
_HANDSHAKE = {"initialize": Server._initialize, "ping": Server._ping, **_TOOLS}

# Newest first, as clients are told.
REVISIONS: Final[Mapping[str, Revision]] = {
    revision.name: revision
    for revision in [
        Revision("2026-07-28", handshake=False, methods={"server/discover": Server._discover, **_TOOLS}),
        Revision("2025-11-25", handshake=True, methods=_HANDSHAKE),
        Revision("2025-06-18", handshake=True, methods=_HANDSHAKE),
        Revision("2025-03-26", handshake=True, methods=_HANDSHAKE),
    ]
}
NEWEST_HANDSHAKE: Final = "2025-11-25"
OLDEST: Final = "2025-03-26"
