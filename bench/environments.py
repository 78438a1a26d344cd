"""A virtual environment for each server, with what it needs and nothing else, made when its requirements change."""

from __future__ import annotations

import subprocess
import sys

from bench.servers import Server


def ensure(server: Server) -> None:
    """Make the server's environment, unless it holds just what its requirements.txt says."""
    requirements = server.folder / "requirements.txt"
    installed = server.python.parent.parent / "installed.txt"
    wanted = requirements.read_text()
    if installed.exists() and installed.read_text() == wanted:
        return
    sys.stdout.write(f"Installing {server.name} ...\n")
    sys.stdout.flush()
    _run(sys.executable, "-m", "venv", "--clear", str(server.python.parent.parent))
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(str(server.python), *pip, "-r", str(requirements))
    installed.write_text(wanted)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603 (our own)
