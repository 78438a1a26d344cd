"""Erasing a person: nothing that tells of them is left in any table, and nothing of anybody else's is touched."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conftest import Caller
from conversations.accesses import record_access
from conversations.models import ChatAccess, Conversation, Message, Note
from conversations.retention import delete_old_conversations
from conversations.services import Said, add_message, add_turn, redact_message, start_conversation
from mcp_tools.models import ToolCall
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.idempotency.models import IdempotencyKey
from todoproj.oauth.tests.factories import GrantFactory, RefreshTokenFactory
from todoproj.users import erasure, events, logins
from todoproj.users.events import Kind
from todoproj.users.models import Login, PersonalToken, SecurityEvent, User
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory
from todoproj.users.tests.meanwhile import right_after_reading

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-made-up-password-7"
# Each is found nowhere by accident.
ID, EMAIL, NAME, ADDRESS = "ida-0f3c", "ida.unique@example.org", "ida-username", "203.0.113.77"
SAID = "zebrafish"
TRACES = [ID, EMAIL, NAME, ADDRESS, SAID]


def said_anywhere(*texts: str) -> dict[str, list[str]]:
    """The tables that have any of the texts in any column, and which of them."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            content = repr(cursor.fetchall()).lower()
            if some := [text for text in texts if text.lower() in content]:
                found[table] = some
    # A session is signed and encoded.
    sessions = [session.get_decoded() for session in Session.objects.all()]
    if ID in repr(sessions):
        found["sessions, decoded"] = [ID]
    return found


def fill(user: User, *, by: User) -> None:
    """Something of the person's in every table that can have it."""
    client = Client(REMOTE_ADDR=ADDRESS)
    user.set_password(PASSWORD)
    user.is_staff = True
    user.save()
    url = reverse("admin:login")
    client.post(url, {"username": user.email, "password": "wrong"})
    client.post(url, {"username": user.username, "password": "wrong"})
    client.post(url, {"username": "stranger", "password": "wrong"}, REMOTE_ADDR="192.0.2.5")
    client.force_login(user)
    staff = Client()
    staff.force_login(by)

    conversation = start_conversation(user_id=user.pk, title=f"A title with {SAID}")
    add_turn(user_id=user.pk, conversation_id=conversation.pk, messages=[Said("user", SAID), Said("assistant", SAID)])
    Note.objects.create(conversation=conversation, author=by, text=SAID)
    task = TaskFactory.create(user=user, title=SAID)
    staff.post(reverse("admin:tasks_task_change", args=[task.pk]), {"title": f"{SAID}!", "description": ""})
    staff.post(
        reverse("admin:tasks_task_changelist"),
        {"action": "mark_as_completed", "_selected_action": [task.pk], "index": "0"},
    )
    gone = TaskFactory.create(user=user, title=SAID)
    staff.post(reverse("admin:tasks_task_delete", args=[gone.pk]), {"post": "yes"})
    LogEntry.objects.log_actions(by.pk, [user], 2, f"Changed {user.username}")
    token, _ = issue_token(user_id=user.pk, name=f"{SAID}'s laptop")
    staff.post(
        reverse("admin:users_personaltoken_changelist"),
        {"action": "revoke", "_selected_action": [token.pk], "index": "0"},
    )
    logins.log_in(user=User.objects.get(pk=user.pk))
    IdempotencyKey.objects.create(user=user, key=SAID, digest="d")
    GrantFactory.create(user=user)
    RefreshTokenFactory.create(access_token__user=user)
    call = {"tool": "add_task", "arguments": {"title": SAID, "user_id": ID}, "duration_ms": 1}
    ToolCall.objects.create(user=user, principal=user.pk, conversation=conversation, **call)
    ToolCall.objects.create(**call_for(by, principal=user.pk))
    events.record(Kind.APP_CONNECTED, user_id=user.pk, client=f"https://{NAME}.example.com", detail=SAID)
    SecurityEvent.objects.filter(user=user).update(address=ADDRESS)
    events.record_refusal(user_id=by.pk, detail=events.other_person(user.pk))
    events.record_refusal(user_id=by.pk, detail=events.other_person(user.email))
    record_access(actor_id=by.pk, action="viewed", person_id=user.pk, conversation_id=conversation.pk, detail=SAID)
    record_access(actor_id=user.pk, action="viewed", detail="somebody's")


