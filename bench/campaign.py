"""All measurements of a run: round by round, server by server, load by load."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bench import environments, probe, proc
from bench.drive import Stretch, drive
from bench.loads import Load
from bench.postgresql import PostgreSQL
from bench.results import Life, Measurement
from bench.running import Running, running
from bench.servers import Server
from bench.sqlite import SQLite

Database: TypeAlias = PostgreSQL | SQLite


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. seconds and warmup are per load; pin: whether the server has a core of its own."""

    servers: Sequence[Server]
    loads: Sequence[Load]
    connections: Sequence[int]
    rounds: int
    seconds: int
    warmup: int
    workers: int
    pin: bool
    show_speeds: bool
    logs: Path | None = None

    @property
    def stretches(self) -> int:
        """The number of measurements."""
        return self.rounds * len(self.connections) * sum(len(self.asked(server)) for server in self.servers)

    def asked(self, server: Server) -> list[tuple[str, Load]]:
        """The eras and loads that the server is asked."""
        return [(era, load) for era in server.eras for load in self.loads if load.fits(server, era)]


class Campaign:
    """Runs a plan. What it has measured is in `measurements` and `lives`, what is worth knowing of it in `notes`."""

    def __init__(self, plan: Plan, database: Database) -> None:
        self.plan = plan
        self.database = database
        self.measurements: list[Measurement] = []
        self.lives: list[Life] = []
        self.notes: list[str] = []
        self._server_core, self._load_core = self._cores()

    def run(self) -> None:
        """Measure everything. Raises SystemExit when a server answers wrong, since its speed then means nothing."""
        for server in self.plan.servers:
            if not server.ours:
                environments.ensure(server)
        _say(f"Making the data on {self.database.version()} ...")
        try:
            self.database.make()
            with self._on_load_core():
                for round in range(self.plan.rounds):
                    for server in _rotated(self.plan.servers, round):
                        self._measure(server, round)
        finally:
            self.database.drop()

    def _measure(self, server: Server, round: int) -> None:
        self.database.restore()
        log = self.plan.logs and self.plan.logs / f"{server.name}-{round}.log"
        with running(
            server,
            database_url=self.database.url,
            workers=self.plan.workers,
            core=self._server_core,
            log=log,
        ) as life:
            for era in server.eras:
                probe.check(server, life.port, era)
            for era, load in self.plan.asked(server):
                for connections in self.plan.connections:
                    self._load(server, life, era, load, connections, round)
            memory, counted_as = proc.memory_bytes(life.pid)
        self.lives.append(Life(server.name, round, life.started_in, memory, counted_as))

    def _load(self, server: Server, life: Running, era: str, load: Load, connections: int, round: int) -> None:
        self.database.level()
        seed = 1000 * round + connections
        start = 0
        if self.plan.warmup:
            warmup = Stretch(load, era, connections, self.plan.warmup, seed + 500)
            start = drive(server, life.port, self.database.data, warmup).issued
        stretch = Stretch(load, era, connections, self.plan.seconds, seed, start)
        database_process = self.database.server_process()
        before = proc.cpu_seconds(life.pid), self._cpu(database_process)
        outcome = drive(server, life.port, self.database.data, stretch)
        after = proc.cpu_seconds(life.pid), self._cpu(database_process)
        what = f"{server.name} {era}, {load.name}, {connections} connections"
        if outcome.faults:
            raise SystemExit(f"{what}: {outcome.faults}")
        seconds = outcome.microseconds / 1e6
        measurement = Measurement(
            server=server.name,
            era=era,
            load=load.name,
            connections=connections,
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
        self.measurements.append(measurement)
        done = f"[{len(self.measurements)}/{self.plan.stretches}]"
        speed = f"{measurement.requests_per_second:,.0f} requests/s, " if self.plan.show_speeds else ""
        _say(f"{done} {what}: {speed}all {outcome.requests} replies right")

    def _cores(self) -> tuple[int | None, int | None]:
        cores = sorted(os.sched_getaffinity(0))
        if not self.plan.pin:
            self.notes.append("Nothing was pinned to a core.")
            return None, None
        if len(cores) < 2:
            self.notes.append("This machine lends one core only, so nothing was pinned.")
            return None, None
        return cores[0], cores[1]

    @contextmanager
    def _on_load_core(self) -> Iterator[None]:
        """Keep the bench, wrk and PostgreSQL on the other core until the end."""
        if self._load_core is None:
            yield
            return
        cores = os.sched_getaffinity(0)
        database_process = self.database.server_process()
        with nullcontext(True) if database_process is None else proc.pinned(database_process, self._load_core) as moved:
            where = f"The server had core {self._server_core}, wrk core {self._load_core}"
            if isinstance(self.database, SQLite):
                self.notes.append(f"{where}; SQLite runs in the server.")
            elif database_process is None:
                self.notes.append(f"{where}; PostgreSQL runs on another machine.")
            elif moved:
                self.notes.append(f"{where}, which PostgreSQL shared.")
            else:
                self.notes.append(f"{where}; PostgreSQL could not be pinned (not permitted), so it had both.")
            if others := self.database.others_at_work():
                self.notes.append(f"Others used PostgreSQL meanwhile: {', '.join(others)}.")
            os.sched_setaffinity(0, {self._load_core})
            try:
                yield
            finally:
                os.sched_setaffinity(0, cores)

    def _cpu(self, database_process: int | None) -> float:
        return 0.0 if database_process is None else proc.cpu_seconds(database_process)


def _rotated(servers: Sequence[Server], round: int) -> list[Server]:
    """Another one first in each round, so that a drift of the machine hits all alike."""
    turn = round % len(servers)
    return [*servers[turn:], *servers[:turn]]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
