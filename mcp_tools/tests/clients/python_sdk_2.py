"""The official Python SDK 2.x, which needs an environment of its own.

python_sdk_2.py MODE http URL TOKEN, or python_sdk_2.py MODE stdio COMMAND ARGUMENT...
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import scenario
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


@asynccontextmanager
async def over_http(mode: str, url: str, token: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


def over_stdio(mode: str, command: str, *arguments: str) -> Client:
    return Client(StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ)), mode=mode)


async def main(mode: str, transport: str, *arguments: str) -> None:
    connect = {"http": over_http, "stdio": over_stdio}[transport]
    async with connect(mode, *arguments) as client:

        async def list_tools() -> list[str]:
            return [tool.name for tool in (await client.list_tools()).tools]

        async def call(tool: str, **arguments: Any) -> Any:
            result = await client.call_tool(tool, arguments)
            assert result.structured_content is not None
            assert result.is_error is (result.structured_content["status"] == "error"), result
            return result.structured_content

        await scenario.run(list_tools, call)
        sys.stdout.write(f"passed in {client.session.protocol_version}\n")


asyncio.run(main(*sys.argv[1:]))
