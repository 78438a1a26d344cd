"""Resources, prompts and completion, through the real /mcp, in every revision."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conftest import Caller
from mcp_tools import completion
from mcp_tools.protocol import MAX_COMPLETIONS, REVISIONS
from tasks.tests.factories import TaskFactory
from todoproj.keyset import PAGE_SIZE_MAX
from todoproj.users.models import Scope, User

pytestmark = pytest.mark.django_db

PENDING, COMPLETED = "todo://tasks/pending", "todo://tasks/completed"
COMPLETED_LATELY = "todo://tasks/completed/week"


@pytest.fixture(params=list(REVISIONS))
def caller(request: pytest.FixtureRequest, ann: User, caller_for: Callable[..., Caller]) -> Caller:
    return caller_for(ann, revision=request.param)


def refusal(caller: Caller, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """The JSON-RPC error, with the HTTP status that its revision wants."""
    response = caller.post(caller.request(method, params))
    error: dict[str, Any] = response.json()["error"]
    if REVISIONS[caller.revision].handshake:
        assert response.status_code == 200
    else:
        assert response.status_code == (404 if error["code"] == -32601 else 400)
    return error


def read(caller: Caller, uri: str) -> Any:
    result = caller.result("resources/read", {"uri": uri})
    if not REVISIONS[caller.revision].handshake:
        assert (result["ttlMs"], result["cacheScope"]) == (0, "private")
    (contents,) = result["contents"]
    assert (contents["uri"], contents["mimeType"]) == (uri, "application/json")
    return json.loads(contents["text"])


def not_found(caller: Caller, uri: str) -> None:
    error = refusal(caller, "resources/read", {"uri": uri})
    assert error["code"] == (-32002 if REVISIONS[caller.revision].handshake else -32602)
    assert error["data"] == {"uri": uri}


def complete(caller: Caller, value: str) -> Any:
    ref = {"type": "ref/resource", "uri": "todo://tasks/{task_id}"}
    argument = {"name": "task_id", "value": value}
    return caller.result("completion/complete", {"ref": ref, "argument": argument})["completion"]


class TestLists:
    def test_resources(self, caller: Caller) -> None:
        resources = caller.result("resources/list")["resources"]
        assert [resource["uri"] for resource in resources] == [PENDING, COMPLETED, COMPLETED_LATELY]
        templates = caller.result("resources/templates/list")["resourceTemplates"]
        assert [template["uriTemplate"] for template in templates] == ["todo://tasks/{task_id}"]
        assert all({"name", "title", "description", "mimeType"} <= each.keys() for each in [*resources, *templates])

    def test_prompts(self, caller: Caller) -> None:
        prompts = caller.result("prompts/list")["prompts"]
        assert [prompt["name"] for prompt in prompts] == ["plan_my_day", "weekly_review"]
        assert all({"title", "description"} <= each.keys() for each in prompts)

    @pytest.mark.parametrize("method", ["resources/list", "resources/templates/list", "prompts/list"])
    def test_may_be_kept_in_the_newest_revision(self, caller: Caller, method: str) -> None:
        kept = caller.result(method).keys() & {"ttlMs", "cacheScope", "resultType"}
        assert bool(kept) is not REVISIONS[caller.revision].handshake

    @pytest.mark.parametrize("method", ["resources/list", "resources/templates/list", "prompts/list"])
    def test_have_one_page(self, caller: Caller, method: str) -> None:
        assert refusal(caller, method, {"cursor": "x"})["code"] == -32602


class TestRead:
    def test_lists(self, caller: Caller, ann: User, bob: User) -> None:
        pending, completed = TaskFactory.create(user=ann), TaskFactory.create(user=ann, done=True)
        TaskFactory.create(user=bob)
        assert [task["task_id"] for task in read(caller, PENDING)["tasks"]] == [pending.pk]
        assert [task["task_id"] for task in read(caller, COMPLETED)["tasks"]] == [completed.pk]

    def test_what_was_completed_in_the_last_seven_days(self, caller: Caller, ann: User, bob: User) -> None:
        """By when that was: neither by when it was created, nor by when it was last changed."""
        now = timezone.now()

        def completed(days: int, **times: Any) -> int:
            return TaskFactory.create(user=ann, done=True, completed_at=now - timedelta(days=days), **times).pk

        yesterday = completed(1, created_at=now - timedelta(days=300))
        today = completed(0, created_at=now - timedelta(days=400))
        long_ago = completed(30, updated_at=now)
        # Newer ones, as many as any list has at most.
        TaskFactory.create_batch(PAGE_SIZE_MAX, user=ann, done=True, completed_at=now - timedelta(days=8))
        TaskFactory.create(user=ann)
        TaskFactory.create(user=bob, done=True)

        assert [task["task_id"] for task in read(caller, COMPLETED_LATELY)["tasks"]] == [today, yesterday]
        assert long_ago not in [today, yesterday]

    @pytest.mark.parametrize("uri", [PENDING, COMPLETED, COMPLETED_LATELY])
    def test_at_most_a_hundred(self, caller: Caller, ann: User, uri: str) -> None:
        TaskFactory.create_batch(PAGE_SIZE_MAX + 1, user=ann, done=uri != PENDING)
        assert len(read(caller, uri)["tasks"]) == PAGE_SIZE_MAX

    @pytest.mark.parametrize("uri", [PENDING, COMPLETED, COMPLETED_LATELY])
    def test_empty(self, caller: Caller, uri: str) -> None:
        assert read(caller, uri) == {"tasks": []}

    def test_one_task_as_the_tool_lists_it(self, caller: Caller, ann: User) -> None:
        task = TaskFactory.create(user=ann, title="日本語 🥛", description='"quoted"\n')
        assert read(caller, f"todo://tasks/{task.pk}") == caller.call("list_tasks")["data"]["tasks"][0]

    def test_somebody_elses_is_as_one_that_does_not_exist(self, caller: Caller, bob: User) -> None:
        task = TaskFactory.create(user=bob)
        for uri in [f"todo://tasks/{task.pk}", f"todo://tasks/{task.pk + 1}"]:
            not_found(caller, uri)

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            "todo://tasks",
            "todo://tasks/",
            "todo://tasks/0",
            "todo://tasks/-1",
            "todo://tasks/01",
            "todo://tasks/x",
            "todo://tasks/9999999999999999999",
            "todo://tasks/\u0661",
            "todo://tasks/1\n",
            "todo://tasks/pending?x",
            "file:///etc/passwd",
            "TODO://TASKS/PENDING",
        ],
    )
    def test_what_leads_nowhere(self, caller: Caller, uri: str) -> None:
        if uri.isprintable() and uri.isascii():
            not_found(caller, uri)
        else:
            # A header can't hold it, so only a handshake's revision can ask for it.
            response = caller.post(caller.request("resources/read", {"uri": uri}), Mcp_Name="x")
            assert response.json()["error"]["code"] in {-32002, -32020}

    @pytest.mark.parametrize("uri", [None, 7, ["x"], {}])
    def test_no_uri(self, caller: Caller, uri: Any) -> None:
        assert refusal(caller, "resources/read", {"uri": uri})["code"] == -32602


class TestPrompts:
    def embedded(self, caller: Caller, message: dict[str, Any]) -> tuple[str, list[int]]:
        """The URI of what is embedded, and the tasks there: those that the URI reads as."""
        assert message["content"]["type"] == "resource"
        resource = message["content"]["resource"]
        held = json.loads(resource["text"])
        assert read(caller, resource["uri"]) == held
        return resource["uri"], [task["task_id"] for task in held["tasks"]]

    def test_plan_my_day(self, caller: Caller, ann: User, bob: User) -> None:
        task = TaskFactory.create(user=ann)
        TaskFactory.create(user=ann, done=True)
        TaskFactory.create(user=bob)
        result = caller.result("prompts/get", {"name": "plan_my_day", "arguments": {"time": "3 {hours}"}})
        text, pending = result["messages"]
        assert "3 {hours}" in text["content"]["text"]
        assert "never instructions" in text["content"]["text"]
        assert self.embedded(caller, pending) == (PENDING, [task.pk])

    def test_weekly_review(self, caller: Caller, ann: User) -> None:
        long_ago = timezone.now() - timedelta(days=30)
        pending = TaskFactory.create(user=ann)
        recent = TaskFactory.create(user=ann, done=True, created_at=long_ago, updated_at=long_ago)
        TaskFactory.create(user=ann, done=True, completed_at=long_ago)
        _, done, left = caller.result("prompts/get", {"name": "weekly_review"})["messages"]
        assert self.embedded(caller, done) == (COMPLETED_LATELY, [recent.pk])
        assert self.embedded(caller, left) == (PENDING, [pending.pk])

    @pytest.mark.parametrize(
        "params",
        [
            {},
            {"name": "nonsense"},
            {"name": 7},
            {"name": "plan_my_day", "arguments": {"nonsense": "x"}},
            {"name": "plan_my_day", "arguments": {"time": 3}},
            {"name": "plan_my_day", "arguments": ["x"]},
            {"name": "weekly_review", "arguments": {"time": "x"}},
        ],
    )
    def test_refusals(self, caller: Caller, params: dict[str, Any]) -> None:
        assert refusal(caller, "prompts/get", params)["code"] == -32602


class TestCompletion:
    def test_ids_that_begin_as_typed(self, caller: Caller, ann: User, bob: User) -> None:
        ids = [str(TaskFactory.create(user=ann, id=n).pk) for n in range(195, 207)]
        TaskFactory.create(user=bob, id=194)
        assert complete(caller, "") == {"values": ids[::-1], "hasMore": False}
        assert complete(caller, "1") == {"values": ["199", "198", "197", "196", "195"], "hasMore": False}
        assert complete(caller, "3") == {"values": [], "hasMore": False}

    @pytest.mark.parametrize("begun", ["x", "0", "-", "%", "_", "\0", "\ud800", "\u0661", "9" * 19, "9" * 4400])
    def test_nothing_begins_like_that(self, caller: Caller, ann: User, begun: str, looked_at: int) -> None:
        TaskFactory.create_batch(looked_at + 1, user=ann)
        assert complete(caller, begun)["values"] == []

    @pytest.mark.parametrize("many", [MAX_COMPLETIONS, MAX_COMPLETIONS + 1])
    def test_at_most_a_hundred(self, caller: Caller, ann: User, many: int) -> None:
        ids = [str(task.pk) for task in TaskFactory.create_batch(many, user=ann)]
        wanted = {"values": ids[::-1][:MAX_COMPLETIONS], "hasMore": many > MAX_COMPLETIONS}
        assert complete(caller, "") == wanted

    def test_the_one_that_is_just_that_comes_first(self, caller: Caller, ann: User) -> None:
        for id in [7, *range(700, 700 + MAX_COMPLETIONS)]:
            TaskFactory.create(user=ann, id=id)
        offered = complete(caller, "7")
        assert (offered["values"][:2], offered["hasMore"]) == (["7", str(699 + MAX_COMPLETIONS)], True)

    @pytest.fixture
    def looked_at(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """How many of the newest tasks are looked at: a few."""
        monkeypatch.setattr(completion, "LOOKED_AT", 5)
        return 5

    def test_older_ones_than_are_looked_at(self, caller: Caller, ann: User, bob: User, looked_at: int) -> None:
        """There may be more; and an id that is somebody's own task is offered, however old."""
        older = TaskFactory.create(user=ann, id=10**6)
        theirs = TaskFactory.create(user=bob, id=2 * 10**6)
        newest = [str(TaskFactory.create(user=ann, id=10**7 + n).pk) for n in range(looked_at)][::-1]
        assert complete(caller, "") == {"values": newest, "hasMore": True}
        assert complete(caller, "1") == {"values": newest, "hasMore": True}
        assert complete(caller, str(older.pk)) == {"values": [str(older.pk), *newest], "hasMore": True}
        assert complete(caller, str(theirs.pk))["values"] == []
        assert complete(caller, "x") == {"values": [], "hasMore": False}

    def test_of_a_prompt_nothing_is_offered(self, caller: Caller) -> None:
        """Though there is such an argument."""
        asked = {"ref": {"type": "ref/prompt", "name": "plan_my_day"}, "argument": {"name": "time", "value": "3"}}
        assert caller.result("completion/complete", asked)["completion"] == {"values": [], "hasMore": False}

    @pytest.mark.parametrize(
        ("ref", "argument"),
        [
            ({"type": "ref/resource", "uri": "todo://tasks/{id}"}, {"name": "task_id", "value": ""}),
            ({"type": "ref/resource", "uri": "todo://tasks/{task_id}"}, {"name": "x", "value": ""}),
            ({"type": "ref/prompt", "name": "plan_my_day"}, {"name": "task_id", "value": ""}),
            ({"type": "ref/prompt", "name": "weekly_review"}, {"name": "time", "value": ""}),
            ({"type": "ref/prompt", "name": ["plan_my_day"]}, {"name": "time", "value": ""}),
            ({"type": "ref/resource", "name": "plan_my_day"}, {"name": "time", "value": ""}),
            ({"type": "ref/resource", "uri": "todo://tasks/{task_id}"}, {"name": "task_id"}),
            ({"type": "ref/resource", "uri": "todo://tasks/{task_id}"}, None),
            (None, {"name": "task_id", "value": ""}),
            ({"type": [], "uri": {}}, {"name": "task_id", "value": ""}),
        ],
    )
    def test_refusals(self, caller: Caller, ref: Any, argument: Any) -> None:
        assert refusal(caller, "completion/complete", {"ref": ref, "argument": argument})["code"] == -32602


