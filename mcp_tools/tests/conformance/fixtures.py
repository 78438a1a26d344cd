"""A server with the tools, resources and prompts that the suite asks for by name, as far as the protocol serves them.

What they answer is what the suite's descriptions of its scenarios say.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from mcp_tools.protocol import JSON, Completion, Prompt, ProtocolError, Resources, Server, Tool, ToolResult, encode
from todoproj.users.principals import Caller

# One red pixel, and a WAV file without a sample.
PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
WAV: Final = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="

IMAGE: Final = {"type": "image", "data": PNG, "mimeType": "image/png"}
AUDIO: Final = {"type": "audio", "data": WAV, "mimeType": "audio/wav"}

STATIC_TEXT: Final = "test://static-text"
STATIC_BINARY: Final = "test://static-binary"
TEMPLATE: Final = "test://template/{id}/data"
_TEMPLATE_URI = re.compile(r"test://template/([^/]+)/data")

# The keywords that a tool's schema must keep on its way to the client.
JSON_SCHEMA_2020_12: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
# JSON-RPC error of MCP 2026-07-28: the tool needs something of the client that it did not declare.
MISSING_REQUIRED_CLIENT_CAPABILITY: Final = -32021

NO_ARGUMENTS: Final = {"type": "object", "properties": {}, "additionalProperties": False}


def _text(text: str) -> dict[str, JSON]:
    return {"type": "text", "text": text}


def _resource(uri: str, mime_type: str, text: str) -> dict[str, JSON]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": text}}


def _tool(name: str, *content: dict[str, JSON], is_error: bool = False, schema: dict[str, JSON] = NO_ARGUMENTS) -> Tool:
    """A tool that always answers the same."""
    result = ToolResult(encode({"content": content, "isError": is_error}))
    definition = {"name": name, "description": f"The suite's {name}.", "inputSchema": schema}
    return Tool(name, definition, lambda arguments, caller, meta: result)


def _needs_sampling(arguments: dict[str, JSON], caller: Caller, meta: dict[str, JSON]) -> ToolResult:
    raise ProtocolError(
        MISSING_REQUIRED_CLIENT_CAPABILITY, "It needs sampling.", data={"requiredCapabilities": {"sampling": {}}}
    )


def _prompt(name: str, *content: dict[str, JSON], arguments: tuple[str, ...] = ()) -> Prompt:
    """A prompt of user messages; `{argument}` in a text or a URI stands for what was given."""

    def fill(value: JSON, given: dict[str, str]) -> JSON:
        if isinstance(value, dict):
            return {key: fill(member, given) for key, member in value.items()}
        return value.format(**given)

    def write(given: dict[str, str], caller: Caller) -> dict[str, JSON]:
        return {"messages": [{"role": "user", "content": fill(each, given)} for each in content]}

    wanted = [{"name": each, "description": f"The {each}.", "required": True} for each in arguments]
    return Prompt(name, {"name": name, "description": f"The suite's {name}.", "arguments": wanted}, write)


def _read(uri: str, caller: Caller) -> list[dict[str, JSON]] | None:
    if uri == STATIC_TEXT:
        text = "This is the content of the static text resource."
        return [{"uri": uri, "mimeType": "text/plain", "text": text}]
    if uri == STATIC_BINARY:
        return [{"uri": uri, "mimeType": "image/png", "blob": PNG}]
    if match := _TEMPLATE_URI.fullmatch(uri):
        text = encode({"id": match[1], "templateTest": True, "data": f"Data for ID: {match[1]}"}).decode()
        return [{"uri": uri, "mimeType": "application/json", "text": text}]
    return None


def _complete(ref: dict[str, JSON], argument: str, value: str, caller: Caller) -> Completion | None:
    values = [f"{argument} one", f"{argument} two"]
    return Completion([each for each in values if each.startswith(value)])


FIXTURES: Final = Server(
    name="fixtures",
    title="Fixtures of the conformance suite",
    version="1",
    instructions="For tests only.",
    tools=[
        _tool("test_simple_text", _text("This is a simple text response for testing.")),
        _tool("test_image_content", IMAGE),
        _tool("test_audio_content", AUDIO),
        _tool(
            "test_embedded_resource",
            _resource("test://embedded-resource", "text/plain", "This is an embedded resource content."),
        ),
        _tool(
            "test_multiple_content_types",
            _text("Multiple content types test:"),
            IMAGE,
            _resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
        ),
        _tool("test_error_handling", _text("This tool intentionally returns an error for testing"), is_error=True),
        # Two that may log, or ask the client, only under conditions: they never do.
        _tool("test_logging_tool", _text("Nothing was logged.")),
        _tool("test_streaming_elicitation", _text("Nothing was asked.")),
        replace(_tool("test_missing_capability"), run=_needs_sampling),
        _tool("json_schema_2020_12_tool", _text("Its schema is what counts."), schema=JSON_SCHEMA_2020_12),
    ],
    resources=Resources(
        resources=[
            {"uri": STATIC_TEXT, "name": "static-text", "description": "A text.", "mimeType": "text/plain"},
            {"uri": STATIC_BINARY, "name": "static-binary", "description": "An image.", "mimeType": "image/png"},
        ],
        templates=[
            {"uriTemplate": TEMPLATE, "name": "template", "description": "Data.", "mimeType": "application/json"}
        ],
        read=_read,
    ),
    prompts=[
        _prompt("test_simple_prompt", _text("This is a simple prompt for testing.")),
        _prompt(
            "test_prompt_with_arguments",
            _text("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"),
            arguments=("arg1", "arg2"),
        ),
        _prompt(
            "test_prompt_with_embedded_resource",
            _resource("{resourceUri}", "text/plain", "Embedded resource content for testing."),
            _text("Please process the embedded resource above."),
            arguments=("resourceUri",),
        ),
        _prompt("test_prompt_with_image", IMAGE, _text("Please analyze the image above.")),
    ],
    complete=_complete,
)
