"""All measurements of a run: round by round, server by server, load by load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import environments, probe, proc
from bench.cores import Cores
from bench.drive import Stretch
from bench.loads import Load
from bench.measure import Database, measure, rotated, say
from bench.results import Life, Measurement
from bench.running import Running, running
from bench.servers import Server


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
    """Runs a plan. What it has measured is in `measurements` and `lives`."""

    def __init__(self, plan: Plan, database: Database) -> None:
        self.plan = plan
        self.database = database
        self.measurements: list[Measurement] = []
        self.lives: list[Life] = []
        self._cores = Cores(pin=plan.pin)

    @property
    def notes(self) -> list[str]:
        """What is worth knowing of how it was measured."""
        return self._cores.notes

    def run(self) -> None:
        """Measure everything. Raises SystemExit when a server answers wrong, since its speed then means nothing."""
        # Before anything is measured, though it would be done on the way.
        for server in self.plan.servers:
            environments.ensure(server)
        say(f"Making the data on {self.database.version()} ...")
        try:
            self.database.make()
            with self._cores.with_load_apart(self.database):
                for round in range(self.plan.rounds):
                    for server in rotated(self.plan.servers, round):
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
            core=self._cores.server,
            log=log,
        ) as life:
            for era in server.eras:
                probe.check(server, life.port, era)
            for era, load in self.plan.asked(server):
                for connections in self.plan.connections:
                    self._load(server, life, Stretch(load, era, connections, self.plan.seconds), round)
            memory, counted_as = proc.memory_bytes(life.pid)
        self.lives.append(Life(server.name, round, life.started_in, memory, counted_as))

    def _load(self, server: Server, life: Running, stretch: Stretch, round: int) -> None:
        measurement = measure(server, life, self.database, stretch, round=round, warmup=self.plan.warmup)
        self.measurements.append(measurement)
        done = f"[{len(self.measurements)}/{self.plan.stretches}]"
        speed = f"{measurement.requests_per_second:,.0f} requests/s, " if self.plan.show_speeds else ""
        what = f"{server.name} {stretch.era}, {stretch.load.name}, {stretch.connections} connections"
        say(f"{done} {what}: {speed}all {measurement.requests} replies right")
