"""The official Python SDK 1.x: python_sdk_1.py URL TOKEN"""

import asyncio
import sys
from typing import Any

import httpx
import scenario
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, token: str) -> None:
    async with (
        httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
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