def call_for(user: User, *, principal: str) -> dict[str, Any]:
    """The fields of a call that a service account made."""
    return {"user": user, "principal": principal, "tool": "add_task", "arguments": {}, "duration_ms": 1}


@pytest.fixture
def ida(db: None) -> User:
    return UserFactory.create(id=ID, username=NAME, email=EMAIL)


@pytest.fixture
def other(db: None) -> User:
    user: User = User.objects.create_superuser(
        username="other", email="other@example.com", password=PASSWORD, id="other"
    )
    return user


def erase_by_service(user: User) -> None:
    erasure.erase_person(user=user, means="in a test")


def erase_themselves(user: User) -> None:
    # Who is of the staff can't.
    User.objects.filter(pk=user.pk).update(is_staff=False)
    client = Client(REMOTE_ADDR=ADDRESS)
    login = client.post(
        "/api/auth/login/", {"username": EMAIL, "password": PASSWORD}, content_type="application/json"
    ).json()
    authorization = {"Authorization": f"Bearer {login['access']}"}
    body = {"password": PASSWORD}
    response = client.post("/api/auth/delete-account/", body, content_type="application/json", headers=authorization)
    assert response.status_code == 204


def erase_by_command(user: User) -> None:
    call_command("erase_person", "--email", EMAIL.upper(), "--yes", stdout=io.StringIO())


def erase_in_the_admin(user: User) -> None:
    client = Client()
    client.force_login(User.objects.get(pk="other"))
    assert client.post(reverse("admin:users_user_delete", args=[ID]), {"post": "yes"}).status_code == 302


def erase_from_the_list(user: User) -> None:
    client = Client()
    client.force_login(User.objects.get(pk="other"))
    form = {"action": "delete_selected", "_selected_action": [ID], "index": "0", "post": "yes"}
    assert client.post(reverse("admin:users_user_changelist"), form).status_code == 302


WAYS = [erase_by_service, erase_themselves, erase_by_command, erase_in_the_admin, erase_from_the_list]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "BATCH", 1)


def fail_at_the_end_of_erasing(user: User) -> None:
    """Erase somebody; the last transaction fails, when all is done in it."""

    def fail(**_: Any) -> None:
        raise RuntimeError

    erasure.person_erased.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            erase_by_service(user)
    finally:
        erasure.person_erased.disconnect(fail)


