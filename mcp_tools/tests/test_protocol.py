"""protocol.py by itself: it knows no transport."""

from __future__ import annotations

import json
import subprocess
import sys

from django.conf import settings


def test_it_imports_neither_http_nor_stdio() -> None:
    """In a process of its own, which has set nothing up: whatever importing it brings in."""
    script = "import json, sys, mcp_tools.protocol; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=180, check=True
    )
    imported = json.loads(done.stdout)
    assert "mcp_tools.protocol" in imported
    transports = {"django", "rest_framework", "mcp", "mcp_server", "starlette", "http", "socketserver"}
    assert not [name for name in imported if name.partition(".")[0] in transports]
    assert [name for name in imported if name.startswith("mcp_tools.")] == ["mcp_tools.protocol"]
