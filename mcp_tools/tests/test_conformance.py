"""The official conformance suite, against the project's server and against one that has the suite's own fixtures.

conformance/expectations.toml says what is to come out; docs/conformance.md, what that means.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_tools.tests.conformance import suite
from mcp_tools.tests.conformance.proxy import TokenProxy
from mcp_tools.tests.conformance.suite import WIRE_SCHEMA, Results, holds, score
from mcp_tools.tests.oauth.browser import Browser, person
from mcp_tools.tests.running import PATIENCE, RunningServer, free_port
from todoproj.oauth.tests.factories import ApplicationFactory
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

EXPECTED: dict[str, Any] = tomllib.loads((Path(suite.__file__).parent / "expectations.toml").read_text())
LEFT_OUT: list[dict[str, Any]] = EXPECTED["own"]["left_out"]
MISSES: list[dict[str, Any]] = EXPECTED["fixtures"]["misses"]

pytestmark = [pytest.mark.conformance, pytest.mark.django_db(transaction=True)]
each_revision = pytest.mark.parametrize("revision", EXPECTED["own"]["applies"])


@pytest.fixture
def token() -> str:
    _, token = issue_token(user_id=UserFactory.create().pk)
    return token


@pytest.fixture(scope="module")
def fixture_server(
    django_db_setup: None, django_db_blocker: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    log: Path = tmp_path_factory.mktemp("fixture_server") / "server.log"
    with RunningServer(log, settings_module="mcp_tools.tests.conformance.settings") as running:
        yield running


def entries(groups: list[dict[str, Any]], revision: str) -> set[str]:
    return {entry for group in groups if group.get("revision", revision) == revision for entry in group["entries"]}


def faults(results: Results, excused: set[str]) -> list[str]:
    """What failed and is not excused, by its scenario or by itself. A reply that breaks the schema never is."""
    failed = [check for checks in results.values() for check in checks if not check.passed]
    unexpected = [
        f"{check}: {check.why}"
        for check in failed
        if check.id == WIRE_SCHEMA or not {check.scenario, str(check)} & excused
    ]
    not_looked_at = [
        f"{name}: nothing came out"
        for name, checks in results.items()
        if name not in excused and all(check.id == WIRE_SCHEMA for check in checks)
    ]
    return unexpected + not_looked_at


@contextmanager
def through_the_proxy(token: str, log: Path) -> Iterator[str]:
    with RunningServer(log) as server, TokenProxy(server.port, token) as proxy:
        yield proxy.site


@contextmanager
def directly(token: str, log: Path) -> Iterator[str]:
    with RunningServer(log, settings_module="mcp_tools.tests.conformance.direct", TOKEN=token) as server:
        yield server.site


@each_revision
@pytest.mark.parametrize("reach", [through_the_proxy, directly])
def test_own_server(
    token: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    reach: Callable[[str, Path], AbstractContextManager[str]],
    revision: str,
) -> None:
    with reach(token, tmp_path / "server.log") as site:
        results = suite.run(f"{site}/mcp", tmp_path, "--suite", "all", "--spec-version", revision)

    assert results.keys() == suite.scenarios("--spec-version", revision)
    applies, left_out = set(EXPECTED["own"]["applies"][revision]), entries(LEFT_OUT, revision)
    assert applies & left_out == set()
    assert results.keys() - applies - left_out == set(), "new in the suite: say whether it applies"
    assert applies - results.keys() == set()
    checks = {str(check) for checks in results.values() for check in checks}
    assert {entry for entry in left_out if entry.partition(":")[0] in applies} - checks == set(), "no longer there"

    counted = {name: [check for check in results[name] if str(check) not in left_out] for name in applies}
    with capsys.disabled():
        sys.stdout.write(f"\n{revision}, the project's server, {reach.__name__}: {score(counted)}\n")
    assert faults(results, left_out) == []


@each_revision
def test_fixture_server(
    fixture_server: RunningServer, token: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], revision: str
) -> None:
    with TokenProxy(fixture_server.port, token) as proxy:
        results = suite.run(f"{proxy.site}/fixtures", tmp_path, "--requirements", revision)

    required = suite.required(revision)
    assert required
    assert required - results.keys() == set()
    with capsys.disabled():
        frozen = score({name: results[name] for name in required})
        others = score({name: results[name] for name in results.keys() - required})
        sys.stdout.write(f"\n{revision}, the fixture server: {frozen}; not required: {others}\n")

    misses = entries(MISSES, revision)
    assert faults(results, misses) == []
    missed = {name for name, checks in results.items() if not holds(checks)}
    missed |= {str(check) for checks in results.values() for check in checks if not check.passed}
    assert {entry for entry in misses if entry.partition(":")[0] in results} - missed == set(), "no longer missed"


@each_revision
def test_authorization_server(
    server: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], revision: str
) -> None:
    port = free_port()
    application = ApplicationFactory.create(redirect_uris=f"http://127.0.0.1:{port}/callback")
    client = ["--client-id", application.client_id, "--port", str(port), "--resource", f"{server.site}/mcp"]
    with Browser(server.site, person()) as browser:

        def visit(url: str) -> None:
            httpx.get(browser.answer(url), timeout=PATIENCE).raise_for_status()

        results = suite.run_authorization(server.site, tmp_path, visit, "--spec-version", revision, *client)

    assert results.keys() == suite.authorization_scenarios("--spec-version", revision)
    assert results.keys() == set(EXPECTED["authorization"]["applies"][revision])
    with capsys.disabled():
        sys.stdout.write(f"\n{revision}, the authorization server: {score(results)}\n")
    assert faults(results, set()) == []


def test_every_entry_is_of_the_suite() -> None:
    listed = {entry.partition(":")[0] for group in LEFT_OUT + MISSES for entry in group["entries"]}
    assert listed - suite.scenarios() == set()
