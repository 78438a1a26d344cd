"""`python -m bench`: measure this project's server and its peers, and write what came out."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from bench import HERE, machine, report
from bench.campaign import Campaign, Plan
from bench.chart import chart
from bench.dataset import TASKS_EACH, Dataset
from bench.drive import require_wrk
from bench.loads import LOADS
from bench.measure import Database
from bench.postgresql import PREFIX, PostgreSQL
from bench.results import rows
from bench.servers import SERVERS
from bench.sqlite import SQLite

# Enough for a second of deletions.
SMOKE_PEOPLE = 2_000


def main() -> None:
    options = _options()
    require_wrk()
    data = Dataset(SMOKE_PEOPLE if options.smoke else options.tasks // TASKS_EACH, crowded=options.crowd)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        database: Database = SQLite(Path(folder), data) if options.sqlite else PostgreSQL(options.database_url, data)
        campaign = Campaign(_plan(options), database)
        # So that `timeout` and the like leave no server running and PostgreSQL on all its cores, as Ctrl+C does.
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            campaign.run()
        except KeyboardInterrupt:
            raise SystemExit("interrupted: nothing was written") from None
    if options.smoke:
        requests = sum(measurement.requests for measurement in campaign.measurements)
        sys.stdout.write(f"{len(campaign.measurements)} loads, {requests} replies, all right.\n")
    else:
        _write(options.out, campaign)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="A short run that only sees that all replies are right.")
    parser.add_argument("--peers", action="store_true", help="With --smoke: the peers, too.")
    parser.add_argument("--sqlite", action="store_true", help="SQLite, for this project's own server alone.")
    parser.add_argument(
        "--database-url",
        default=f"postgres://postgres@127.0.0.1:5432/{PREFIX}",
        help=f"A PostgreSQL database to drop and make anew; its name starts with {PREFIX}. Default: %(default)s",
    )
    parser.add_argument(
        "--tasks", type=int, default=100_000, metavar="N", help="Tasks, ten a person. Default: %(default)s"
    )
    parser.add_argument("--crowd", action="store_true", help="One more person, who has 100,000 tasks.")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="Default: %(default)s")
    parser.add_argument("--seconds", type=int, default=5, metavar="N", help="Per load. Default: %(default)s")
    parser.add_argument("--warmup", type=int, default=1, metavar="N", help="Seconds per load. Default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="More than one: nothing is pinned.")
    parser.add_argument("--no-pin", action="store_true", help="Pin nothing to a core.")
    parser.add_argument(
        "--connections", type=_numbers, default=[1, 8, 32], metavar="N,…", help="Keep-alive. Default: 1,8,32"
    )
    parser.add_argument("--servers", type=_names, metavar="NAME,…", help=f"Of {', '.join(_known(SERVERS))}.")
    parser.add_argument("--loads", type=_names, metavar="NAME,…", help=f"Of {', '.join(_known(LOADS))}.")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="FOLDER", help="Default: bench/results")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="Keep there what servers write; else it is lost.")
    options = parser.parse_args()
    for wanted, known in [(options.servers, SERVERS), (options.loads, LOADS)]:
        if unknown := set(wanted or []) - set(_known(known)):
            parser.error(f"there is no {', '.join(sorted(unknown))}: use {', '.join(_known(known))}")
    if options.tasks < 20 or options.tasks % TASKS_EACH:
        parser.error("--tasks must be a multiple of ten")
    return options


def _plan(options: argparse.Namespace) -> Plan:
    ours_only = options.sqlite or (options.smoke and not options.peers)
    servers = [server for server in SERVERS if server.ours or not ours_only]
    loads = [load for load in LOADS if options.crowd or not load.crowded]
    if options.logs:
        options.logs.mkdir(parents=True, exist_ok=True)
    return Plan(
        servers=[
            server
            for server in servers
            if (server.name in options.servers if options.servers is not None else not server.if_named)
        ],
        loads=[load for load in loads if options.loads is None or load.name in options.loads],
        connections=[8] if options.smoke else options.connections,
        rounds=1 if options.smoke else options.rounds,
        seconds=1 if options.smoke else options.seconds,
        warmup=0 if options.smoke else options.warmup,
        workers=options.workers,
        pin=not (options.smoke or options.no_pin or options.workers > 1),
        show_speeds=not options.smoke,
        logs=options.logs and options.logs.resolve(),
    )


def _write(folder: Path, campaign: Campaign) -> None:
    """results.json, results.md and a picture of each number of connections; the tables also to the terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    plan, data = campaign.plan, campaign.database.data
    about = {
        "made": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "database": campaign.database.version(),
        "dataset": {"people": data.users, "tasks": data.tasks},
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "workers": plan.workers,
        "notes": campaign.notes,
    }
    everything = about | {
        "measurements": [dataclasses.asdict(item) for item in campaign.measurements],
        "lives": [dataclasses.asdict(item) for item in campaign.lives],
    }
    (folder / "results.json").write_text(json.dumps(everything, indent=1) + "\n")
    tables = report.tables(campaign.measurements, campaign.lives)
    summary = _summary(about)
    (folder / "results.md").write_text("\n\n".join([summary, *(table.markdown() for table in tables)]) + "\n")
    mixed = next(load for load in LOADS if load.name == "mixed")
    for connections in plan.connections:
        bars = rows(campaign.measurements, load=mixed.name, connections=connections, yardstick=SERVERS[0].name)
        if bars:
            title = f"Tool calls per second; {mixed.label}; {connections} connections"
            yardstick = f"\u00d7: as a multiple of {SERVERS[0].name} in the same revision, else its newest."
            picture = chart(bars, title=title, notes=(_setting(about), yardstick))
            (folder / f"{mixed.name}-{connections}.svg").write_text(picture)
    sys.stdout.write("\n" + "\n\n".join([summary, *(table.text() for table in tables)]) + "\n\n")
    sys.stdout.write(f"Written to {folder}.\n")


def _summary(about: dict[str, Any]) -> str:
    return " ".join([_setting(about), *about["notes"]])


def _setting(about: dict[str, Any]) -> str:
    people, tasks = about["dataset"]["people"], about["dataset"]["tasks"]
    workers = _counted(about["workers"], "worker process", "worker processes")
    rounds = _counted(about["rounds"], "round", "rounds")
    data = f"{about['database']}, {people:,} people, {tasks:,} tasks"
    return f"{data}; {workers}; {rounds} of {about['seconds']} s. Every reply was checked."


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _numbers(text: str) -> list[int]:
    return sorted({int(part) for part in text.split(",")})


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _known(items: Any) -> list[str]:
    return [item.name for item in items]


if __name__ == "__main__":
    main()
