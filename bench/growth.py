"""`python -m bench.growth`: what a call costs in small and in large tables, in short and in long lists.

Databases of several sizes stand side by side, each with this project's server before it, and get the same loads in
turn, so that their costs can be compared. Everybody called a moment ago: a first call in an hour costs more, in any
table, since the token's use is noted. The largest also holds a person with 100,000 tasks, whose list is paged
through from one end to the other.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import http.client
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import HERE, ROOT, machine, proc
from bench.cores import Cores
from bench.dataset import CROWD, TASKS_EACH, Dataset, token
from bench.drive import Stretch, require_wrk
from bench.loads import LOADS, Load
from bench.measure import measure, rotated, say
from bench.postgresql import PREFIX, PostgreSQL
from bench.report import Table
from bench.results import Measurement
from bench.running import Running, running
from bench.servers import ERAS, SERVERS

OURS: Final = SERVERS[0]
# What a person does with a list, whatever else the table holds.
ASKED: Final = ("list_tasks", "list_crowd", "add_task", "update_task", "mixed")
PAGE: Final = 100
WALKS: Final = 5
PARTS: Final = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A tenth of the pages of a long list. cpu: microseconds per page, of server and database together."""

    number: int
    pages: int
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--sizes", default="10000,1000000,10000000", metavar="N,…", help="Tasks. Default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="Default: %(default)s")
    parser.add_argument("--seconds", type=int, default=3, metavar="N", help="Per load. Default: %(default)s")
    parser.add_argument("--database-url", default=f"postgres://postgres@127.0.0.1:5432/{PREFIX}", help="As of bench.")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="FOLDER", help="Default: bench/results")
    options = parser.parse_args()
    require_wrk()
    sizes = sorted(int(size) for size in options.sizes.split(","))
    databases = [
        PostgreSQL(
            f"{options.database_url}_{size}", Dataset(size // TASKS_EACH, crowded=size == sizes[-1], all_called=True)
        )
        for size in sizes
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    cores = Cores(pin=True)
    with ExitStack() as stack:
        for database in databases:
            say(f"Making {database.data.tasks:,} tasks ...")
            stack.callback(database.drop)
            database.make()
            database.restore()
            for what, number in [("ten", 1), ("many", database.data.users)][: 1 + database.data.crowded]:
                _save_plans(options.out / f"plans-{database.data.tasks}-{what}.txt", database, number)
        stack.enter_context(cores.with_load_apart(databases[-1]))
        lives = {
            database.data.tasks: stack.enter_context(
                running(OURS, database_url=database.url, workers=1, core=cores.server)
            )
            for database in databases
        }
        measurements = []
        for round in range(options.rounds):
            for load in (load for load in LOADS if load.name in ASKED):
                for database in rotated(databases, round):
                    if load.crowded and not database.data.crowded:
                        continue
                    stretch = Stretch(load, ERAS[0], 8, options.seconds)
                    life = lives[database.data.tasks]
                    measurement = measure(OURS, life, database, stretch, round=round, warmup=1)
                    measurements.append(measurement)
                    say(f"{database.data.tasks:,} tasks, {load.name}: {measurement.requests_per_second:,.0f}/s")
        parts = _walk(databases[-1], lives[databases[-1].data.tasks])
    _write(options.out, cores.notes, measurements, parts)


def _save_plans(path: Path, database: PostgreSQL, number: int) -> None:
    """Raises SystemExit for a plan that reads the whole table."""
    command = [sys.executable, "-m", "bench.plans", str(number)]
    environment = os.environ | {"DATABASE_URL": database.url}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    path.write_text(done.stdout)
    if "Seq Scan on tasks" in done.stdout:
        raise SystemExit(f"A statement reads the whole table: see {path}.")


def _walk(database: PostgreSQL, life: Running) -> list[Part]:
    """The cost of a page by where in the long list it lies. Raises SystemExit if a task is missing or comes twice."""
    processes = [life.pid, database.server_process()]
    cpu = [0.0] * PARTS
    pages = CROWD // PAGE
    for _ in range(WALKS):
        connection = http.client.HTTPConnection("127.0.0.1", life.port, timeout=20)
        seen: set[int] = set()
        cursor = None
        for part in range(PARTS):
            before = _cpu(processes)
            for _ in range(pages // PARTS):
                page = _page(connection, database.data.users, cursor)
                seen.update(task["task_id"] for task in page["tasks"])
                cursor = page["next_cursor"]
            cpu[part] += _cpu(processes) - before
        connection.close()
        if len(seen) != CROWD or cursor is not None:
            raise SystemExit(f"The long list has {CROWD} tasks; its pages held {len(seen)}.")
    each = pages // PARTS
    return [Part(number + 1, each, cpu[number] * 1e6 / each / WALKS) for number in range(PARTS)]


def _page(connection: http.client.HTTPConnection, person: int, cursor: str | None) -> dict[str, Any]:
    arguments = {"limit": PAGE} | ({} if cursor is None else {"cursor": cursor})
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "list_tasks", "arguments": arguments},
    }
    headers = {
        "Content-Type": "application/json",
        "MCP-Protocol-Version": ERAS[1],
        "Authorization": f"Bearer {token(person)}",
    }
    connection.request("POST", "/mcp", json.dumps(message), headers)
    result = json.loads(connection.getresponse().read())["result"]
    if result["isError"]:
        raise SystemExit(f"list_tasks: {result['structuredContent']['message']}")
    data: dict[str, Any] = result["structuredContent"]["data"]
    return data


def _cpu(processes: list[int | None]) -> float:
    return sum(proc.cpu_seconds(process) for process in processes if process is not None)


def _write(folder: Path, notes: list[str], measurements: list[Measurement], parts: list[Part]) -> None:
    """growth.json and growth.md; the tables also to the terminal."""
    about = {
        "made": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "notes": notes,
        "measurements": [dataclasses.asdict(item) for item in measurements],
        "walk": [dataclasses.asdict(part) for part in parts],
    }
    (folder / "growth.json").write_text(json.dumps(about, indent=1) + "\n")
    tables = [_costs(load, measurements) for load in LOADS if load.name in ASKED]
    tables.append(
        Table(
            f"A page of {PAGE}, by where in a list of {CROWD:,} it lies; CPU of server and database",
            ["tenth of the list", "us per page", "x first"],
            [[str(part.number), f"{part.cpu:,.0f}", f"{part.cpu / parts[0].cpu:.2f}"] for part in parts],
        )
    )
    (folder / "growth.md").write_text("\n\n".join([" ".join(notes), *(table.markdown() for table in tables)]) + "\n")
    sys.stdout.write("\n" + "\n\n".join([" ".join(notes), *(table.text() for table in tables)]) + "\n")


def _costs(load: Load, measurements: list[Measurement]) -> Table:
    """One row a size. Ratios are taken within a round: to the smallest table, or to a short list in the same table."""
    mine = [item for item in measurements if item.load == load.name]
    smallest = min(item.tasks for item in measurements)

    def base(item: Measurement) -> float:
        compared = ("list_tasks", item.tasks) if load.crowded else (load.name, smallest)
        return next(
            _cost(other) for other in measurements if (other.load, other.tasks, other.round) == (*compared, item.round)
        )

    cells = []
    for tasks in sorted({item.tasks for item in mine}):
        rounds = [item for item in mine if item.tasks == tasks]
        cells.append(
            [
                f"{tasks:,} tasks",
                f"{median(item.requests_per_second for item in rounds):,.0f}",
                f"{median(item.server_cpu for item in rounds):,.0f}",
                f"{median(item.database_cpu or 0 for item in rounds):,.0f}",
                f"{median(_cost(item) / base(item) for item in rounds):.2f}",
                f"{median(item.p50 for item in rounds):.1f}",
                f"{median(item.p99 for item in rounds):.1f}",
            ]
        )
    than = "list_tasks" if load.crowded else "smallest"
    columns = ["", "requests/s", "server us", "database us", f"cost x {than}", "p50 ms", "p99 ms"]
    return Table(f"{load.name} ({load.label}), 8 connections", columns, cells)


def _cost(measurement: Measurement) -> float:
    """CPU time of server and database per request, in microseconds."""
    return measurement.server_cpu + (measurement.database_cpu or 0)


if __name__ == "__main__":
    main()
