"""The production server as a process of its own, on the database of the tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from django.conf import settings
from django.db import connection

from mcp_tools.protocol import META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION

REVISION = "2026-07-28"


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


class RunningServer:
    """`manage.py serve` on a free port of 127.0.0.1, ready to answer, until the `with` ends."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.site = f"http://127.0.0.1:{self.port}"
        self.log = log

    def __enter__(self) -> Self:
        environment = os.environ | {"DATABASE_URL": database_url(), "WEB_CONCURRENCY": "2"}
        command = [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=log, stderr=log)
        self.http = httpx.Client(timeout=60, limits=httpx.Limits(max_connections=None))
        deadline = time.monotonic() + 30
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
        self.process.wait(timeout=20)

    def call(self, token: str, tool: str, /, **arguments: Any) -> Any:
        """A tool's reply, by HTTP."""
        meta = {META_PROTOCOL_VERSION: REVISION, META_CLIENT_CAPABILITIES: {}}
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        response = self.http.post(
            f"{self.site}/mcp",
            content=json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "MCP-Protocol-Version": REVISION,
                "Mcp-Method": "tools/call",
                "Mcp-Name": tool,
            },
        )
        assert response.status_code == 200, response.text
        return response.json()["result"]["structuredContent"]
