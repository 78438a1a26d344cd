"""One measurement: wrk puts a load on a server that runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from bench import HERE
from bench.dataset import Dataset
from bench.loads import Load
from bench.servers import Server


@dataclass(frozen=True, slots=True)
class Outcome:
    """What wrk saw. Times are in microseconds; a latency runs from the request to the last byte of its reply.

    wrong: replies that failed the check. lost: requests without a reply, and connections that failed. issued: where
    the next stretch of the same load starts. ran_out: whether there was nothing left to delete.
    """

    requests: int
    microseconds: int
    bytes: int
    wrong: int
    lost: int
    issued: int
    ran_out: bool
    p50: int
    p95: int
    p99: int
    example: str

    @property
    def faults(self) -> str:
        """What went wrong, empty if nothing did."""
        if self.ran_out:
            return "ran out of tasks to delete: measure for fewer --seconds, or with more --tasks"
        if not self.requests:
            return "no replies"
        if self.wrong or self.lost:
            return f"{self.wrong} wrong replies and {self.lost} lost requests of {self.requests}; {self.example}"
        return ""


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk makes the load, and is not installed: try `apt-get install wrk`.")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A load of so many seconds over so many keep-alive connections; seed: which people are drawn; start: as issued."""

    load: Load
    era: str
    connections: int
    seconds: int
    seed: int = 0
    start: int = 0


def drive(server: Server, port: int, data: Dataset, stretch: Stretch) -> Outcome:
    """Put the load on. The calling process decides on which core wrk runs, since wrk inherits that."""
    host = f"127.0.0.1:{port}"
    settings: dict[str, Any] = {
        "load": stretch.load.name,
        "era": stretch.era,
        "host": host,
        "ours": int(server.ours),
        "people": data.people,
        "start": stretch.start,
        "seed": stretch.seed,
        "status": stretch.load.status,
    }
    # One thread, for one core; its connections take turns.
    command = ["wrk", "--threads", "1", "--connections", str(stretch.connections), "--timeout", "20s"]
    command += ["--duration", f"{stretch.seconds}s", "--script", str(HERE / "load.lua"), f"http://{host}", "--"]
    command += [f"{name}={value}" for name, value in settings.items()]
    command += [f"needle={needle}" for needle in stretch.load.needles]
    deadline = stretch.seconds + 60
    done = subprocess.run(command, capture_output=True, text=True, timeout=deadline, check=False)  # noqa: S603
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            result = json.loads(line.removeprefix("RESULT "))
            return Outcome(**result | {"ran_out": bool(result["ran_out"])})
    raise SystemExit(f"wrk failed: {done.stderr or done.stdout}")
