"""Who is measured: the project's own server and its peers, and how each is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench import HERE, ROOT

ERAS: Final = ("2026-07-28", "2025-11-25")
PEERS: Final = HERE / "peers"


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the five tools at /mcp.

    label: what it is, in a few words. command: how to start it, from the Python that it needs, a port and a number of
    worker processes. eras: the revisions of the protocol that it is asked in. ours: it authenticates each person by a
    token and has a REST API; a peer takes the person's id as an argument. if_named: only where a run names it.
    """

    name: str
    label: str
    command: Callable[[Path, int, int], list[str]] = field(repr=False)
    eras: tuple[str, ...] = ERAS
    ours: bool = False
    if_named: bool = False

    @property
    def folder(self) -> Path:
        """Where it is started."""
        return ROOT if self.ours else PEERS / self.name

    @property
    def python(self) -> Path:
        """Of an environment of its own: see environments.py."""
        return HERE / ".venvs" / ("todoproj" if self.ours else self.name) / "bin" / "python"

    @property
    def environment(self) -> Mapping[str, str]:
        # Ours counts each person's calls, as it does elsewhere, but holds nobody up.
        return (
            {"THROTTLE_TOOLS": UNREACHED, "THROTTLE_API": UNREACHED}
            if self.ours
            else {"PYTHONPATH": str(PEERS / "shared")}
        )


UNREACHED = "999999999"


def _serve(python: Path, port: int, workers: int) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(port)]
    return [str(python), "manage.py", "serve", *where, "--workers", str(workers)]


def _serve_unrecorded(python: Path, port: int, workers: int) -> list[str]:
    return [str(python), "-m", "bench.unrecorded", *_serve(python, port, workers)[2:]]


def _uvicorn(python: Path, port: int, workers: int) -> list[str]:
    speed = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    return [str(python), "-m", "uvicorn", "app:app", *where, "--workers", str(workers), *speed]


def _gunicorn(python: Path, port: int, workers: int) -> list[str]:
    threads = ["--worker-class", "gthread", "--threads", "4", "--keep-alive", "75"]
    where = ["--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
    return [str(python), "-m", "gunicorn", "wsgi:application", *where, "--workers", str(workers), *threads]


SERVERS: Final = (
    Server("todoproj", "this project, with a token per person", _serve, ours=True),
    Server("unrecorded", "this project, keeping no tool calls", _serve_unrecorded, ours=True, if_named=True),
    Server("floor", "bare ASGI, raw asyncpg, no MCP checks", _uvicorn, eras=ERAS[:1]),
    Server("sdk2", "official SDK 2.3, raw asyncpg", _uvicorn),
    Server("fastmcp", "FastAPI, FastMCP 4.1, SQLModel", _uvicorn),
    Server("django_mcpz", "django-mcpz 1.2, Django ORM", _gunicorn),
    Server("django_mcp_server", "django-mcp-server 0.5.7, Django ORM", _gunicorn, eras=ERAS[1:]),
)
