"""The official Python SDK 1.x: python_sdk_1.py http URL TOKEN, or python_sdk_1.py stdio COMMAND ARGUMENT..."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import scenario
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client


@asynccontextmanager
async def over_http(url: str, token: str) -> AsyncIterator[tuple[Any, Any]]:
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
    ):
        yield read, write


def over_stdio(command: str, *arguments: str) -> AbstractAsyncContextManager[tuple[Any, Any]]:
    return stdio_client(StdioServerParameters(command=command, args=list(arguments), env=dict(os.environ)))


async def main(transport: str, *arguments: str) -> None:
    connect = {"http": over_http, "stdio": over_stdio}[transport]
    async with connect(*arguments) as (read, write), ClientSession(read, write) as session:
        greeting = await session.initialize()
        assert greeting.serverInfo.name == "todoproj", greeting
        await session.send_ping()

        async def list_tools() -> list[str]:
            return [tool.name for tool in (await session.list_tools()).tools]

        async def call(tool: str, **arguments: Any) -> Any:
            result = await session.call_tool(tool, arguments)
            assert result.structuredContent is not None
            assert result.isError is (result.structuredContent["status"] == "error"), result
            return result.structuredContent

        await scenario.run(list_tools, call)
    sys.stdout.write(f"passed in {greeting.protocolVersion}\n")


asyncio.run(main(*sys.argv[1:]))
