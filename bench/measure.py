"""One stretch of a load on a server that runs, and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from bench import proc
from bench.drive import Stretch, drive
from bench.postgresql import PostgreSQL
from bench.results import Measurement
from bench.running import Running
from bench.servers import Server
from bench.sqlite import SQLite

Database: TypeAlias = PostgreSQL | SQLite
T = TypeVar("T")


def measure(
    server: Server, life: Running, database: Database, stretch: Stretch, *, round: int, warmup: int
) -> Measurement:
    """Put the load on, after `warmup` seconds of the same, on a database as it was at first.

    round: the people drawn are the same for every server in the same round. Raises SystemExit when a server answers
    wrong, since its speed then means nothing.
    """
    database.level()
    seed = 1000 * round + stretch.connections
    start = 0
    if warmup:
        start = drive(server, life.port, database.data, replace(stretch, seconds=warmup, seed=seed + 500)).issued
    database_process = database.server_process()
    before = proc.cpu_seconds(life.pid), _cpu(database_process)
    outcome = drive(server, life.port, database.data, replace(stretch, seed=seed, start=start))
    after = proc.cpu_seconds(life.pid), _cpu(database_process)
    if outcome.faults:
        what = f"{server.name} {stretch.era}, {stretch.load.name}, {stretch.connections} connections"
        raise SystemExit(f"{what}: {outcome.faults}")
    seconds = outcome.microseconds / 1e6
    return Measurement(
        server=server.name,
        era=stretch.era,
        load=stretch.load.name,
        connections=stretch.connections,
        tasks=database.data.tasks,
        round=round,
        requests=outcome.requests,
        seconds=seconds,
        requests_per_second=outcome.requests / seconds,
        server_cpu=(after[0] - before[0]) * 1e6 / outcome.requests,
        database_cpu=None if database_process is None else (after[1] - before[1]) * 1e6 / outcome.requests,
        p50=outcome.p50 / 1e3,
        p95=outcome.p95 / 1e3,
        p99=outcome.p99 / 1e3,
        reply_bytes=outcome.bytes / outcome.requests,
    )


def rotated(items: Sequence[T], round: int) -> list[T]:
    """Another one first in each round, so that a drift of the machine hits all alike."""
    turn = round % len(items)
    return [*items[turn:], *items[:turn]]


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _cpu(database_process: int | None) -> float:
    return 0.0 if database_process is None else proc.cpu_seconds(database_process)
