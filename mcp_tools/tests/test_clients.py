"""The official MCP clients against the production server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from mcp_tools.tests.running import RunningServer
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

HERE = Path(__file__).parent / "clients"

pytestmark = pytest.mark.django_db(transaction=True)


def run(python: str | Path, script: str, server: RunningServer, *arguments: str) -> str:
    """What the client's script printed; it must have passed."""
    _, token = issue_token(user_id=UserFactory.create().pk)
    command = [str(python), str(HERE / script), f"{server.site}/mcp", token, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_python_sdk_1(server: RunningServer) -> None:
    assert run(sys.executable, "python_sdk_1.py", server) == "passed in 2025-11-25"


@pytest.mark.clients
@pytest.mark.parametrize(
    ("mode", "revision"), [("auto", "2026-07-28"), ("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")]
)
def test_python_sdk_2(server: RunningServer, mode: str, revision: str) -> None:
    python = settings.BASE_DIR / ".venv-mcp2" / "bin" / "python"
    assert python.exists(), "make clients installs it"
    assert run(python, "python_sdk_2.py", server, mode) == f"passed in {revision}"
