"""A server as a process of its own, from its start to its end."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import environments, probe, proc
from bench.servers import Server

START_TIMEOUT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """pid: the first process; its children are the server's, too. started_in: seconds to the first right reply."""

    pid: int
    port: int
    started_in: float


@contextmanager
def running(
    server: Server,
    *,
    database_url: str,
    workers: int,
    core: int | None,
    log: Path | None = None,
    ask: Callable[[Server, int], str] | None = None,
) -> Iterator[Running]:
    """The server, answering. core: the only one that it may use, if any. log: where its output goes, else nowhere.

    ask: of the server at a port, what is wrong with its answer, if anything; by default, whether a tool works.
    """
    port = _free_port()
    command = ["taskset", "--cpu-list", str(core)] if core is not None else []
    command += server.command(server.python, port, workers)
    environments.ensure(server)
    environment = os.environ | server.environment | {"DATABASE_URL": database_url}
    # As anywhere else, the second start need not compile again.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    with open(log or os.devnull, "ab") as output:
        process = subprocess.Popen(  # noqa: S603 (from the table in servers.py)
            command, cwd=server.folder, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        _wait(server, process, port, began, ask or _ask_a_tool)
        yield Running(process.pid, port, time.monotonic() - began)
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as socket_:
        socket_.bind(("127.0.0.1", 0))
        return int(socket_.getsockname()[1])


def _ask_a_tool(server: Server, port: int) -> str:
    status, body = probe.list_tasks(server, port)
    return "" if status == 200 and '"isError":false' in body else f"{status} {body[:500]}"


def _wait(
    server: Server, process: subprocess.Popen[bytes], port: int, began: float, ask: Callable[[Server, int], str]
) -> None:
    """Return as soon as it has answered right."""
    while True:
        try:
            fault = ask(server, port)
            if not fault:
                return
        except (OSError, http.client.HTTPException) as error:
            fault = str(error)
        if process.poll() is not None:
            raise SystemExit(f"{server.name} ended with {process.returncode}; --logs FOLDER keeps what it said.")
        if time.monotonic() - began > START_TIMEOUT:
            raise SystemExit(f"{server.name} did not answer right within {START_TIMEOUT:.0f} s: {fault}")
        time.sleep(0.01)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it and its workers, gently at first."""
    family = proc.tree(process.pid)
    process.terminate()
    deadline = time.monotonic() + 15
    while any(map(proc.lives, family)) and time.monotonic() < deadline:
        process.poll()
        time.sleep(0.02)
    for pid in filter(proc.lives, family):
        proc.kill(pid)
    process.wait(timeout=15)
