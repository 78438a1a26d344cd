"""The official Python SDK 2.x, which needs an environment of its own: python_sdk_2.py URL TOKEN MODE"""

import asyncio
import sys
from typing import Any

import httpx2
import scenario
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, token: str, mode: str) -> None:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):

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
