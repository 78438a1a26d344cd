"""protocol.py by itself: it knows no transport."""

from __future__ import annotations

import subprocess
import sys

from django.conf import settings


def test_it_imports_neither_http_nor_stdio() -> None:
    """In a process of its own: what importing it brings in, beyond what its own imports stand for."""
    script = """
import sys, types
principals = types.ModuleType("todoproj.users.principals")
principals.Caller = object
sys.modules["todoproj.users.principals"] = principals
import mcp_tools.protocol
print([name for name in sys.modules if name.startswith(("django", "mcp.", "starlette", "http"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
