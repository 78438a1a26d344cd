"""The official MCP clients, and others that people use, against the production server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from mcp_tools.tests.running import RunningServer, database_url, path_with
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

HERE = Path(__file__).parent / "clients"
PYTHON_2 = str(settings.BASE_DIR / ".venv-mcp2" / "bin" / "python")
JAVASCRIPT = HERE / "javascript"

PYTHON_SDK_1 = [sys.executable, str(HERE / "python_sdk_1.py")]
PYTHON_SDK_2 = [PYTHON_2, str(HERE / "python_sdk_2.py")]
TYPESCRIPT_SDK_1 = ["node", str(JAVASCRIPT / "typescript_sdk_1.mjs")]
TYPESCRIPT_SDK_2 = ["node", str(JAVASCRIPT / "typescript_sdk_2.mjs")]
INSPECTOR = [sys.executable, "-m", "mcp_tools.tests.clients.inspector"]
MCP_REMOTE = ["mcp-remote", "{url}", "--header", "Authorization: Bearer {token}", "--allow-http"]

HTTP = ["http", "{url}", "{token}"]
STDIO = ["stdio", sys.executable, "manage.py", "stdio_server", "--user", "{user}"]

# Its name, its command, the revision that it is to speak, and what it says when its token is refused.
CLIENTS: list[tuple[str, list[str], str, str]] = [
    ("python-sdk-1", [*PYTHON_SDK_1, *HTTP], "2025-11-25", "401 Unauthorized"),
    ("python-sdk-2-auto", [*PYTHON_SDK_2, "auto", *HTTP], "2026-07-28", "Send a valid token"),
    ("python-sdk-2-pinned", [*PYTHON_SDK_2, "2026-07-28", *HTTP], "2026-07-28", "Send a valid token"),
    ("python-sdk-2-legacy", [*PYTHON_SDK_2, "legacy", *HTTP], "2025-11-25", "Send a valid token"),
    ("typescript-sdk-1", [*TYPESCRIPT_SDK_1, *HTTP], "2025-11-25", "code: 401"),
    ("typescript-sdk-2-auto", [*TYPESCRIPT_SDK_2, "auto", *HTTP], "2026-07-28", "status: 401"),
    ("typescript-sdk-2-pinned", [*TYPESCRIPT_SDK_2, "2026-07-28", *HTTP], "2026-07-28", "status: 401"),
    ("typescript-sdk-2-legacy", [*TYPESCRIPT_SDK_2, "legacy", *HTTP], "2025-11-25", "status: 401"),
    ("inspector-legacy", [*INSPECTOR, "legacy", *HTTP], "2025-11-25", '"auth_required"'),
    ("inspector-modern", [*INSPECTOR, "modern", *HTTP], "2026-07-28", '"auth_required"'),
    # Refused, it registers as a client, and waits for the person to allow it in a browser.
    ("mcp-remote", [*PYTHON_SDK_1, "stdio", *MCP_REMOTE], "2025-11-25", "/o/authorize/?"),
]
# `make test` installs this one; the others are for `make clients`.
ALWAYS_THERE = "python-sdk-1"

# The same, for those that start the server themselves.
STDIO_CLIENTS: list[tuple[str, list[str], str]] = [
    ("python-sdk-1", [*PYTHON_SDK_1, *STDIO], "2025-11-25"),
    ("python-sdk-2-auto", [*PYTHON_SDK_2, "auto", *STDIO], "2026-07-28"),
    ("python-sdk-2-pinned", [*PYTHON_SDK_2, "2026-07-28", *STDIO], "2026-07-28"),
    ("python-sdk-2-legacy", [*PYTHON_SDK_2, "legacy", *STDIO], "2025-11-25"),
    ("typescript-sdk-1", [*TYPESCRIPT_SDK_1, *STDIO], "2025-11-25"),
    ("typescript-sdk-2-auto", [*TYPESCRIPT_SDK_2, "auto", *STDIO], "2026-07-28"),
    ("typescript-sdk-2-pinned", [*TYPESCRIPT_SDK_2, "2026-07-28", *STDIO], "2026-07-28"),
    ("typescript-sdk-2-legacy", [*TYPESCRIPT_SDK_2, "legacy", *STDIO], "2025-11-25"),
    ("inspector-legacy", [*INSPECTOR, "legacy", *STDIO], "2025-11-25"),
    ("inspector-modern", [*INSPECTOR, "modern", *STDIO], "2026-07-28"),
]

pytestmark = pytest.mark.django_db(transaction=True)
each_client = pytest.mark.parametrize(
    ("command", "revision", "refusal"),
    [
        pytest.param(*rest, id=name, marks=[] if name == ALWAYS_THERE else [pytest.mark.clients])
        for name, *rest in CLIENTS
    ],
)


def run(command: list[str], home: Path, **values: str) -> subprocess.CompletedProcess[str]:
    """Run a client to its end, with these values in its command."""
    return subprocess.run(**prepared(command, home, **values), capture_output=True, text=True, timeout=900, check=False)


def prepared(command: list[str], home: Path, **values: str) -> dict[str, Any]:
    """How a client is started. What it keeps for itself goes to a home of its own."""
    path = path_with(JAVASCRIPT / "node_modules")
    assert shutil.which(command[0], path=path), "make clients installs it"
    environment = os.environ | {"PATH": path, "HOME": str(home), "DATABASE_URL": database_url()}
    return {"args": [part.format(**values) for part in command], "cwd": settings.BASE_DIR, "env": environment}


@each_client
def test_scenario(server: RunningServer, tmp_path: Path, command: list[str], revision: str, refusal: str) -> None:
    _, token = issue_token(user_id=UserFactory.create().pk)
    done = run(command, tmp_path, url=f"{server.site}/mcp", token=token)
    assert (done.returncode, done.stdout.strip()) == (0, f"passed in {revision}"), done.stderr


@pytest.mark.parametrize(
    ("command", "revision"),
    [
        pytest.param(*rest, id=name, marks=[] if name == ALWAYS_THERE else [pytest.mark.clients])
        for name, *rest in STDIO_CLIENTS
    ],
)
def test_scenario_over_stdio(tmp_path: Path, command: list[str], revision: str) -> None:
    done = run(command, tmp_path, user=UserFactory.create().pk)
    assert (done.returncode, done.stdout.strip()) == (0, f"passed in {revision}"), done.stderr


@each_client
def test_wrong_token(server: RunningServer, tmp_path: Path, command: list[str], revision: str, refusal: str) -> None:
    logged_before = server.log.stat().st_size
    start = prepared(command, tmp_path, url=f"{server.site}/mcp", token="todo_wrong")
    errors = []
    with subprocess.Popen(
        **start, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as client:
        # One that nobody logs in to would wait for minutes.
        giving_up = threading.Timer(900, os.killpg, [client.pid, signal.SIGKILL])
        giving_up.start()
        assert client.stderr
        for line in client.stderr:
            errors.append(line)
            if refusal in line:
                break
        giving_up.cancel()
        with suppress(ProcessLookupError):
            os.killpg(client.pid, signal.SIGKILL)
    assert refusal in "".join(errors)
    # Not every client tells the status that it was refused with.
    assert b'"status_code":401' in server.log.read_bytes()[logged_before:]