class TestErasing:
    @pytest.mark.parametrize("erase", WAYS)
    def test_nothing_that_tells_of_them_is_left(self, ida: User, other: User, erase: Callable[[User], None]) -> None:
        fill(ida, by=other)
        # The test looks where there is something to find.
        assert set(said_anywhere(*TRACES)) >= {
            *("users", "conversations", "messages", "conversation_notes", "tasks", "personal_tokens", "tool_calls"),
            *("idempotency_keys", "security_events", "chat_accesses", "django_admin_log", "axes_accessattempt"),
            *("logins", "oauth2_provider_accesstoken", "oauth2_provider_refreshtoken", "oauth2_provider_grant"),
            "sessions, decoded",
        }

        erase(ida)

        assert said_anywhere(*TRACES) == {}

    @pytest.mark.parametrize("erase", WAYS)
    def test_nothing_of_anybody_else_is_touched(self, ida: User, other: User, erase: Callable[[User], None]) -> None:
        bob = UserFactory.create(id="bob", username="bob", email="bob@example.com")
        fill(bob, by=other)
        fill(ida, by=other)
        models = [model for model in apps.get_models() if model not in {SecurityEvent, ChatAccess, LogEntry, Session}]

        def theirs() -> dict[Any, list[Any]]:
            about = {
                model: [field.name for field in model._meta.fields if field.related_model is User] for model in models
            }
            return {
                model: sorted(model._base_manager.filter(**{field: bob}).values_list("pk", flat=True))
                for model, fields in about.items()
                for field in fields
            }

        before = theirs()
        events_before = list(SecurityEvent.objects.filter(user=bob).order_by("pk").values())
        erase(ida)

        assert theirs() == before
        assert list(SecurityEvent.objects.filter(user=bob).order_by("pk").values()) == events_before
        assert ChatAccess.objects.filter(person_id="bob", conversation_id__isnull=False).count() == 1
        assert AccessAttempt.objects.filter(username="stranger").exists()
        assert Session.objects.count() >= 2

    def test_in_batches_it_is_the_same(self, ida: User, other: User, small_batches: None) -> None:
        fill(ida, by=other)

        erase_by_service(ida)

        assert said_anywhere(*TRACES) == {}

    def test_somebody_whom_another_click_erases_meanwhile(self, ida: User, other: User) -> None:
        fill(ida, by=other)

        with right_after_reading(ID, lambda: erase_by_service(User.objects.get(pk=ID))):
            erase_in_the_admin(ida)

        assert said_anywhere(*TRACES) == {}
        assert LogEntry.objects.latest("pk").object_repr == "a person"

    def test_what_was_not_committed_before_goes_when_it_is(
        self, ida: User, other: User, django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks() as callbacks:
            erase_by_service(ida)
        record_access(actor_id=other.pk, action="viewed", person_id=ID, conversation_id=7, detail=SAID)
        ToolCall.objects.create(**call_for(other, principal=ID))
        events.record_refusal(user_id=other.pk, detail=events.other_person(ID))

        for callback in callbacks:
            callback()

        assert said_anywhere(*TRACES) == {}
        assert ChatAccess.objects.filter(action="viewed").count() == 1

    def test_what_tells_of_them_goes_in_batches_too(self, ida: User, other: User, small_batches: None) -> None:
        """The last transaction, which keeps others waiting, finds nothing of it."""
        for _ in range(2):
            ToolCall.objects.create(**call_for(other, principal=ID))
            events.record(Kind.LOGGED_IN, user_id=ID)

        fail_at_the_end_of_erasing(ida)

        assert list(ToolCall.objects.values_list("principal", flat=True)) == ["", ""]
        assert [event.kind for event in SecurityEvent.objects.filter(user=ida)] == [Kind.ERASURE_BEGUN]
        erase_by_service(ida)
        assert said_anywhere(*TRACES) == {}

    def test_is_on_record_without_them(self, ida: User, other: User) -> None:
        fill(ida, by=other)

        erase_in_the_admin(ida)

        record = ChatAccess.objects.latest("pk")
        assert (record.action, record.actor, record.person_id, record.conversation_id) == ("erased", other, "", None)
        assert record.detail == "a person, in the admin: 1 conversation, 2 messages"
        event = SecurityEvent.objects.latest("pk")
        assert (event.kind, event.user, event.by, event.address) == ("account_deleted", None, other, "")
        viewed = ChatAccess.objects.filter(action="viewed").order_by("pk")
        assert [(row.actor, row.detail) for row in viewed] == [
            (other, "of a person who was erased"),
            (None, "somebody's"),
        ]

    def test_one_that_is_interrupted_says_so_and_can_be_done_again(
        self, ida: User, other: User, small_batches: None
    ) -> None:
        fill(ida, by=other)

        def fail(gone: Any) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            erasure.erase_person(user=ida, means="in a test", on_progress=fail)
        ida.refresh_from_db()
        assert not ida.is_active
        assert SecurityEvent.objects.filter(user=ida, kind=Kind.ERASURE_BEGUN).exists()

        erase_by_service(ida)
        assert said_anywhere(*TRACES) == {}

    def test_a_little_is_one_transaction(self, ida: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """What fails at its end leaves the person as they were."""
        TaskFactory.create(user=ida)

        fail_at_the_end_of_erasing(ida)

        ida.refresh_from_db()
        assert ida.is_active
        assert Task.objects.count() == 1

    def test_somebody_who_is_gone(self, ida: User) -> None:
        User.objects.get(pk=ID).delete()

        with pytest.raises(User.DoesNotExist):
            erase_by_service(ida)

    def test_says_what_went(self, ida: User, other: User) -> None:
        fill(ida, by=other)
        amounts = erasure.amounts_of(ida)

        gone = erasure.erase_person(user=ida, means="in a test")

        assert {name: gone[name] for name in amounts} == amounts
        assert (amounts["messages"], amounts["tasks"], amounts["personal tokens"]) == (2, 1, 1)


if connection.vendor == "postgresql":

    def somebody_waits() -> bool:
        """Whether another transaction waits for this one."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            return cursor.fetchone() is not None

    @pytest.mark.django_db(transaction=True)
    class TestWhileTheyWrite:
        """SQLite has one writer at a time."""

        def message(self, user: User) -> Message:
            conversation = start_conversation(user_id=user.pk)
            return add_message(user_id=user.pk, conversation_id=conversation.pk, role="user", content=SAID)

        def erase_meanwhile(
            self, ida: User, begin: Callable[[], object], end: Callable[[], object] = lambda: None
        ) -> None:
            """A transaction, in the middle of which somebody begins to erase the person and has to wait."""

            def erase() -> None:
                try:
                    erase_by_service(ida)
                finally:
                    connection.close()

            with ThreadPoolExecutor(1) as pool:
                with transaction.atomic():
                    begin()
                    erasing = pool.submit(erase)
                    while not somebody_waits():
                        assert not erasing.done()
                        time.sleep(0.01)
                    end()
                erasing.result()
            assert said_anywhere(*TRACES) == {}

        def test_a_message(self, ida: User) -> None:
            kept = self.message(ida).conversation_id

            self.erase_meanwhile(ida, lambda: add_message(user_id=ID, conversation_id=kept, role="user", content=SAID))

        def test_a_redaction(self, ida: User) -> None:
            message = self.message(ida)
            conversation = Conversation.objects.select_for_update().filter(pk=message.conversation_id)

            self.erase_meanwhile(ida, conversation.get, lambda: redact_message(actor_id=None, message_id=message.pk))

        def test_a_call_of_a_tool(self, ida: User, caller_for: Callable[..., Caller]) -> None:
            task, caller = TaskFactory.create(user=ida), caller_for(ida)

            self.erase_meanwhile(ida, lambda: caller.call("complete_task", task_id=task.pk))

        def test_a_logout(self, ida: User) -> None:
            login = logins.log_in(user=ida)

            self.erase_meanwhile(ida, lambda: logins.log_out(token=login.refresh))

        def test_a_logout_everywhere(self, ida: User) -> None:
            logins.log_in(user=ida)

            self.erase_meanwhile(ida, lambda: User.objects.lock(ID), lambda: logins.log_out_everywhere(user_id=ID))

        def test_the_end_of_old_conversations(self, ida: User) -> None:
            kept = Conversation.objects.select_for_update().filter(pk=self.message(ida).conversation_id)

            self.erase_meanwhile(ida, kept.get, lambda: delete_old_conversations(before=timezone.now()))


class TestCommand:
    def test_a_dry_run_changes_nothing(self, ida: User, other: User) -> None:
        fill(ida, by=other)
        before = {model: model._base_manager.count() for model in apps.get_models()}
        out = io.StringIO()

        call_command("erase_person", ID, "--dry-run", stdout=out)

        assert "messages: 2\n" in out.getvalue()
        assert {model: model._base_manager.count() for model in apps.get_models()} == before
        assert User.objects.get(pk=ID).is_active

    def test_asks_nobody_who_is_not_there(self, ida: User) -> None:
        with pytest.raises(CommandError, match="--yes"):
            call_command("erase_person", ID, stdout=io.StringIO())
        assert User.objects.filter(pk=ID).exists()

    @pytest.mark.parametrize(("answer", "left"), [("y", True), ("", True), (ID, False)])
    def test_asks_for_the_id(self, ida: User, monkeypatch: pytest.MonkeyPatch, answer: str, left: bool) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("builtins.input", lambda _: answer)

        with pytest.raises(CommandError) if left else nullcontext():
            call_command("erase_person", ID, stdout=io.StringIO())

        assert User.objects.filter(pk=ID).exists() is left

    @pytest.mark.parametrize(
        "options",
        [["nobody"], ["--email", "nobody@example.com"], ["--email", ""], [ID.upper()], [], [ID, "--email", "a"]],
    )
    def test_nobody_else_is_erased(self, ida: User, options: list[str]) -> None:
        UserFactory.create(email="")

        with pytest.raises(CommandError):
            call_command("erase_person", *options, "--yes", stdout=io.StringIO())

        assert User.objects.count() == 2

    def test_shows_how_far_it_is_on_a_terminal(
        self, ida: User, other: User, small_batches: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(ida, by=other)
        err = io.StringIO()
        monkeypatch.setattr(err, "isatty", lambda: True)

        call_command("erase_person", ID, "--yes", stdout=io.StringIO(), stderr=err)

        first, *_, last = err.getvalue().split("\r")[1:]
        assert re.match(r" *\d+% 1 of [\d,]+ rows", first)
        assert re.match(r"100% ([\d,]+) of \1 rows, .* a second\n", last)


class TestAdmin:
    @pytest.fixture
    def client_with(self) -> Callable[..., Client]:
        def make(*permissions: str, **fields: Any) -> Client:
            user = UserFactory.create(is_staff=True, id="staff", username="staff", **fields)
            user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
            client = Client()
            client.force_login(user)
            return client

        return make

    PEOPLE = "/admin/users/user/"

    def try_to_erase(self, client: Client, user_id: str) -> None:
        client.post(reverse("admin:users_user_delete", args=[user_id]), {"post": "yes"})
        form = {"action": "delete_selected", "_selected_action": [user_id], "index": "0", "post": "yes"}
        client.post(self.PEOPLE, form)

    def test_the_permission_is_enough(self, ida: User, client_with: Callable[..., Client]) -> None:
        self.try_to_erase(client_with("view_user", "erase_person"), ID)

        assert not User.objects.filter(pk=ID).exists()

    @pytest.mark.parametrize("permissions", [(), ("view_user", "change_user", "delete_user", "delete_conversation")])
    def test_no_other_permission_is(
        self, ida: User, client_with: Callable[..., Client], permissions: tuple[str, ...]
    ) -> None:
        self.try_to_erase(client_with(*permissions), ID)

        assert User.objects.filter(pk=ID).exists()

    def test_it_is_not_without_that_to_see_people(self, ida: User, client_with: Callable[..., Client]) -> None:
        client = client_with("erase_person")

        assert client.get(reverse("admin:users_user_delete", args=[ID])).status_code == 403
        self.try_to_erase(client, ID)

        assert User.objects.filter(pk=ID).exists()

    def test_nobody_erases_themselves_there(self, client_with: Callable[..., Client]) -> None:
        self.try_to_erase(client_with("view_user", "erase_person"), "staff")

        assert User.objects.filter(pk="staff").exists()

    def test_only_a_superuser_erases_a_superuser(self, other: User, client_with: Callable[..., Client]) -> None:
        self.try_to_erase(client_with("view_user", "erase_person"), "other")

        assert User.objects.filter(pk="other").exists()

    def test_looking_erases_nobody(self, ida: User, client_with: Callable[..., Client]) -> None:
        client = client_with("view_user", "erase_person")
        TaskFactory.create_batch(3, user=ida)

        page = client.get(reverse("admin:users_user_delete", args=[ID])).text
        asked = client.post(self.PEOPLE, {"action": "delete_selected", "_selected_action": [ID], "index": "0"}).text

        for shown in (page, asked):
            assert "Tasks: 3" in shown
        assert User.objects.filter(pk=ID).exists()
        assert Task.objects.count() == 3


def test_every_table_with_people_in_it_is_known(db: None) -> None:
    """A new table that refers to people, or keeps ids of them as text, is to be thought of here."""
    referring = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.fields
        if field.related_model is User or field.name in {"person_id", "principal", "username"}
    }
    assert referring == {
        *("admin.LogEntry.user", "oauth2_provider.Application.user", "oauth2_provider.Grant.user"),
        *("oauth2_provider.AccessToken.user", "oauth2_provider.RefreshToken.user", "oauth2_provider.IDToken.user"),
        *("oauth2_provider.DeviceGrant.user", "users.User.username", "users.PersonalToken.user", "users.Login.user"),
        *("users.SecurityEvent.user", "users.SecurityEvent.by", "idempotency.IdempotencyKey.user", "tasks.Task.user"),
        *("conversations.Conversation.user", "conversations.Message.user", "conversations.Note.author"),
        *("conversations.ChatAccess.actor", "conversations.ChatAccess.person_id", "mcp_tools.ToolCall.user"),
        *("mcp_tools.ToolCall.principal", "axes.AccessAttempt.username", "axes.AccessLog.username"),
        "axes.AccessFailureLog.username",
    }


class TestDownload:
    URL = "/api/auth/account/data/"

    def login(self, user: User) -> str:
        return logins.log_in(user=User.objects.get(pk=user.pk)).access

    def get(self, token: str, **headers: str) -> Any:
        return Client().get(self.URL, headers={"Authorization": f"Bearer {token}", **headers})

    def kinds(self, content: bytes) -> set[str]:
        return {json.loads(line)["kind"] for line in content.decode().split("\n")[:-1]}

    def test_has_all_that_is_theirs_and_nothing_else(self, ida: User, other: User) -> None:
        bob = UserFactory.create(id="bob", username="bob", email="bob@example.com")
        start = start_conversation(user_id="bob", title="platypus")
        add_turn(user_id="bob", conversation_id=start.pk, messages=[Said("user", "platypus")])
        TaskFactory.create(user=bob, title="platypus")
        issue_token(user_id="bob", name="platypus")
        fill(ida, by=other)
        SecurityEvent.objects.filter(by=other).update(address="198.51.100.9")
        TaskFactory.create(user=ida, title="an axolotl")
        ToolCall.objects.create(user=ida, principal="other", tool="add_task", arguments={"n": "newt"}, duration_ms=1)

        response = self.get(self.login(ida))
        content = b"".join(response.streaming_content)

        assert response["Content-Type"] == "application/jsonl"
        assert response["Content-Disposition"] == 'attachment; filename="my-data.jsonl"'
        assert self.kinds(content) == {
            *("account", "personal_token", "login", "connected_app", "security_event", "task", "conversation"),
            *("message", "tool_call", "end"),
        }
        for theirs in (*TRACES, "axolotl", "newt"):
            assert theirs.encode() in content
        digests = [row.digest for row in PersonalToken.objects.all()] + [row.refresh_id for row in Login.objects.all()]
        passwords = list(User.objects.exclude(password="").values_list("password", flat=True))
        for not_theirs in ("platypus", "bob", "other", "198.51.100.9", *digests, *passwords):
            assert not_theirs.encode() not in content

    def test_is_on_record(self, ida: User) -> None:
        self.get(self.login(ida))

        assert SecurityEvent.objects.filter(user=ida, kind=Kind.DATA_DOWNLOADED).count() == 1

    def test_another_token_does_not_do(self, ida: User) -> None:
        _, token = issue_token(user_id=ida.pk)

        assert self.get(token).status_code == 403
        assert Client().get(self.URL).status_code == 401
        assert not SecurityEvent.objects.filter(kind=Kind.DATA_DOWNLOADED).exists()

    def test_nobody_downloads_for_another(self, ida: User, other: User) -> None:
        assert self.get(self.login(ida), **{"On-Behalf-Of": "other"}).status_code == 403
        assert self.get(self.login(ida), **{"On-Behalf-Of": ID}).status_code == 200

    def test_somebody_deactivated_gets_nothing(self, ida: User) -> None:
        token = self.login(ida)
        User.objects.filter(pk=ID).update(is_active=False)

        assert self.get(token).status_code == 401

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_it_is_only_read(self, ida: User, method: str) -> None:
        headers = {"Authorization": f"Bearer {self.login(ida)}"}

        assert getattr(Client(), method)(self.URL, headers=headers).status_code == 405

    def test_is_throttled(self, ida: User, settings: Any) -> None:
        settings.THROTTLE_LOGIN = 1
        token = self.login(ida)

        assert [self.get(token).status_code for _ in range(2)] == [200, 429]
