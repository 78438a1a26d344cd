from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_tools.tests.running import RunningServer


@pytest.fixture(scope="session")
def server(
    django_db_setup: None, django_db_blocker: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """The production server on the tests' own database: for tests that commit (`transaction=True`)."""
    log: Path = tmp_path_factory.mktemp("server") / "server.log"
    with RunningServer(log) as running:
        yield running
