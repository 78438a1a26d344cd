"""The official conformance suite of the Model Context Protocol: what it has, what it found, and what that comes to."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Final

from mcp_tools.tests.running import path_with

# Each scenario's check that every message of the server fits the revision's schema.
WIRE_SCHEMA: Final = "wire-schema-valid"
# A message of the suite itself that does not fit: no fault of the server.
HARNESS: Final = "wire-schema-harness-error"

_LISTED = re.compile(r"^ +- (\S+)", re.MULTILINE)
_FOLDER = re.compile(r"(?:authorization-)?server-(.+)-\d{4}-\d\d-\d\dT")
# Where it wants a person to go, on a line of its own.
_VISIT = re.compile(r"https?://\S+\?response_type=code&\S+")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the suite looked at. A recommendation that is not kept (WARNING) counts as failed."""

    scenario: str
    id: str
    passed: bool
    why: str

    def __str__(self) -> str:
        return f"{self.scenario}:{self.id}"


# The checks of each scenario that came out, one way or the other.
Results = Mapping[str, list[Check]]


def scenarios(*options: str) -> set[str]:
    """All that the suite has for a server, or those that the options choose."""
    return set(_LISTED.findall(_suite("list", "--server", *options)))


def authorization_scenarios(*options: str) -> set[str]:
    """The same, for an authorization server."""
    return set(_LISTED.findall(_suite("list", "--authorization", *options)))


def required(revision: str) -> set[str]:
    """Those that were frozen when the revision was released: its requirement set."""
    server_part, _, _ = _suite("list", "--requirements", revision).partition("Client scenarios")
    return set(_LISTED.findall(server_part))


def run(url: str, folder: Path, *options: str) -> Results:
    """Run the server scenarios that the options choose. Its reports go to the folder."""
    said = _suite("server", "--url", url, "--output-dir", str(folder), *options)
    return _reported(folder, said)


def run_authorization(issuer: str, folder: Path, visit: Callable[[str], None], *options: str) -> Results:
    """Run the scenarios for an authorization server. Its reports go to the folder.

    visit: goes where the suite sends a person, and brings it what comes of that.
    """
    command = ["conformance", "authorization", "--url", issuer, "--output-dir", str(folder), *options]
    said = []
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                said.append(line)
                if _VISIT.fullmatch(line.strip()):
                    visit(line.strip())
        finally:
            # Else it would wait for minutes for somebody who could not go there.
            process.kill()
    return _reported(folder, "".join(said))


def _reported(folder: Path, said: str) -> Results:
    results = {}
    for report in folder.glob("*/checks.json"):
        match = _FOLDER.match(report.parent.name)
        assert match, report
        results[match[1]] = [
            Check(match[1], check["id"], check["status"] == "SUCCESS", check.get("errorMessage") or "")
            for check in json.loads(report.read_bytes())
            if check["status"] in {"SUCCESS", "FAILURE", "WARNING"} and check["id"] != HARNESS
        ]
    assert results, said
    return results


def holds(checks: Iterable[Check]) -> bool:
    """Whether a scenario passed: nothing failed, and something other than the schema was looked at."""
    checks = list(checks)
    return all(check.passed for check in checks) and any(check.id != WIRE_SCHEMA for check in checks)


def score(results: Results) -> str:
    checks = [check for scenario in results.values() for check in scenario]
    return (
        f"passed {sum(map(holds, results.values()))} of {len(results)} scenarios "
        f"({sum(check.passed for check in checks)} of {len(checks)} checks)"
    )


def _suite(*arguments: str) -> str:
    # Its exit code says whether everything passed, which is for expectations.toml to judge.
    done = subprocess.run(
        ["conformance", *arguments],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done.stdout + done.stderr


def _environment() -> dict[str, str]:
    assert "CONFORMANCE_HOME" in environ, "make conformance installs it"
    return environ | {"PATH": path_with(Path(environ["CONFORMANCE_HOME"]) / "node_modules")}
