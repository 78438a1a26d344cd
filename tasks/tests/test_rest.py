"""The REST API for tasks, by HTTP."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import User
from todoproj.users.services import issue_token

pytestmark = pytest.mark.django_db


def client_for(user: User, *scopes: str) -> Client:
    _, token = issue_token(user_id=user.pk, scopes=scopes or ["tasks:read", "tasks:write"])
    return Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)


@pytest.fixture
def client(ann: User) -> Client:
    return client_for(ann)


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(path, body, content_type="application/json")


def problem_of(response: Any) -> tuple[int, list[tuple[str, str]]]:
    """The status, and the fields at fault with the codes."""
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["title"]
    assert body["detail"]
    assert body["type"] == "about:blank"
    return response.status_code, [(fault["field"], fault["code"]) for fault in body.get("errors", [])]


class TestTasks:
    def test_the_life_of_a_task(self, client: Client, ann: User) -> None:
        created = send(client, "post", "/api/tasks/", {"title": " Buy milk ", "description": " two "})
        assert created.status_code == 201
        task = created.json()
        assert task == {
            "id": Task.objects.get().pk,
            "title": "Buy milk",
            "description": " two ",
            "completed": False,
            "completed_at": None,
            "created_at": task["created_at"],
            "updated_at": task["created_at"],
        }
        assert datetime.fromisoformat(task["created_at"]).utcoffset() == timedelta(0)
        path = f"/api/tasks/{task['id']}/"
        assert client.get(path).json() == task
        changed = send(client, "patch", path, {"description": ""}).json()
        assert (changed["title"], changed["description"]) == ("Buy milk", "")
        completed = client.post(f"{path}complete/").json()
        assert completed["completed"]
        assert client.post(f"{path}complete/").json() == completed
        assert client.get("/api/tasks/").json() == {"next": None, "results": [completed]}
        deleted = client.delete(path)
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert problem_of(client.get(path)) == (404, [])

    def test_pages(self, client: Client, ann: User) -> None:
        tasks = TaskFactory.create_batch(5, user=ann)
        seen, url, pages = [], "/api/tasks/?limit=2&status=pending", 0
        while url:
            body = client.get(url).json()
            seen += [task["id"] for task in body["results"]]
            url, pages = body["next"], pages + 1
        assert seen == [task.pk for task in reversed(tasks)]
        assert pages == 3

    @pytest.mark.parametrize(("status", "titles"), [("all", "ba"), ("pending", "a"), ("completed", "b")])
    def test_by_status(self, client: Client, ann: User, status: str, titles: str) -> None:
        TaskFactory.create(user=ann, title="a")
        TaskFactory.create(user=ann, title="b", done=True)
        results = client.get(f"/api/tasks/?status={status}").json()["results"]
        assert "".join(task["title"] for task in results) == titles

    def test_query_counts_do_not_grow(self, client: Client, ann: User, django_assert_num_queries: Any) -> None:
        client.get("/api/tasks/")
        for _ in range(2):
            TaskFactory.create_batch(20, user=ann)
            with django_assert_num_queries(2):  # the token, the tasks
                client.get("/api/tasks/")


class TestBadInput:
    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({}, [("title", "required")]),
            ({"title": ""}, [("title", "blank")]),
            ({"title": "  "}, [("title", "blank")]),
            ({"title": None}, [("title", "null")]),
            ({"title": "x" * 201}, [("title", "max_length")]),
            ({"title": "x" * 200 + " "}, [("title", "max_length")]),
            ({"title": "x", "description": "x" * 1001}, [("description", "max_length")]),
            ({"title": ["x"]}, [("title", "invalid")]),
            ({"title": 7}, [("title", "invalid")]),
            ({"title": "x", "description": 1.5}, [("description", "invalid")]),
            ({"title": {}, "description": True}, [("title", "invalid"), ("description", "invalid")]),
            ({"title": "a\0b"}, [("title", "null_characters_not_allowed")]),
            ({"title": "\ud800"}, [("title", "surrogate_characters_not_allowed")]),
            ([], [("", "invalid")]),
        ],
    )
    def test_create(self, client: Client, body: Any, errors: list[tuple[str, str]]) -> None:
        assert problem_of(send(client, "post", "/api/tasks/", body)) == (400, errors)
        assert not Task.objects.exists()

    @pytest.mark.parametrize(("body", "error"), [({}, ("", "nothing_to_change")), ({"title": " "}, ("title", "blank"))])
    def test_update(self, client: Client, ann: User, body: Any, error: tuple[str, str]) -> None:
        task = TaskFactory.create(user=ann)
        assert problem_of(send(client, "patch", f"/api/tasks/{task.pk}/", body)) == (400, [error])

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("status=done", "status"),
            ("status=", "status"),
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=x", "limit"),
            ("cursor=x", "cursor"),
        ],
    )
    def test_list(self, client: Client, query: str, field: str) -> None:
        status, ((at_fault, _),) = problem_of(client.get(f"/api/tasks/?{query}"))
        assert (status, at_fault) == (400, field)

    def test_not_json(self, client: Client) -> None:
        response = client.post("/api/tasks/", "{", content_type="application/json")
        assert problem_of(response) == (400, [])
        assert problem_of(client.post("/api/tasks/", {"title": "x"})) == (415, [])

    @pytest.mark.parametrize(
        "body",
        [
            b"\xff\xfe{\x00}\x00",
            b"[" * 100_000,
            b'{"title":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
            b'{"title": NaN}',
            b'{"title": "x", "title": "y"}',
            b'{"title": ' + b"9" * 5000 + b"}",
            b'{"title": "x"} {}',
            b'{"title": "\x00"}',
        ],
    )
    def test_that_can_not_be_read(self, client: Client, body: bytes) -> None:
        response = client.post("/api/tasks/", body, content_type="application/json")
        assert problem_of(response) == (400, [])
        # What Python's own parser says is nothing for strangers.
        assert response.json()["detail"].startswith("The body can't be read: ")
        assert not Task.objects.exists()

    @pytest.mark.parametrize("body", [b"null", b"7", b'"x"', b"true", b"[{}]"])
    def test_no_object(self, client: Client, body: bytes) -> None:
        status, ((field, _),) = problem_of(client.post("/api/tasks/", body, content_type="application/json"))
        assert (status, field) == (400, "")

    def test_too_large(self, client: Client, settings: Settings) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        assert problem_of(send(client, "post", "/api/tasks/", {"title": "x" * 1000})) == (413, [])

    def test_too_many_parameters(self, client: Client) -> None:
        assert problem_of(client.get(f"/api/tasks/?{'a&' * 1001}")) == (400, [])

    @pytest.mark.parametrize("host", ["evil.example", "testserver,testserver", "", "a b"])
    @pytest.mark.parametrize("path", ["/api/tasks/", "/mcp", "/nothing"])
    def test_not_our_host(self, client: Client, host: str, path: str) -> None:
        assert problem_of(client.get(path, headers={"Host": host})) == (400, [])

    def test_wrong_method(self, client: Client) -> None:
        assert problem_of(client.put("/api/tasks/")) == (405, [])

    @pytest.mark.parametrize(
        "path", ["/api/tasks/x/", "/api/tasks/0/", f"/api/tasks/{10**30}/", "/api/nothing/", "/nothing"]
    )
    def test_no_such_address(self, client: Client, path: str) -> None:
        assert problem_of(client.get(path)) == (404, [])

    def test_a_failure_that_nobody_expected(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(**_: Any) -> None:
            raise RuntimeError("SELECT secret FROM /path")

        monkeypatch.setattr("tasks.services.add_task", fail)
        response = send(client, "post", "/api/tasks/", {"title": "x"})
        assert problem_of(response) == (500, [])
        assert b"secret" not in response.content
        assert response["X-Request-ID"] in response.json()["detail"]
        assert "SELECT secret" in caplog.text


class TestAccess:
    @pytest.mark.parametrize("authorization", [None, "Bearer todo_x", "Bearer x", "Basic YTpi", "Bearer"])
    def test_needs_a_token(self, ann: User, authorization: str | None) -> None:
        client = Client(headers={"Authorization": authorization} if authorization else {})
        client.force_login(ann)
        response = client.get("/api/tasks/")
        assert problem_of(response) == (401, [])
        assert response["WWW-Authenticate"] == "Bearer"

    def test_scopes(self, ann: User) -> None:
        reads, writes = client_for(ann, "tasks:read"), client_for(ann, "tasks:write")
        assert reads.get("/api/tasks/").status_code == 200
        assert problem_of(send(reads, "post", "/api/tasks/", {"title": "x"})) == (403, [])
        assert send(writes, "post", "/api/tasks/", {"title": "x"}).status_code == 201
        refused = writes.get("/api/tasks/")
        assert problem_of(refused) == (403, [])
        assert "tasks:read" in refused.json()["detail"]

    def test_another_persons_task_does_not_exist(self, client: Client, ann: User, bob: User) -> None:
        theirs = TaskFactory.create(user=bob)
        before = Task.objects.values().get()
        bodies = set()
        for task_id in [theirs.pk, 999_999]:
            path = f"/api/tasks/{task_id}/"
            for response in [
                client.get(path),
                send(client, "patch", path, {"title": "x"}),
                client.delete(path),
                client.post(f"{path}complete/"),
            ]:
                assert problem_of(response) == (404, [])
                bodies.add(response.content)
        assert len(bodies) == 1
        assert client.get("/api/tasks/").json()["results"] == []
        assert Task.objects.values().get() == before


class TestAServiceAccount:
    @pytest.fixture
    def client(self, backend: User) -> Client:
        return client_for(backend)

    def test_acts_for_whom_the_header_names(self, client: Client, ann: User, bob: User) -> None:
        TaskFactory.create(user=bob)
        headers = {"On-Behalf-Of": "ann"}
        task = client.post("/api/tasks/", {"title": "x"}, content_type="application/json", headers=headers).json()
        assert Task.objects.get(user=ann).pk == task["id"]
        assert client.get(f"/api/tasks/{task['id']}/", headers=headers).status_code == 200
        assert [row["id"] for row in client.get("/api/tasks/", headers=headers).json()["results"]] == [task["id"]]
        assert client.get(f"/api/tasks/{task['id']}/", headers={"On-Behalf-Of": "bob"}).status_code == 404

    def test_must_name_somebody(self, client: Client) -> None:
        assert problem_of(client.get("/api/tasks/")) == (400, [("On-Behalf-Of", "missing")])

    def test_who_is_not_there_or_has_no_access(self, client: Client, ann: User) -> None:
        User.objects.filter(pk="ann").update(is_active=False)
        bodies = {
            client.get("/api/tasks/", headers={"On-Behalf-Of": named}).content
            for named in ["ann", "nobody", "ANN", "", "ann, ann", "=?base64?AA==?="]
        }
        assert len(bodies) == 1
        assert b'"status":404' in bodies.pop()

    def test_a_person_names_nobody_else(self, ann: User, bob: User) -> None:
        task = TaskFactory.create(user=bob)
        for path in ["/api/tasks/", f"/api/tasks/{task.pk}/"]:
            assert client_for(ann).get(path, headers={"On-Behalf-Of": "bob"}).status_code == 404
        assert client_for(ann).get("/api/tasks/", headers={"On-Behalf-Of": "ann"}).status_code == 200


class TestDocumentation:
    def test_openapi(self, db: None) -> None:
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")
        response = Client().get("/api/schema/?format=json")
        assert response.status_code == 200
        paths = response.json()["paths"]
        about_tasks = {path for path in paths if path.startswith("/api/tasks/")}
        assert about_tasks == {"/api/tasks/", "/api/tasks/{id}/", "/api/tasks/{id}/complete/"}
        assert "Problem" in str(paths["/api/tasks/"]["post"]["responses"]["400"])

    def test_the_page_needs_nothing_from_elsewhere(self, db: None) -> None:
        page = Client().get("/api/docs/").content.decode()
        assert "swagger-ui" in page
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_health(db: None) -> None:
    response = Client().get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
