"""The OAuth clients of the official SDKs against the production server; a scripted browser does what a person does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, RefreshToken

from conftest import grant_act_for_any_user
from mcp_tools.tests.oauth.browser import Browser, person
from mcp_tools.tests.oauth.documents import HOST, Authority, DocumentServer
from mcp_tools.tests.running import PATIENCE, RunningServer
from mcp_tools.tests.test_clients import HERE, JAVASCRIPT, PYTHON_2, PYTHON_SDK_1, prepared
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.oauth.tests.factories import ApplicationFactory
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

CLIENTS = {
    "python-sdk-1": [sys.executable, str(HERE / "python_sdk_1_oauth.py")],
    "python-sdk-2": [PYTHON_2, str(HERE / "python_sdk_2_oauth.py")],
    "typescript-sdk-1": ["node", str(JAVASCRIPT / "typescript_sdk_1_oauth.mjs")],
    "typescript-sdk-2": ["node", str(JAVASCRIPT / "typescript_sdk_2_oauth.mjs")],
}
# `make test` installs this one; the others are for `make clients`.
ALWAYS_THERE = "python-sdk-1"

METADATA = {
    "client_name": "A program",
    # Nobody listens there: the test hands over what a browser would bring.
    "redirect_uris": ["http://127.0.0.1:33418/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}

pytestmark = pytest.mark.django_db(transaction=True)
each_client = pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, id=name, marks=[] if name == ALWAYS_THERE else [pytest.mark.clients])
        for name, command in CLIENTS.items()
    ],
)


class Program:
    """A client in a process of its own, and its person, until the `with` ends; clients/dialogue.py is its side.

    token: its access token as of its last reply. visited: the URLs that it sent the person to.
    """

    def __init__(self, command: list[str], arguments: list[str], home: Path, browser: Browser | None = None) -> None:
        self.start = prepared(command, home)
        self.start["args"] += arguments
        self.errors = home / "errors"
        self.browser = browser
        self.button = "Connect"
        self.visited: list[str] = []

    def __enter__(self) -> Self:
        with self.errors.open("w") as errors:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(**self.start, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        # It could wait for ever for something that does not come.
        self._giving_up = threading.Timer(5 * PATIENCE, self.process.kill)
        self._giving_up.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._giving_up.cancel()
        self.process.kill()
        self.process.communicate()

    def call(self, tool: str, seconds: float = 0, **arguments: Any) -> Any:
        """The tool's reply to the program, by whose clock so many seconds have passed."""
        self._tell(tool=tool, arguments=arguments, seconds=seconds)
        said = self._hear()
        assert said is not None, self.errors.read_text()
        return said["reply"]

    def connect(self) -> None:
        assert self._hear() is not None, self.errors.read_text()

    def is_refused(self) -> bool:
        """Whether it gets nothing for a call, and ends with an error when its person does not connect it once more."""
        self.button = "Cancel"
        self._tell(tool="list_tasks", arguments={}, seconds=0)
        return self._hear() is None and self.process.wait(PATIENCE) != 0

    def _hear(self) -> dict[str, Any] | None:
        """What it says next; None if it has ended. Wherever it sends its person, they go."""
        assert self.process.stdout
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "visit" not in said:
                self.token = said["token"]
                return said
            assert self.browser
            self.visited.append(said["visit"])
            self._tell(back=self.browser.answer(said["visit"], self.button))
        return None

    def _tell(self, **told: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def documents(authority: Authority) -> Iterator[DocumentServer]:
    with DocumentServer(authority.context_for(HOST)) as documents:
        yield documents


@pytest.fixture(scope="module")
def server_that_finds_documents(
    django_db_setup: None, django_db_blocker: object, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[RunningServer]:
    log: Path = tmp_path_factory.mktemp("server") / "server.log"
    environment = {"SSL_CERT_FILE": str(authority.certificate)}
    with RunningServer(log, settings_module="mcp_tools.tests.oauth.settings", **environment) as running:
        yield running


@pytest.fixture
def ann() -> User:
    # Somebody else's task, which is not to turn up.
    TaskFactory.create()
    return person(username="ann")


def statuses(server: RunningServer, token: str, **headers: str) -> set[int]:
    """What the tools and the REST API answer the token with."""
    headers |= {"Authorization": f"Bearer {token}"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    by_tool = server.http.post(f"{server.site}/mcp", json=ping, headers=headers)
    return {by_tool.status_code, server.http.get(f"{server.site}/api/tasks/", headers=headers).status_code}


def revoke(server: RunningServer, token: str, **client: str) -> None:
    response = server.http.post(f"{server.site}/o/revoke_token/", data={"token": token} | client)
    assert response.status_code == 200, response.text


def check_that_it_found_its_way(program: Program, server: RunningServer) -> None:
    """It sent its person once, and asks for what it can know from the challenge and the metadata alone."""
    (visited,) = program.visited
    asked = parse_qs(urlsplit(visited).query)
    assert asked["scope"] == ["tasks:read tasks:write"]
    assert asked["resource"] == [f"{server.site}/mcp"]
    assert asked["code_challenge_method"] == ["S256"]


def check_that_it_acts_for(program: Program, user: User, **arguments: Any) -> None:
    added = program.call("add_task", title="Buy milk", **arguments)
    assert Task.objects.get(pk=added["data"]["task_id"]).user == user
    listed = program.call("list_tasks", **arguments)
    assert {task["title"] for task in listed["data"]["tasks"]} == {"Buy milk"}


def check_that_it_refreshes(program: Program, **arguments: Any) -> None:
    """An hour passes; its person notices nothing."""
    former, visited = program.token, len(program.visited)
    AccessToken.objects.update(expires=timezone.now())
    listed = program.call("list_tasks", seconds=3600, **arguments)
    assert [task["title"] for task in listed["data"]["tasks"]] == ["Buy milk"]
    assert program.token != former
    assert len(program.visited) == visited


@each_client
def test_by_registration(server: RunningServer, ann: User, tmp_path: Path, command: list[str]) -> None:
    arguments = [f"{server.site}/mcp", "person", json.dumps(METADATA)]
    with Browser(server.site, ann) as browser, Program(command, arguments, tmp_path, browser) as program:
        program.connect()
        check_that_it_found_its_way(program, server)
        application = Application.objects.get()
        assert application.registration_source == Application.RegistrationSource.DCR
        assert application.name == METADATA["client_name"]
        check_that_it_acts_for(program, ann)
        check_that_it_refreshes(program)
        assert RefreshToken.objects.filter(revoked=None).count() == 1
        assert RefreshToken.objects.count() == 2

        assert statuses(server, program.token) == {200}
        browser.disconnect()
        assert statuses(server, program.token) == {401}
        assert program.is_refused()
        assert len(program.visited) == 2


@each_client
def test_by_document(
    server_that_finds_documents: RunningServer,
    documents: DocumentServer,
    ann: User,
    tmp_path: Path,
    command: list[str],
) -> None:
    server = server_that_finds_documents
    client_id = documents.publish("/client.json", **METADATA)
    arguments = [f"{server.site}/mcp", "person", json.dumps(METADATA), client_id]
    with Browser(server.site, ann) as browser, Program(command, arguments, tmp_path, browser) as program:
        program.connect()
        check_that_it_found_its_way(program, server)
        application = Application.objects.get()
        assert application.registration_source == Application.RegistrationSource.CIMD
        assert (application.client_id, application.name) == (client_id, METADATA["client_name"])
        assert documents.asked == ["/client.json"]
        check_that_it_acts_for(program, ann)
        check_that_it_refreshes(program)

        assert statuses(server, program.token) == {200}
        revoke(server, program.token, client_id=client_id)
        assert statuses(server, program.token) == {401}
        assert program.is_refused()
        assert len(program.visited) == 2


@each_client
def test_by_credentials(server: RunningServer, ann: User, tmp_path: Path, command: list[str]) -> None:
    service: User = UserFactory.create()
    grant_act_for_any_user(service)
    application = ApplicationFactory.build(
        user=service,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        redirect_uris="",
    )
    about = {"client_id": application.client_id, "client_secret": application.client_secret}
    application.save()
    with Program(command, [f"{server.site}/mcp", "service", server.site, *about.values()], tmp_path) as program:
        program.connect()
        assert program.call("list_tasks")["data"]["problem"] == "missing"
        check_that_it_acts_for(program, ann, user_id=ann.pk)
        check_that_it_refreshes(program, user_id=ann.pk)

        assert statuses(server, program.token, **{"On-Behalf-Of": ann.pk}) == {200}
        revoke(server, program.token, **about)
        assert statuses(server, program.token) == {401}
        # Which ends that token, and not what the service may do.
        check_that_it_acts_for(program, ann, user_id=ann.pk)
        User.objects.filter(pk=service.pk).update(is_active=False)
        assert statuses(server, program.token) == {401}
        assert program.is_refused()


@pytest.mark.clients
def test_mcp_remote(server: RunningServer, ann: User, tmp_path: Path) -> None:
    """It takes what the person brings back itself, on a port that was free."""
    start = prepared(
        [*PYTHON_SDK_1, "stdio", "mcp-remote", "{url}", "--allow-http"], tmp_path, url=f"{server.site}/mcp"
    )
    pipe = subprocess.PIPE
    with (
        Browser(server.site, ann) as browser,
        subprocess.Popen(**start, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as client,
    ):
        giving_up = threading.Timer(5 * PATIENCE, os.killpg, [client.pid, signal.SIGKILL])
        giving_up.start()
        assert client.stderr
        for line in client.stderr:
            if line.startswith(f"{server.site}/o/authorize/?"):
                asked = line.strip()
            # Not before: it sends the person first, and listens only after its tries to start a browser.
            elif "Waiting for authorization" in line:
                httpx.get(browser.answer(asked), timeout=PATIENCE).raise_for_status()
                break
        said, errors = client.communicate()
        giving_up.cancel()
    assert said.strip() == "passed in 2025-11-25", errors


@pytest.mark.parametrize(
    ("trusted", "certified", "host", "status"),
    [
        (True, HOST, HOST, 200),
        (False, HOST, HOST, 400),
        (True, "other.test", HOST, 400),
        (True, "localhost", "localhost", 400),
    ],
    ids=["right", "authority", "name", "this-machine"],
)
def test_documents_come_from_servers_that_can_be_trusted(
    server_that_finds_documents: RunningServer,
    authority: Authority,
    ann: User,
    tmp_path: Path,
    trusted: bool,
    certified: str,
    host: str,
    status: int,
) -> None:
    context = (authority if trusted else Authority(tmp_path)).context_for(certified)
    with DocumentServer(context, host) as documents, Browser(server_that_finds_documents.site, ann) as browser:
        asked = {
            "response_type": "code",
            "client_id": documents.publish("/client.json", **METADATA),
            "redirect_uri": METADATA["redirect_uris"][0],
            "code_challenge": "x" * 43,
            "code_challenge_method": "S256",
        }
        page = browser.log_in(browser.open(f"/o/authorize/?{urlencode(asked)}"))
        assert page.status_code == status
        assert bool(documents.asked) is (status == 200)
