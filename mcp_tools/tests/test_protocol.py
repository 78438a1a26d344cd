"""protocol.py by itself: it knows no transport."""

from __future__ import annotations

import json

from mcp_tools.tests.running import run_python


def test_it_imports_neither_http_nor_stdio() -> None:
    """In a process of its own, which has set nothing up: whatever importing it brings in."""
    script = "import json, sys, mcp_tools.protocol; print(json.dumps(list(sys.modules)))"
    imported = json.loads(run_python(script))
    assert "mcp_tools.protocol" in imported
    transports = {"django", "rest_framework", "mcp", "mcp_server", "starlette", "http", "socketserver"}
    assert not [name for name in imported if name.partition(".")[0] in transports]
    assert [name for name in imported if name.startswith("mcp_tools.")] == ["mcp_tools.protocol"]