ASKED = [
    ("resources/read", {"uri": PENDING}),
    ("resources/read", {"uri": COMPLETED_LATELY}),
    ("resources/read", {"uri": "todo://tasks/1"}),
    ("prompts/get", {"name": "plan_my_day"}),
    ("prompts/get", {"name": "weekly_review"}),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "todo://tasks/{task_id}"},
            "argument": {"name": "task_id", "value": ""},
        },
    ),
]


@pytest.mark.parametrize(("method", "params"), ASKED)
class TestWhoMayAsk:
    def test_not_without_the_scope(
        self, ann: User, caller_for: Callable[..., Caller], method: str, params: dict[str, Any]
    ) -> None:
        caller = caller_for(ann, scopes=[Scope.TASKS_WRITE])
        response = caller.post(caller.request(method, params))
        assert response.status_code == 403
        assert 'scope="tasks:read"' in response.headers["WWW-Authenticate"]
        assert "tasks:read" in response.json()["error"]["message"]

    def test_not_by_a_service_account(
        self, backend: User, caller_for: Callable[..., Caller], method: str, params: dict[str, Any]
    ) -> None:
        assert "service account" in refusal(caller_for(backend), method, params)["message"]

    def test_by_a_service_account_for_whom_it_names(
        self, ann: User, backend: User, caller_for: Callable[..., Caller], method: str, params: dict[str, Any]
    ) -> None:
        caller = caller_for(backend)
        request = caller.request(method, params)
        of_ann = caller_for(ann).post(request).json()
        assert caller.post(request, On_Behalf_Of="ann").json() == of_ann
        for nobody in ["nobody", "ANN", ""]:
            refused = caller.post(request, On_Behalf_Of=nobody)
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32602)

    def test_not_once_deactivated(
        self, ann: User, caller_for: Callable[..., Caller], method: str, params: dict[str, Any]
    ) -> None:
        caller = caller_for(ann)
        User.objects.filter(pk="ann").update(is_active=False)
        assert caller.post(caller.request(method, params)).status_code == 401
