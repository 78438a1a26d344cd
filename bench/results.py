"""What was measured, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Measurement:
    """One load on one server, in one round.

    tasks: how many the database holds. requests_per_second; server_cpu and database_cpu: CPU time per request in
    microseconds, of all their processes (None where the database has none of its own); p50, p95, p99: latency in
    milliseconds; reply_bytes: the mean size of a reply with its headers.
    """

    server: str
    era: str
    load: str
    connections: int
    tasks: int
    round: int
    requests: int
    seconds: float
    requests_per_second: float
    server_cpu: float
    database_cpu: float | None
    p50: float
    p95: float
    p99: float
    reply_bytes: float


@dataclass(frozen=True, slots=True)
class Life:
    """One start of one server. started_in: seconds to its first right reply. memory: bytes after all its loads, of the
    server and its workers together. counted_as: PSS or RSS."""

    server: str
    round: int
    started_in: float
    memory: int
    counted_as: str


@dataclass(frozen=True, slots=True)
class Row:
    """A server's medians over all rounds of one load; the figures mean what a Measurement's do.

    ratio: its requests per second as a multiple of the yardstick's, round by round, the median; None without one.
    spread: the least and the most requests per second in a round.
    """

    server: str
    era: str
    requests_per_second: float
    spread: tuple[float, float]
    ratio: float | None
    server_cpu: float
    database_cpu: float | None
    p50: float
    p95: float
    p99: float

    @property
    def name(self) -> str:
        return f"{self.server} {self.era}"


Key = tuple[str, str]


def rows(measurements: Iterable[Measurement], *, load: str, connections: int, yardstick: str) -> list[Row]:
    """One row for each server and era that had this load, the fastest first.

    yardstick: the server that ratios refer to, in the same era where it has it, else in its own first.
    """
    by_key: dict[Key, dict[int, Measurement]] = {}
    for item in measurements:
        if (item.load, item.connections) == (load, connections):
            by_key.setdefault((item.server, item.era), {})[item.round] = item
    found = []
    for (server, era), rounds in by_key.items():
        speeds = [item.requests_per_second for item in rounds.values()]
        database = [item.database_cpu for item in rounds.values() if item.database_cpu is not None]
        found.append(
            Row(
                server=server,
                era=era,
                requests_per_second=median(speeds),
                spread=(min(speeds), max(speeds)),
                ratio=ratio(rounds, _yardstick(by_key, yardstick, era)),
                server_cpu=median(item.server_cpu for item in rounds.values()),
                database_cpu=median(database) if database else None,
                p50=median(item.p50 for item in rounds.values()),
                p95=median(item.p95 for item in rounds.values()),
                p99=median(item.p99 for item in rounds.values()),
            )
        )
    return sorted(found, key=lambda row: -row.requests_per_second)


def ratio(these: dict[int, Measurement], those: dict[int, Measurement]) -> float | None:
    """How many times as many requests per second: within each round, since the machine drifts, then the median."""
    shared = these.keys() & those.keys()
    if not shared:
        return None
    return median(these[round].requests_per_second / those[round].requests_per_second for round in shared)


def _yardstick(by_key: dict[Key, dict[int, Measurement]], server: str, era: str) -> dict[int, Measurement]:
    same_era = by_key.get((server, era))
    if same_era:
        return same_era
    return next((rounds for (name, _), rounds in by_key.items() if name == server), {})
