"""The Model Context Protocol: a JSON-RPC message in, a JSON-RPC message out, for every revision that is served.

It knows neither HTTP nor stdio: a transport hands over the bytes, what it was told about the revision, and the caller,
and sends what comes back. Everything that stays the same from call to call is bytes made when the Server is.

Source: the specification at modelcontextprotocol.io, revisions 2026-07-28, 2025-11-25, 2025-06-18 and 2025-03-26.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

import msgspec

from todoproj import strict_json
from todoproj.users.refusals import MissingScope

if TYPE_CHECKING:
    # It needs Django to be set up.
    from todoproj.users.principals import Caller

JSON: TypeAlias = Any
# A request's, as its sender chose it.
Id: TypeAlias = str | int

# JSON-RPC 2.0, section 5.1.
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
# MCP up to 2025-11-25; since 2026-07-28 it is INVALID_PARAMS.
RESOURCE_NOT_FOUND: Final = -32002
# MCP 2026-07-28.
HEADER_MISMATCH: Final = -32020
UNSUPPORTED_PROTOCOL_VERSION: Final = -32022

META_PROTOCOL_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
META_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"

# How long a client may keep the lists, in milliseconds: they change only with a new release of the server.
LIST_TTL_MS: Final = 300_000

# The specification's limit.
MAX_COMPLETIONS: Final = 100

# Far more than the longest title and description need, in bytes.
MAX_MESSAGE_SIZE: Final = 256 * 1024


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


# What each call makes anew is a Struct, as here: a frozen dataclass takes eight times as long to make.
class Message(msgspec.Struct, frozen=True):
    """A JSON-RPC request, or a notification, which has no id and gets no answer."""

    method: str
    params: dict[str, JSON]
    id: Id | None
    is_notification: bool


class Answer(msgspec.Struct, frozen=True):
    """The JSON-RPC response; its error code, if it is an error; and the scope that the caller lacked, if any."""

    body: bytes
    error_code: int | None = None
    missing_scope: str | None = None


class ProtocolError(Exception):
    """A message that can't be served, as the JSON-RPC error that it gets."""

    def __init__(self, code: int, message: str, *, data: JSON = None, id: Id | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.id = id

    def answer(self, id: Id | None = None) -> Answer:
        error = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        id = self.id if id is None else id
        # Where the id can't be told, JSON-RPC 2.0 (section 5) wants null. MCP's schema, which counts here, never has
        # it: since 2025-11-25 (JSONRPCErrorResponse) the id may be left out, and before there is no such error.
        named = {} if id is None else {"id": id}
        return Answer(encode({"jsonrpc": "2.0", **named, "error": error}), self.code)


class UnaskedResponse(ProtocolError):
    """A message that is a response, though this server asks nothing."""


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool answered: a CallToolResult as JSON, and the scope that the caller lacked, if any."""

    body: bytes
    missing_scope: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as clients see it (`definition`, the specification's Tool), and the function that runs it.

    run: takes the arguments, the caller, and the `_meta` that came along.
    """

    name: str
    definition: dict[str, JSON]
    run: Callable[[dict[str, JSON], Caller, dict[str, JSON]], ToolResult]


@dataclass(frozen=True, slots=True)
class Resources:
    """What can be read, as clients see it, and the function that reads it.

    resources, templates: the specification's Resource and ResourceTemplate. read: the contents at a URI
    (TextResourceContents or BlobResourceContents), None for one that leads this caller nowhere. Raises MissingScope.
    """

    resources: Sequence[dict[str, JSON]]
    templates: Sequence[dict[str, JSON]]
    read: Callable[[str, Caller], list[dict[str, JSON]] | None]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as clients see it (`definition`, the specification's Prompt), and the function that writes it.

    write: a GetPromptResult, from arguments that are all known and of which none that is required is missing. Raises
    MissingScope.
    """

    name: str
    definition: dict[str, JSON]
    write: Callable[[dict[str, str], Caller], dict[str, JSON]]


@dataclass(frozen=True, slots=True)
class Completion:
    """Values that an argument may take, the likeliest first; and whether there may be more that were not looked at."""

    values: list[str]
    may_have_more: bool = False


# Finds them: of what (the specification's PromptReference or ResourceTemplateReference), the argument's name, and what
# was typed so far. None for what there is no such argument of. Raises MissingScope.
Complete: TypeAlias = "Callable[[dict[str, JSON], str, str, Caller], Completion | None]"


def tool_result(body: bytes, *, is_error: bool) -> bytes:
    """A CallToolResult with one JSON object, whose bytes serve as structured content and as text."""
    return b'{"content":[{"type":"text","text":%b}],"structuredContent":%b,"isError":%b}' % (
        encode(body.decode()),
        body,
        b"true" if is_error else b"false",
    )


_encode = msgspec.json.Encoder().encode


def encode(value: JSON) -> bytes:
    """Compact JSON in UTF-8; times as ISO 8601."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        # Half of a UTF-16 pair, which UTF-8 can't hold, stays the escape that it came as.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


# --- Reading -----------------------------------------------------------------------------------------------------


def decode(body: bytes) -> Message:
    """The message in `body`. Raises ProtocolError for anything but one JSON-RPC request or notification, and of it
    UnaskedResponse for a response."""
    try:
        raw = strict_json.decode(body)
    except strict_json.Unreadable as fault:
        raise ProtocolError(PARSE_ERROR, f"Parse error: {fault}.") from None
    if not isinstance(raw, dict):
        raise ProtocolError(INVALID_REQUEST, "Invalid request: send one JSON-RPC message, as an object.")
    is_response = "method" not in raw and ("result" in raw or "error" in raw)
    refused = UnaskedResponse if is_response else ProtocolError
    id = raw.get("id")
    is_notification = "id" not in raw
    if not is_notification and not _is_id(id):
        raise refused(INVALID_REQUEST, "Invalid request: the id must be a string or a whole number.")
    method = raw.get("method")
    params = raw.get("params", {})
    if raw.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, dict):
        raise refused(
            INVALID_REQUEST,
            'Invalid request: it needs "jsonrpc": "2.0", a method, and params that are an object, if any.',
            id=id,
        )
    return Message(method, params, id, is_notification)


def _is_id(value: JSON) -> TypeGuard[Id]:
    """Whether a request may be called so: by a text, which UTF-8 must hold to give it back, or by a whole number."""
    if not isinstance(value, str):
        return isinstance(value, int) and not isinstance(value, bool)
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def revision_of(message: Message, *, stated: str | None = None, agreed: str | None = None) -> Revision:
    """The revision that a request is made in.

    stated: what the transport was told along with it (the MCP-Protocol-Version header). agreed: what a handshake
    before it, on the same connection, agreed on.

    A request with `_meta` says it itself, and must not contradict what is stated. One with nothing at all comes from a
    client of 2025-03-26, which did not say it, or opens the handshake. Raises ProtocolError.
    """
    meta = message.params.get("_meta")
    in_meta = meta.get(META_PROTOCOL_VERSION) if isinstance(meta, dict) else None
    if in_meta is not None and stated is not None and in_meta != stated:
        raise ProtocolError(
            HEADER_MISMATCH,
            f"The MCP-Protocol-Version header and {META_PROTOCOL_VERSION} in _meta differ. Send the same in both.",
        )
    name = in_meta if in_meta is not None else stated if stated is not None else agreed
    if name is None:
        return REVISIONS[OLDEST]
    if not isinstance(name, str):
        raise ProtocolError(INVALID_PARAMS, f"{META_PROTOCOL_VERSION} in _meta must be a string.")
    return supported_revision(name)


def negotiated_revision(initialize: Message) -> str:
    """The revision that a handshake agrees on: the one that the client asks for if it is served, else the newest.

    Raises ProtocolError.
    """
    requested = initialize.params.get("protocolVersion")
    if not isinstance(requested, str):
        raise ProtocolError(INVALID_PARAMS, "initialize needs protocolVersion, such as 2025-11-25.")
    served = REVISIONS.get(requested)
    return requested if served and served.handshake else NEWEST_HANDSHAKE


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
    """What is offered to clients: a name, instructions, tools, and, if there are any, resources and prompts."""

    def __init__(
        self,
        *,
        name: str,
        title: str,
        version: str,
        instructions: str,
        tools: Sequence[Tool],
        resources: Resources | None = None,
        prompts: Sequence[Prompt] = (),
        complete: Complete | None = None,
    ) -> None:
        info = {"name": name, "title": title, "version": version}
        self._tools = {tool.name: tool for tool in tools}
        self._resources = resources
        self._prompts = {prompt.name: prompt for prompt in prompts}
        self._complete = complete
        offered = {"tools": tools, "resources": resources, "prompts": prompts, "completions": complete}
        capabilities: dict[str, JSON] = {capability: {} for capability, what in offered.items() if what}
        self._unserved = {method for method in _METHODS if _CAPABILITY[method.partition("/")[0]] not in capabilities}
        cached = {"ttlMs": LIST_TTL_MS, "cacheScope": "public"}
        # What a result holds besides its own members: nothing, or what 2026-07-28 adds to each.
        self._extra = {True: b"", False: b',"resultType":"complete","_meta":' + encode({META_SERVER_INFO: info})}
        lists: dict[str, dict[str, JSON]] = {
            "tools/list": {"tools": [tool.definition for tool in tools]},
            "prompts/list": {"prompts": [prompt.definition for prompt in prompts]},
            "resources/list": {"resources": resources.resources if resources else []},
            "resources/templates/list": {"resourceTemplates": resources.templates if resources else []},
        }
        self._lists = {
            (method, handshake): encode(members if handshake else members | cached)
            for method, members in lists.items()
            for handshake in [True, False]
        }
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
            if handler is None or message.method in self._unserved:
                raise ProtocolError(
                    METHOD_NOT_FOUND, "Method not found. This revision of the protocol has no such one."
                )
            return handler(self, revision, message, caller)
        except ProtocolError as error:
            return error.answer(message.id)
        except MissingScope as missing:
            lacking = f"The credential lacks the scope {missing.scope}. Use one that has it."
            return msgspec.structs.replace(
                ProtocolError(INVALID_REQUEST, lacking).answer(message.id), missing_scope=missing.scope
            )

    def changes_something(self, message: Message) -> bool:
        """Whether it calls a tool that does more than read."""
        name = message.params.get("name") if message.method == "tools/call" else None
        tool = self._tools.get(name) if isinstance(name, str) else None
        return tool is not None and not tool.definition.get("annotations", {}).get("readOnlyHint", False)

    def _result(self, revision: Revision, message: Message, result: bytes) -> bytes:
        """The response with this result: an object, as bytes, which are used as they are."""
        extra = self._extra[revision.handshake]
        return b'{"jsonrpc":"2.0","id":%b,"result":%b%b}}' % (encode(message.id), result[:-1], extra)

    def _initialize(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        return Answer(self._result(revision, message, self._greetings[negotiated_revision(message)]))

    def _ping(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        return Answer(b'{"jsonrpc":"2.0","id":%b,"result":{}}' % encode(message.id))

    def _discover(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        return Answer(self._result(revision, message, self._discovery))

    def _list(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        if message.params.get("cursor") is not None:
            raise ProtocolError(INVALID_PARAMS, "Invalid cursor: the list has one page. Leave the cursor out.")
        return Answer(self._result(revision, message, self._lists[message.method, revision.handshake]))

    def _call_tool(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        name = message.params.get("name")
        tool = self._tools.get(name) if isinstance(name, str) else None
        if tool is None:
            raise ProtocolError(INVALID_PARAMS, f"Unknown tool. Use one of {', '.join(self._tools)}.")
        meta = message.params.get("_meta")
        result = tool.run(_arguments(message), caller, meta if isinstance(meta, dict) else {})
        return Answer(self._result(revision, message, result.body), missing_scope=result.missing_scope)

    def _read_resource(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        uri = message.params.get("uri")
        if not isinstance(uri, str):
            raise ProtocolError(INVALID_PARAMS, "resources/read needs a uri, as resources/list has them.")
        contents = self._resources.read(uri, caller) if self._resources else None
        if contents is None:
            code = RESOURCE_NOT_FOUND if revision.handshake else INVALID_PARAMS
            raise ProtocolError(code, "Resource not found. Use one of resources/list.", data={"uri": uri})
        # Somebody's own, and soon out of date.
        fresh = {} if revision.handshake else {"ttlMs": 0, "cacheScope": "private"}
        return Answer(self._result(revision, message, encode({"contents": contents} | fresh)))

    def _get_prompt(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        name = message.params.get("name")
        prompt = self._prompts.get(name) if isinstance(name, str) else None
        if prompt is None:
            raise ProtocolError(INVALID_PARAMS, f"Unknown prompt. Use one of {', '.join(self._prompts)}.")
        arguments = _arguments(message)
        known = {argument["name"]: argument for argument in prompt.definition.get("arguments", [])}
        if not all(isinstance(value, str) for value in arguments.values()):
            raise ProtocolError(INVALID_PARAMS, "arguments must be an object of strings.")
        if unknown := arguments.keys() - known.keys():
            raise ProtocolError(
                INVALID_PARAMS,
                f"{name} has {len(unknown)} argument(s) too many. It knows: {', '.join(known) or 'none'}.",
            )
        missing = [each for each, argument in known.items() if argument.get("required") and each not in arguments]
        if missing:
            raise ProtocolError(INVALID_PARAMS, f"{name} needs {', '.join(missing)}.")
        return Answer(self._result(revision, message, encode(prompt.write(arguments, caller))))

    def _complete_argument(self, revision: Revision, message: Message, caller: Caller) -> Answer:
        ref, argument = message.params.get("ref"), message.params.get("argument")
        if not isinstance(ref, dict) or not isinstance(argument, dict):
            raise ProtocolError(INVALID_PARAMS, "completion/complete needs a ref and an argument, both objects.")
        name, value = argument.get("name"), argument.get("value")
        if not isinstance(name, str) or not isinstance(value, str):
            raise ProtocolError(INVALID_PARAMS, "The argument needs a name and a value, both strings.")
        found = self._complete(ref, name, value, caller) if self._complete else None
        if found is None:
            raise ProtocolError(INVALID_PARAMS, "There is no such argument. Use those of the lists.")
        shown = found.values[:MAX_COMPLETIONS]
        completion = {"values": shown, "hasMore": found.may_have_more or len(found.values) > len(shown)}
        return Answer(self._result(revision, message, encode({"completion": completion})))


def _arguments(message: Message) -> dict[str, JSON]:
    """Those of a tool or a prompt; none if they are left out, or null, as some send it. Raises ProtocolError."""
    arguments = message.params.get("arguments")
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise ProtocolError(INVALID_PARAMS, "arguments must be an object.")
    return arguments


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


_METHODS = {
    "tools/list": Server._list,
    "tools/call": Server._call_tool,
    "resources/list": Server._list,
    "resources/templates/list": Server._list,
    "resources/read": Server._read_resource,
    "prompts/list": Server._list,
    "prompts/get": Server._get_prompt,
    "completion/complete": Server._complete_argument,
}
# What must be offered for a method to be served, by the method's first word.
_CAPABILITY = {"tools": "tools", "resources": "resources", "prompts": "prompts", "completion": "completions"}
_HANDSHAKE = {"initialize": Server._initialize, "ping": Server._ping, **_METHODS}

# Newest first, as clients are told.
REVISIONS: Final[Mapping[str, Revision]] = {
    revision.name: revision
    for revision in [
        Revision("2026-07-28", handshake=False, methods={"server/discover": Server._discover, **_METHODS}),
        Revision("2025-11-25", handshake=True, methods=_HANDSHAKE),
        Revision("2025-06-18", handshake=True, methods=_HANDSHAKE),
        Revision("2025-03-26", handshake=True, methods=_HANDSHAKE),
    ]
}
NEWEST_HANDSHAKE: Final = "2025-11-25"
OLDEST: Final = "2025-03-26"
