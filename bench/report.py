"""The results as tables, in plain text and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.loads import LOADS
from bench.results import Life, Measurement, Row, ratio, rows
from bench.servers import SERVERS


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, the columns' names, and rows of as many cells. All but the first column are aligned to the right."""

    heading: str
    columns: list[str]
    cells: list[list[str]]

    def text(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.columns, *self.cells, strict=True)]
        lines = [_padded(row, widths) for row in [self.columns, ["-" * width for width in widths], *self.cells]]
        return "\n".join([self.heading, "", *("  ".join(line).rstrip() for line in lines)])

    def markdown(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.columns, *self.cells, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines = [_padded(self.columns, widths), rule, *(_padded(row, widths) for row in self.cells)]
        return "\n".join([f"### {self.heading}", "", *(f"| {' | '.join(line)} |" for line in lines)])


def tables(measurements: Sequence[Measurement], lives: Sequence[Life]) -> list[Table]:
    """Everything that was measured: each load over each number of connections, the ratios, memory and starts."""
    yardstick = SERVERS[0].name
    found = []
    for load in LOADS:
        for connections in sorted({item.connections for item in measurements if item.load == load.name}):
            these = rows(measurements, load=load.name, connections=connections, yardstick=yardstick)
            found.append(_speeds(f"{load.name} ({load.label}), {_counted(connections)}", these))
            if load.name == "mixed" and len(these) > 1:
                found.append(_ratios(these, measurements, load.name, connections))
    found.append(_lives(lives))
    return found


def _speeds(heading: str, these: Sequence[Row]) -> Table:
    columns = ["server", "requests/s", "least-most", f"x {SERVERS[0].name}", "CPU us", "database us"]
    return Table(
        heading,
        [*columns, "p50 ms", "p95 ms", "p99 ms"],
        [
            [
                row.name,
                f"{row.requests_per_second:,.0f}",
                "-".join(f"{value:.0f}" for value in row.spread),
                "" if row.ratio is None else f"{row.ratio:.2f}",
                f"{row.server_cpu:,.0f}",
                "" if row.database_cpu is None else f"{row.database_cpu:,.0f}",
                *(f"{value:.1f}" for value in [row.p50, row.p95, row.p99]),
            ]
            for row in these
        ],
    )


def _ratios(these: Sequence[Row], measurements: Sequence[Measurement], load: str, connections: int) -> Table:
    rounds = {
        row.name: {
            item.round: item
            for item in measurements
            if (item.server, item.era, item.load, item.connections) == (row.server, row.era, load, connections)
        }
        for row in these
    }
    return Table(
        f"How many times as many requests/s the row has as the column; {load}, {_counted(connections)}",
        ["", *rounds],
        [[name, *(f"{ratio(rounds[name], rounds[other]) or 0:.2f}" for other in rounds)] for name in rounds],
    )


def _lives(lives: Sequence[Life]) -> Table:
    by_server: dict[str, list[Life]] = {}
    for life in lives:
        by_server.setdefault(life.server, []).append(life)
    counted_as = " and ".join(sorted({life.counted_as for life in lives}))
    return Table(
        f"Memory after the loads ({counted_as}, server and workers), and time to the first right reply",
        ["server", "MB", "start s"],
        [
            [
                server,
                f"{median(life.memory for life in each) / 1e6:.0f}",
                f"{median(life.started_in for life in each):.2f}",
            ]
            for server, each in by_server.items()
        ],
    )


def _padded(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]


def _counted(connections: int) -> str:
    return f"{connections} connection{'s' if connections > 1 else ''}"
