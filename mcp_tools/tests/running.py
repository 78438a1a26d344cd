"""The production server as a process of its own, on the database of the tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from django.conf import settings
from django.db import connection

from mcp_tools.protocol import META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION

REVISION = "2026-07-28"
# Seconds after which a test gives up on what takes a few: some machines are slow, and busy with other things.
PATIENCE = 180
# The settings that limit calls.
LIMITS = [
    *("THROTTLE_TOOLS", "THROTTLE_SERVICE_ACCOUNTS", "THROTTLE_API", "THROTTLE_ADDRESS"),
    *("THROTTLE_LOGIN", "THROTTLE_TOKEN", "THROTTLE_REGISTER"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_url() -> str:
    """The database that the tests use, for another process."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    user, password = quote(database["USER"] or ""), quote(database["PASSWORD"] or "")
    host = quote(database["HOST"] or "127.0.0.1", safe="")
    return f"postgres://{user}:{password}@{host}:{database['PORT'] or 5432}/{database['NAME']}"


def run_python(program: str, **environment: str) -> str:
    """What a program prints in a process of its own, with these variables."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "todoproj.settings"} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout.strip()


def at_once(threads: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work(n)` returns in each of so many threads; an exception in any is raised."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(threads)))


def path_with(node_modules: Path) -> str:
    """PATH, with the programs and the Node that npm installed into a folder first."""
    # Some need a newer Node than many systems have; not every npm links the one it installs into .bin.
    programs = [*node_modules.glob("node-linux-*/bin"), node_modules / ".bin"]
    return os.pathsep.join([*map(str, programs), os.environ["PATH"]])


class RunningServer:
    """`manage.py serve`, or another command, on a free port of 127.0.0.1, ready to answer, until the `with` ends.

    environment: variables for it; without any, calls are not limited.
    """

    def __init__(
        self, log: Path, command: str = "serve", settings_module: str = "todoproj.settings", **environment: str
    ) -> None:
        self.command = command
        self.port = free_port()
        self.site = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.settings_module = settings_module
        self.environment = environment

    def __enter__(self) -> Self:
        environment = os.environ | {
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": self.settings_module,
            "WEB_CONCURRENCY": "2",
            **dict.fromkeys(LIMITS, "0"),
            **self.environment,
        }
        command = [sys.executable, "manage.py", self.command, "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=log, stderr=log)
        self.http = httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_connections=None))
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if self.http.get(f"{self.site}/health").status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"the server did not start: {self.log.read_text()}")
            time.sleep(0.1)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)

    def call(self, token: str, tool: str, /, **arguments: Any) -> Any:
        """A tool's reply, by HTTP."""
        response = self.raw_call(f"Bearer {token}", tool, **arguments)
        assert response.status_code == 200, response.text
        return response.json()["result"]["structuredContent"]

    def raw_call(self, authorization: str | None, tool: str, /, **arguments: Any) -> httpx.Response:
        """The HTTP response to a call of a tool, with this Authorization header, or none."""
        meta = {META_PROTOCOL_VERSION: REVISION, META_CLIENT_CAPABILITIES: {}}
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        headers = {
            "Content-Type": "application/json",
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        if authorization is not None:
            headers["Authorization"] = authorization
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        return self.http.post(f"{self.site}/mcp", content=json.dumps(message), headers=headers)
