"""From a django-mcp-server toolset to the tools that `protocol.py` serves.

django-mcp-server registers a toolset's methods and derives a schema and an argument model from their type hints. Here
each gets what that registration has no words for (a title, annotations, a scope, a strict schema) and becomes a Tool.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

import pydantic
from mcp.server.fastmcp.tools import Tool as RegisteredTool
from mcp.server.fastmcp.utilities.func_metadata import ArgModelBase
from mcp.types import ToolAnnotations
from mcp_server import MCPToolset

from mcp_tools import replies, usage
from mcp_tools.identity import Call, charge
from mcp_tools.protocol import JSON, Tool, ToolResult, encode, tool_result
from mcp_tools.recording import Record, conversation_named, count_refusal
from todoproj.logs import apology
from todoproj.users.models import Scope
from todoproj.users.principals import Caller
from todoproj.users.refusals import MissingScope

Method = TypeVar("Method", bound=Callable[..., Any])

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a tool says of itself beyond its signature."""

    title: str
    scope: Scope
    annotations: ToolAnnotations


def tool(
    *, title: str, scope: Scope, read_only: bool = False, destructive: bool, idempotent: bool
) -> Callable[[Method], Method]:
    """Declare a method of a toolset: its title, the scope it takes, and what it does to the list.

    destructive: what was there before is lost. idempotent: doing it twice is as good as once.
    """
    annotations = ToolAnnotations(
        readOnlyHint=read_only, destructiveHint=destructive, idempotentHint=idempotent, openWorldHint=False
    )

    def declare(method: Method) -> Method:
        method.declaration = Declaration(title, scope, annotations)  # type: ignore[attr-defined]
        return method

    return declare


def tools_of(toolset: type[MCPToolset]) -> list[Tool]:
    """The toolset's declared methods as tools, in the order in which they are written.

    django-mcp-server must have registered them, which it does once all applications are loaded.
    """
    registered = {tool.name: tool for tool in toolset.mcp_server._tool_manager.list_tools()}
    return [_tool(toolset, method, registered[name]) for name, method in _methods(toolset).items()]


def names_of_changing(toolset: type[MCPToolset]) -> list[str]:
    """The names of the declared methods that change something."""
    return [name for name, method in _methods(toolset).items() if not method.declaration.annotations.readOnlyHint]


def _methods(toolset: type[MCPToolset]) -> dict[str, Any]:
    return {name: method for name, method in vars(toolset).items() if hasattr(method, "declaration")}


def _tool(toolset: type[MCPToolset], method: Any, registered: RegisteredTool) -> Tool:
    declaration: Declaration = method.declaration
    writes = not declaration.annotations.readOnlyHint
    registered.title = declaration.title
    registered.annotations = declaration.annotations
    registered.fn_metadata.arg_model = model = _strict(registered.fn_metadata.arg_model)
    registered.parameters = schema = _input_schema(model)
    known = model.model_fields
    definition = {
        "name": registered.name,
        "title": declaration.title,
        "description": registered.description,
        "inputSchema": schema,
        "outputSchema": pydantic.TypeAdapter(method.__annotations__["return"]).json_schema(),
        "annotations": declaration.annotations.model_dump(exclude_none=True),
    }

    def run(arguments: dict[str, JSON], caller: Caller, meta: dict[str, JSON]) -> ToolResult:
        started = perf_counter()
        missing_scope = None
        conversation_id = None
        user_id = arguments.get("user_id")
        try:
            charge(caller, user_id=user_id)
            conversation_id = conversation_named(meta)
            values = arguments
            if None in arguments.values():
                # Agents send null for what they leave out. What there is no argument of is refused with any value.
                values = {name: value for name, value in arguments.items() if value is not None or name not in known}
            given = model.model_validate(values)
            record = None
            if writes or conversation_id is not None:
                record = Record(registered.name, arguments, caller, meta, conversation_id, started)
            reply = method(toolset(context=Call(caller, declaration.scope, record)), **vars(given))
        except Exception as fault:
            reply, missing_scope = _explain(fault, caller, declaration.scope, schema)
            if conversation_id is not None:
                count_refusal(caller, user_id, conversation_id)
        error_code = reply["data"]["error_code"] if reply["status"] == "error" else 0
        milliseconds = (perf_counter() - started) * 1000
        usage.count(registered.name, error_code, milliseconds)
        _log(registered.name, caller, user_id, error_code, milliseconds)
        return ToolResult(tool_result(encode(reply), is_error=bool(error_code)), missing_scope)

    return Tool(registered.name, definition, run)


def _log(tool: str, caller: Caller, user_id: JSON, error_code: int, milliseconds: float) -> None:
    """One line for each call. user_id: the argument, whatever was sent."""
    named = caller.on_behalf_of if user_id is None else user_id
    if named is not None:
        # Anything but a text may nest too deeply to be written down.
        named = named[:255] if isinstance(named, str) else "?"
    logger.info(
        "tool call",
        extra={
            "tool": tool,
            "principal": caller.user_id,
            "user": caller.user_id if named is None else named,
            "outcome": error_code or "success",
            "milliseconds": round(milliseconds, 2),
        },
    )


def _explain(
    fault: Exception, caller: Caller, scope: str, schema: dict[str, Any]
) -> tuple[replies.Reply[replies.ErrorData], str | None]:
    """The reply to a call that failed, and the scope that was missing, if that is why.

    Raises Unauthenticated: whoever has no good token learns nothing else.
    """
    try:
        caller.require(scope)
    except MissingScope:
        return replies.error(403, f"The token lacks the scope {scope}. Use one that has it."), scope
    reply = replies.refusal(fault, schema)
    if reply is None:
        logger.error("tool failed", exc_info=fault)
        reply = replies.error(500, apology())
    return reply, None


def _strict(model: type[ArgModelBase]) -> type[ArgModelBase]:
    """The same arguments, with any other refused."""
    return type(model.__name__, (model,), {"__module__": __name__, "model_config": pydantic.ConfigDict(extra="forbid")})


def _input_schema(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The arguments' JSON schema, as plain as agents need it: one scalar type each, and no title that only repeats."""
    generated = model.model_json_schema()
    properties = {}
    for name, schema in generated["properties"].items():
        del schema["title"]
        # `X | None = None` is how Python spells an argument that may be left out: to a client it is an X.
        if union := schema.pop("anyOf", None):
            (scalar,) = [option for option in union if option != {"type": "null"}]
            schema = scalar | schema
        if schema.get("default", ...) is None:
            del schema["default"]
        properties[name] = schema
    required = generated.get("required", [])
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
