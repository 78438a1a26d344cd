"""A request that is sent again with its Idempotency-Key is done once, and answered again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from conversations.models import Conversation, Message
from conversations.tests.factories import ConversationFactory, MessageFactory
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.idempotency import services
from todoproj.idempotency.models import IdempotencyKey
from todoproj.users.models import User
from todoproj.users.services import issue_token

pytestmark = pytest.mark.django_db

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
SAID = {"role": "user", "content": "Kauf Milch! 🥛\r\n"}

# Every request that writes: the method, the address, and the body. The address has the id of a task or a conversation.
WRITES: list[tuple[str, str, Any]] = [
    ("post", "/api/tasks/", {"title": "Buy milk"}),
    ("patch", "/api/tasks/{task}/", {"title": "Buy bread"}),
    ("delete", "/api/tasks/{task}/", None),
    ("post", "/api/tasks/{task}/complete/", None),
    ("post", "/api/conversations/", {"title": "Shopping"}),
    ("patch", "/api/conversations/{conversation}/", {"title": "Bread"}),
    ("delete", "/api/conversations/{conversation}/", None),
    ("post", "/api/conversations/{conversation}/messages/", SAID),
    ("post", "/api/conversations/{conversation}/turns/", {"messages": [SAID, SAID]}),
]
every_write = pytest.mark.parametrize("write", WRITES, ids=lambda write: " ".join(write[:2]))


def client_for(user: User) -> Client:
    headers = {"Authorization": f"Bearer {issue_token(user_id=user.pk)[1]}"}
    return Client(headers=headers, raise_request_exception=False)


@pytest.fixture
def client(ann: User) -> Client:
    return client_for(ann)


@pytest.fixture
def address(ann: User) -> Callable[[str], str]:
    """Fills in the ids of what ann has."""
    there = {"task": TaskFactory.create(user=ann).pk, "conversation": ConversationFactory.create(user=ann).pk}
    return lambda template: template.format(**there)


def send(client: Client, method: str, path: str, body: Any = None, key: str | None = KEY) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return getattr(client, method)(path, body or "", content_type="application/json", headers=headers)


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Task, Conversation, Message)]


@every_write
class TestEveryWrite:
    def test_is_done_once(self, client: Client, address: Callable[[str], str], write: Any) -> None:
        method, path, body = write[0], address(write[1]), write[2]
        before = everything()
        first = send(client, method, path, body)
        assert first.status_code < 300
        after = everything()
        assert after != before

        again = [send(client, method, path, body) for _ in range(2)]

        assert {(response.status_code, response.content) for response in again} == {(first.status_code, first.content)}
        assert [response.get("Idempotent-Replayed") for response in [first, *again]] == [None, "true", "true"]
        assert everything() == after

    def test_is_done_as_ever_without_a_key(self, client: Client, address: Callable[[str], str], write: Any) -> None:
        assert send(client, write[0], address(write[1]), write[2], key=None).status_code < 300
        assert not IdempotencyKey.objects.exists()

    def test_is_undone_where_the_reply_can_not_be_kept(
        self, client: Client, address: Callable[[str], str], write: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = everything()

        def fail(**_: Any) -> None:
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr("todoproj.idempotency.decorators.keep_reply", fail)
            assert send(client, write[0], address(write[1]), write[2]).status_code == 500
        assert everything() == before
        assert not IdempotencyKey.objects.exists()

        assert send(client, write[0], address(write[1]), write[2]).status_code < 300

    def test_leaves_no_key_if_it_is_refused(self, client: Client, address: Callable[[str], str], write: Any) -> None:
        wrong = {"title": "\0"} if write[2] else None
        path = address(write[1]).replace("/messages/", "/turns/") if wrong else "/api/tasks/999999999/complete/"
        method = write[0] if wrong else "post"

        for _ in range(2):
            assert send(client, method, path, wrong).status_code in {400, 404}

        assert not IdempotencyKey.objects.exists()

    def test_says_in_the_document_that_it_takes_a_key(self, client: Client, write: Any) -> None:
        described = client.get("/api/schema/?format=json").json()["paths"]
        operation = described[write[1].format(task="{id}", conversation="{id}")][write[0]]
        assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]]
        assert "422" in operation["responses"]
        assert ("410" in operation["responses"]) == (write[0] != "delete")


class TestWhatHasChangedSince:
    @pytest.fixture
    def there(self, ann: User) -> dict[str, int]:
        return {"task": TaskFactory.create(user=ann).pk, "conversation": ConversationFactory.create(user=ann).pk}

    def test_is_shown_as_it_is_now(self, client: Client, there: dict[str, int]) -> None:
        for path in [f"/api/tasks/{there['task']}/", f"/api/conversations/{there['conversation']}/"]:
            before = send(client, "patch", path, {"title": "Bread"}, key=path).json()
            changed = send(client, "patch", path, {"title": "Wine"}, key=None).json()

            again = send(client, "patch", path, {"title": "Bread"}, key=path)

            assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
            assert again.json() == changed != before

    @pytest.mark.parametrize(
        "write", [write for write in WRITES if write[0] != "delete"], ids=lambda write: " ".join(write[:2])
    )
    def test_is_gone_if_it_was_deleted(self, client: Client, there: dict[str, int], write: Any) -> None:
        method, path, body = write[0], write[1].format(**there), write[2]
        first = send(client, method, path, body).json()
        made = path if "{" in write[1] else f"{path}{first['id']}/"
        assert send(client, "delete", "/".join([*made.split("/")[:4], ""]), key=None).status_code == 204
        before = everything()

        again = [send(client, method, path, body) for _ in range(2)]

        assert [response.status_code for response in again] == [410, 410]
        assert again[0]["Content-Type"] == "application/problem+json"
        assert "has been deleted since" in again[0].json()["detail"]
        assert everything() == before
        assert send(client, method, path, body, key="another").status_code == (201 if made != path else 404)

    def test_is_kept_in_no_key(self, client: Client, there: dict[str, int]) -> None:
        for number, (method, path, body) in enumerate(WRITES):
            if method != "delete":
                assert send(client, method, path.format(**there), body, key=f"key {number}").status_code < 300

        texts = ["milk", "bread", "shopping", "milch"]
        kept = [str(row).lower() for row in IdempotencyKey.objects.values()]
        assert len(kept) == len(WRITES) - 2
        assert not [row for row in kept for text in texts if text in row]

    def test_of_another_person_is_not_shown(self, client: Client, ann: User, bob: User) -> None:
        """Whatever ids a key has."""
        theirs = {
            "/api/tasks/": ({"title": "Buy milk"}, TaskFactory.create(user=bob).pk),
            "/api/conversations/": ({"title": "Shopping"}, ConversationFactory.create(user=bob).pk),
        }
        for path, (body, pk) in theirs.items():
            send(client, "post", path, body, key=path)
            IdempotencyKey.objects.filter(key=path).update(ids=[pk])
            assert send(client, "post", path, body, key=path).status_code == 410

    def test_of_another_person_is_not_shown_in_a_turn(self, client: Client, there: dict[str, int], bob: User) -> None:
        path = f"/api/conversations/{there['conversation']}/turns/"
        first = send(client, "post", path, {"messages": [SAID]}).json()
        bobs = MessageFactory.create(conversation__user=bob)
        IdempotencyKey.objects.update(ids=[first["messages"][0]["id"], bobs.pk])
        assert send(client, "post", path, {"messages": [SAID]}).status_code == 410


def test_no_write_is_left_out(client: Client) -> None:
    described = client.get("/api/schema/?format=json").json()["paths"]
    writes = {
        (method, path)
        for path, methods in described.items()
        for method in methods
        if method != "get" and not path.startswith("/api/auth/")
    }
    assert writes == {(method, path.format(task="{id}", conversation="{id}")) for method, path, _ in WRITES}


class TestAnotherRequest:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("post", "/api/tasks/", {"title": "Buy bread"}),
            ("post", "/api/tasks/", '{"title":"Buy milk"}'),
            ("post", "/api/tasks/", "{"),
            ("post", "/api/tasks/?x=1", {"title": "Buy milk"}),
            ("post", "/api/conversations/", {"title": "Buy milk"}),
            ("patch", "/api/tasks/{task}/", {"title": "Buy milk"}),
            ("delete", "/api/tasks/{task}/", None),
        ],
    )
    def test_can_not_have_the_key(
        self, client: Client, address: Callable[[str], str], method: str, path: str, body: Any
    ) -> None:
        send(client, "post", "/api/tasks/", {"title": "Buy milk"})
        before = everything()

        refused = send(client, method, address(path), body)

        assert refused.status_code == 422
        assert refused["Content-Type"] == "application/problem+json"
        assert "Choose a new one" in refused.json()["detail"]
        assert everything() == before

    def test_by_another_person_may_have_the_key(self, client: Client, bob: User) -> None:
        body = {"title": "Buy milk"}
        anns, bobs = send(client, "post", "/api/tasks/", body), send(client_for(bob), "post", "/api/tasks/", body)
        assert (anns.status_code, bobs.status_code) == (201, 201)
        assert anns.json()["id"] != bobs.json()["id"]

    def test_by_another_token_of_the_person_is_the_same_request(self, client: Client, ann: User) -> None:
        body = {"title": "Buy milk"}
        responses = [send(each, "post", "/api/tasks/", body) for each in [client, client_for(ann)]]
        assert responses[0].content == responses[1].content

    def test_needs_its_scope_as_well(self, client: Client, ann: User) -> None:
        send(client, "post", "/api/tasks/", {"title": "Buy milk"})
        _, token = issue_token(user_id="ann", scopes=["tasks:read", "chats:write"])
        reader = Client(headers={"Authorization": f"Bearer {token}"})
        assert send(reader, "post", "/api/tasks/", {"title": "Buy milk"}).status_code == 403


class TestKeys:
    @pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e"', "a b", "~!@#$%^&*()", "a,b", "' OR 1=1 --"])
    def test_are_printable_ascii(self, client: Client, key: str) -> None:
        responses = [send(client, "post", "/api/tasks/", {"title": "Buy milk"}, key=key) for _ in range(2)]
        assert [response.status_code for response in responses] == [201, 201]
        assert IdempotencyKey.objects.get().key == key

    @pytest.mark.parametrize("key", ["", " ", "x" * 256, "é", "🥛", "a\x7fb", "a\tb", "\x00", " x", "x "])
    def test_of_other_kinds_are_refused(self, client: Client, key: str) -> None:
        refused = send(client, "post", "/api/tasks/", {"title": "Buy milk"}, key=key)
        assert refused.status_code == 400
        assert [fault["field"] for fault in refused.json()["errors"]] == ["Idempotency-Key"]
        assert not Task.objects.exists()

    def test_are_told_apart_by_case(self, client: Client) -> None:
        for key in ["a", "A"]:
            send(client, "post", "/api/tasks/", {"title": "Buy milk"}, key=key)
        assert Task.objects.count() == 2

    def test_mean_nothing_where_nothing_is_written(self, client: Client) -> None:
        assert client.get("/api/tasks/", headers={"Idempotency-Key": ""}).status_code == 200

    def test_are_good_for_a_day(self, client: Client) -> None:
        def send_when_it_is(age: timedelta) -> int:
            IdempotencyKey.objects.update(created_at=timezone.now() - age)
            return int(send(client, "post", "/api/tasks/", {"title": "Buy milk"}).status_code)

        for age in [timedelta(0), timedelta(hours=23, minutes=59)]:
            assert send_when_it_is(age) == 201
        assert Task.objects.count() == 1
        assert send_when_it_is(timedelta(hours=24, seconds=1)) == 201
        assert Task.objects.count() == 2
        assert send_when_it_is(timedelta(0)) == 201
        assert Task.objects.count() == 2

    def test_may_be_used_for_something_else_after_a_day(self, client: Client) -> None:
        send(client, "post", "/api/tasks/", {"title": "Buy milk"})
        IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
        assert send(client, "post", "/api/tasks/", {"title": "Buy bread"}).json()["title"] == "Buy bread"
        assert send(client, "post", "/api/tasks/", {"title": "Buy milk"}).status_code == 422

    def test_go_some_at_a_time_when_they_are_old(
        self, client: Client, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(services, "REMOVED_AT_ONCE", 2)
        now = timezone.now()
        for n, hours in enumerate([23, 25, 26, 27]):
            IdempotencyKey.objects.create(user=bob, key=str(n), digest="x", created_at=now - timedelta(hours=hours))

        send(client, "post", "/api/tasks/", {"title": "Buy milk"})

        assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"0", "1", KEY}

    def test_all_go_when_what_has_expired_is_cleared(
        self, bob: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(services, "BATCH", 2)
        now = timezone.now()
        for n, hours in enumerate([0, 23, 25, 26, 27, 24 * 900]):
            IdempotencyKey.objects.create(user=bob, key=str(n), digest="x", created_at=now - timedelta(hours=hours))

        call_command("clear_expired")

        assert "4 idempotency keys" in capsys.readouterr().out
        assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"0", "1"}

    def test_go_with_the_person(self, client: Client, ann: User) -> None:
        send(client, "post", "/api/tasks/", {"title": "Buy milk"})
        ann.delete()
        assert not IdempotencyKey.objects.exists()


class TestTheDatabaseHolds:
    def test_one_key_once(self, ann: User) -> None:
        IdempotencyKey.objects.create(user=ann, key="x", digest="x")
        with pytest.raises(IntegrityError), transaction.atomic():
            IdempotencyKey.objects.create(user=ann, key="x", digest="y")

    def test_no_empty_key(self, ann: User) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            IdempotencyKey.objects.create(user=ann, key="", digest="x")
