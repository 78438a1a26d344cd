"""What every app's tests share."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from conversations.models import ChatAccess
from mcp_tools import usage
from mcp_tools.protocol import META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION, REVISIONS
from mcp_tools.tests.running import LIMITS
from mcp_tools.views import NAMED_BY
from todoproj.users.models import Scope, User
from todoproj.users.principals import Principal, Unauthenticated, caller_of
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory
from todoproj.users.tests.passwords import QUICK_HASHER

NEWEST = "2026-07-28"

# How many made-up inputs each fuzzing test tries. `make test` tries the same few every time, so that it fails only for
# what was changed. `make fuzz` sets the variable and tries many, from the seed that it is given: by default the time of
# the commit, so that each commit explores anew and anybody who has it sees the same failure.
FUZZ_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
fuzzed = hypothesis_settings(
    max_examples=FUZZ_EXAMPLES or 50,
    derandomize=not FUZZ_EXAMPLES,
    deadline=None,
    # The database is rolled back once a test, not once an input; no input minds what is there.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    """Passwords are hashed in an instant."""
    settings.PASSWORD_HASHERS = [QUICK_HASHER, *settings.PASSWORD_HASHERS[1:]]


@pytest.fixture(autouse=True)
def _unlimited(settings: Settings) -> None:
    """No limit on calls, but in a test that sets one: all tests together are one busy caller."""
    for name in [*LIMITS, "REFUSALS_KEPT"]:
        setattr(settings, name, 0)


@pytest.fixture(autouse=True)
def _no_additions(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call adds to what the tools' use was, but in a test that is about it: neither after some seconds, nor when
    this process ends, which has another database by then."""
    monkeypatch.setattr(usage, "INTERVAL", math.inf)
    monkeypatch.setattr(usage, "_added_at", 0.0)


@dataclass
class Caller:
    """Somebody who speaks MCP to the real `/mcp`, through the whole of Django."""

    token: str
    revision: str = NEWEST
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def post(self, message: Any, **headers: str | None) -> Any:
        """The HTTP response to a body, with the headers that the revision wants unless others are given."""
        wanted: dict[str, str | None] = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": self.revision,
        }
        if isinstance(message, dict) and not REVISIONS[self.revision].handshake:
            wanted["Mcp-Method"] = str(message.get("method"))
            if named_by := NAMED_BY.get(str(message.get("method"))):
                wanted["Mcp-Name"] = str(message["params"].get(named_by))
        wanted |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = message if isinstance(message, bytes) else json.dumps(message)
        sent = {name: value for name, value in wanted.items() if value is not None}
        return self.client.post("/mcp", body, content_type="application/json", headers=sent)

    def request(self, method: str, params: dict[str, Any] | None = None, id: Any = 1) -> dict[str, Any]:
        """A well-formed request of the caller's revision."""
        params = dict(params or {})
        if not REVISIONS[self.revision].handshake:
            params.setdefault("_meta", {META_PROTOCOL_VERSION: self.revision, META_CLIENT_CAPABILITIES: {}})
        return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}

    def result(self, method: str, params: dict[str, Any] | None = None) -> Any:
        response = self.post(self.request(method, params))
        assert response.status_code == 200, response.content
        return response.json()["result"]

    def raw_call(self, tool: str, /, **arguments: Any) -> Any:
        return self.post(self.request("tools/call", {"name": tool, "arguments": arguments}))

    def call(self, tool: str, /, **arguments: Any) -> Any:
        """The tool's reply, `{status, data, message}`."""
        response = self.raw_call(tool, **arguments)
        result = response.json()["result"]
        reply = result["structuredContent"]
        assert result["content"] == [{"type": "text", "text": result["content"][0]["text"]}]
        assert json.loads(result["content"][0]["text"]) == reply
        assert result["isError"] is (reply["status"] == "error")
        return reply


def authenticate(token: str) -> Principal | None:
    """Whose token it is; None for one that is refused."""
    try:
        return caller_of(token).principal
    except Unauthenticated:
        return None


def found(client: Client, path: str, **params: str) -> list[Any]:
    """The keys of the rows that a list of the admin shows."""
    return [row.pk for row in client.get(path, params).context["cl"].result_list]


def accesses_made() -> list[tuple[Any, ...]]:
    """Who read, took out or changed chats, as it is on record, the first time first."""
    rows = ChatAccess.objects.order_by("pk")
    return list(rows.values_list("action", "actor_id", "person_id", "conversation_id", "detail"))


def grant_act_for_any_user(user: User) -> None:
    user.user_permissions.add(Permission.objects.get(codename="act_for_any_user", content_type__app_label="users"))


@pytest.fixture
def caller_for() -> Callable[..., Caller]:
    """Make a caller with a token of its own for a person."""

    def make(user: User, *, revision: str = NEWEST, scopes: list[str] | None = None) -> Caller:
        _, token = issue_token(user_id=user.pk, scopes=scopes or Scope.values)
        return Caller(token, revision)

    return make


@pytest.fixture
def ann(db: None) -> User:
    return UserFactory.create(id="ann", username="ann")


@pytest.fixture
def bob(db: None) -> User:
    return UserFactory.create(id="bob", username="bob")


@pytest.fixture
def backend(db: None) -> User:
    """The service account of a chat backend."""
    user = UserFactory.create(id="backend", username="backend")
    grant_act_for_any_user(user)
    return user


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: it did not show what it is there to show."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
