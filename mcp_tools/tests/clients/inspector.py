"""The MCP Inspector's command line, a process for each request.

inspector ERA http URL TOKEN, or inspector ERA stdio COMMAND ARGUMENT... (ERA: legacy, auto or modern)
"""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

from mcp_tools.tests.clients import scenario

# Its exit codes: the request succeeded, the tool answered with isError.
PASSED = (0, 5)


def over_http(url: str, token: str) -> list[str]:
    return [url, "--transport", "http", "--header", f"Authorization: Bearer {token}", "--stored-auth-only"]


def over_stdio(*command: str) -> list[str]:
    # It hands on no environment by itself.
    return ["-e", f"DATABASE_URL={os.environ['DATABASE_URL']}", *command, "--transport", "stdio"]


async def main(era: str, transport: str, *arguments: str) -> None:
    reached = over_http(*arguments) if transport == "http" else over_stdio(*arguments)

    def ask(method: str, *options: str) -> Any:
        command = ["mcp-inspector", "--cli", *reached, "--protocol-era", era, "--format", "json", "--method", method]
        command += options
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in PASSED:
            sys.exit(done.stderr)
        return json.loads(done.stdout)["result"]

    async def list_tools() -> list[str]:
        return [tool["name"] for tool in ask("tools/list")["tools"]]

    async def call(tool: str, **arguments: Any) -> Any:
        result = ask("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        assert result["isError"] is (result["structuredContent"]["status"] == "error"), result
        return result["structuredContent"]

    await scenario.run(list_tools, call)
    sys.stdout.write(f"passed in {ask('initialize')['protocolVersion']}\n")


asyncio.run(main(*sys.argv[1:]))
