"""Limits on calls, as callers meet them: of tools, of the REST API, and where people log in."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conftest import Caller
from mcp_tools.tests.running import RunningServer
from tasks.models import Task
from todoproj import throttling
from todoproj.users import issuers, logins
from todoproj.users.models import PersonalToken, Scope, User
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

# Each test has a minute, and an hour, of its own, which does not end in its midst.
TIMES = itertools.count(2_000_000_000, 7200)


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    now = next(TIMES)
    for limit in vars(throttling).values():
        if isinstance(limit, throttling.Limit):
            monkeypatch.setattr(limit._counters, "clock", lambda: now)


@pytest.mark.django_db
class TestTools:
    def test_one_call_too_many(self, caller_for: Callable[..., Caller], ann: User, settings: Settings) -> None:
        caller = caller_for(ann)
        settings.THROTTLE_TOOLS = 2
        assert caller.call("add_task", title="x")["status"] == "success"
        assert caller.call("add_task", title="x", user_id="ann")["status"] == "success"
        for arguments in [{"title": "x"}, {"title": "x", "user_id": "ann"}]:
            reply = caller.call("add_task", **arguments)
            assert reply["status"] == "error"
            assert (reply["data"]["error_code"], reply["data"]["retryable"]) == (429, True)
        assert Task.objects.count() == 2
        # Nobody else is held up.
        _, token = issue_token(user_id=UserFactory.create().pk)
        assert Caller(token).call("list_tasks")["status"] == "success"

    def test_all_tokens_of_a_person_count_together(
        self, caller_for: Callable[..., Caller], ann: User, bob: User, settings: Settings
    ) -> None:
        callers = [caller_for(ann), caller_for(ann), caller_for(ann)]
        settings.THROTTLE_TOOLS = 4
        # The first call of each is done, and counts.
        assert [caller.call("list_tasks")["status"] for caller in callers] == ["success"] * 3
        again = [callers[number].call("list_tasks")["status"] for number in [0, 1, 2, 0]]
        assert again == ["success", "error", "error", "error"]
        assert callers[1].call("list_tasks", user_id="ann")["status"] == "error"
        assert caller_for(ann).call("list_tasks", user_id="ann")["status"] == "error"
        assert caller_for(bob).call("list_tasks")["status"] == "success"

    @pytest.mark.parametrize("kind", ["personal", "login"])
    def test_a_token_that_is_no_good_any_more_takes_none_of_its_persons(
        self, ann: User, settings: Settings, kind: str
    ) -> None:
        if kind == "personal":
            record, lost = issue_token(user_id="ann")
        else:
            lost = logins.log_in(user=ann).access
        _, kept = issue_token(user_id="ann")
        settings.THROTTLE_TOOLS = 5
        assert Caller(lost).call("list_tasks")["status"] == "success"
        if kind == "personal":
            PersonalToken.objects.filter(pk=record.pk).revoke()
        else:
            ann.logins.update(revoked_at=timezone.now())
        assert [Caller(lost).raw_call("list_tasks").status_code for _ in range(4)] == [401] * 4
        # The one that was good, and the first one after that.
        assert [Caller(kept).call("list_tasks")["status"] for _ in range(4)] == ["success"] * 3 + ["error"]

    @pytest.mark.parametrize(
        ("arguments", "code"), [({}, 400), ({"title": "x", "user_id": 7}, 400), ({"title": "x", "user_id": "bob"}, 404)]
    )
    def test_calls_that_are_refused_count_too(
        self, caller_for: Callable[..., Caller], ann: User, settings: Settings, arguments: dict[str, Any], code: int
    ) -> None:
        caller = caller_for(ann)
        settings.THROTTLE_TOOLS = 2
        codes = [caller.call("add_task", **arguments)["data"]["error_code"] for _ in range(3)]
        assert codes == [code, code, 429]

    def test_an_outside_token_that_is_no_good_any_more_takes_none_of_its_persons(
        self, ann: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claims = issuers.Claims("https://issuer.example.com", "ann", timezone.now(), frozenset(Scope), False)
        monkeypatch.setattr(issuers, "verify", lambda token: claims)
        settings.THROTTLE_TOOLS = 1
        logins.log_out_everywhere(user_id="ann")
        assert [Caller("a.b.c").raw_call("list_tasks").status_code for _ in range(3)] == [401] * 3
        _, token = issue_token(user_id="ann")
        assert Caller(token).call("list_tasks")["status"] == "success"

    def test_resources_count_too(self, caller_for: Callable[..., Caller], ann: User, settings: Settings) -> None:
        caller = caller_for(ann)
        settings.THROTTLE_TOOLS = 1
        read = caller.request("resources/read", {"uri": "todo://tasks/pending"})
        assert caller.post(read).status_code == 200
        refused = caller.post(read)
        assert refused.status_code == 429
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert refused.json()["error"]["message"].startswith("Too many calls.")
        assert refused.json()["id"] == read["id"]

    def test_a_service_account_has_a_limit_of_its_own(
        self, caller_for: Callable[..., Caller], backend: User, ann: User, settings: Settings
    ) -> None:
        service = caller_for(backend)
        settings.THROTTLE_TOOLS = 1
        settings.THROTTLE_SERVICE_ACCOUNTS = 3
        replies = [service.call("list_tasks", user_id="ann")["status"] for _ in range(4)]
        assert replies == ["success"] * 3 + ["error"]


@pytest.mark.django_db
class TestAddresses:
    def test_bad_tokens(self, settings: Settings) -> None:
        settings.THROTTLE_ADDRESS = 2
        answers = [Caller("todo_no").raw_call("list_tasks").status_code for _ in range(3)]
        assert answers == [401, 401, 429]

    def test_a_good_token_is_not_held_up_by_bad_ones(
        self, caller_for: Callable[..., Caller], ann: User, settings: Settings
    ) -> None:
        caller = caller_for(ann)
        settings.THROTTLE_ADDRESS = 1
        for _ in range(3):
            Caller("todo_no").raw_call("list_tasks")
        assert caller.call("list_tasks")["status"] == "success"

    @pytest.mark.parametrize(
        ("setting", "what"),
        [
            ("THROTTLE_LOGIN", "login"),
            ("THROTTLE_LOGIN", "confirm"),
            ("THROTTLE_TOKEN", "refresh"),
            ("THROTTLE_REGISTER", "register"),
        ],
    )
    def test_where_people_log_in(self, settings: Settings, setting: str, what: str) -> None:
        setattr(settings, setting, 2)
        client = Client()
        answers = [client.post(f"/api/auth/{what}/", {}, content_type="application/json") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [400, 400, 429]
        assert int(answers[-1]["Retry-After"]) >= 1
        elsewhere = client.post(f"/api/auth/{what}/", {}, content_type="application/json", REMOTE_ADDR="192.0.2.9")
        assert elsewhere.status_code == 400

    @pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
    def test_pages_where_people_log_in(self, settings: Settings, path: str) -> None:
        settings.THROTTLE_LOGIN = 1
        assert Client().post(path).status_code == 200
        refused = Client().post(path)
        assert refused.status_code == 429
        assert int(refused["Retry-After"]) >= 1
        assert "Wait a minute, and try again." in refused.text
        # To look at the page is no attempt.
        assert Client().get(path).status_code == 200

    def test_oauth(self, settings: Settings) -> None:
        settings.THROTTLE_TOKEN = settings.THROTTLE_REGISTER = 1
        for path in ["/o/token/", "/o/register/"]:
            assert Client().post(path).status_code == 400
            refused = Client().post(path)
            assert refused.status_code == 429
            assert int(refused["Retry-After"]) >= 1

    def test_rest(self, caller_for: Callable[..., Caller], ann: User, settings: Settings) -> None:
        caller = caller_for(ann)
        settings.THROTTLE_API = 2
        headers = {"Authorization": f"Bearer {caller.token}"}
        assert [Client().get("/api/tasks/", headers=headers).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.django_db(transaction=True)
class TestProcesses:
    def test_all_of_a_server_count_together(self, tmp_path: Path) -> None:
        _, token = issue_token(user_id=UserFactory.create().pk)
        with (
            RunningServer(tmp_path / "server.log", WEB_CONCURRENCY="3", THROTTLE_TOOLS="30") as server,
            ThreadPoolExecutor(8) as pool,
        ):
            replies = list(pool.map(lambda _: server.call(token, "list_tasks")["status"], range(100)))
        # Thirty a minute, of which one may begin meanwhile; and what each of the three processes does at first, by its
        # four threads, before it knows whose token it is. By themselves they would do ninety.
        assert 30 <= replies.count("success") <= 60 + 12
