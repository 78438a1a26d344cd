"""A message that was redacted says so, and its text is found nowhere any more; and notes, by the rules."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from conversations import services
from conversations.models import ChatAccess, Conversation, Message, Note
from conversations.services import REDACTED
from conversations.tests.factories import ConversationFactory, MessageFactory
from todoproj.users.models import User
from todoproj.users.services import issue_token

pytestmark = pytest.mark.django_db

SECRET = "The code is 4711, “Käse”."


@pytest.fixture
def client(ann: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {issue_token(user_id='ann')[1]}"})


def send(client: Client, method: str, path: str, body: Any, key: str | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    response = getattr(client, method)(
        f"/api/conversations/{path}", body, content_type="application/json", headers=headers
    )
    assert response.status_code < 300
    return response


def said(*contents: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents]}


class TestRedactMessage:
    def test_leaves_the_marker_and_the_rest(self, ann: User, bob: User) -> None:
        message = MessageFactory.create(content=SECRET)

        redacted = services.redact_message(actor_id="ann", message_id=message.pk)

        kept = Message.objects.get()
        assert redacted == kept
        assert (kept.content, kept.role, kept.created_at) == (REDACTED, message.role, message.created_at)
        assert kept.redacted_at is not None
        access = ChatAccess.objects.get()
        assert (access.action, access.actor_id, access.person_id) == ("redacted", "ann", message.user_id)
        assert (access.conversation_id, access.detail) == (message.conversation_id, f"message {message.pk}")

    def test_mends_how_the_conversation_begins(self, ann: User) -> None:
        conversation = services.start_conversation(user_id="ann", title="Cheese")
        turn = [services.Said("user", SECRET), services.Said("assistant", "No.")]
        first, second = services.add_turn(user_id="ann", conversation_id=conversation.pk, messages=turn)

        services.redact_message(actor_id=None, message_id=second.pk)
        conversation.refresh_from_db()
        assert (conversation.beginning, conversation.title) == (SECRET, "Cheese")

        before = conversation.updated_at
        services.redact_message(actor_id=None, message_id=first.pk)
        conversation.refresh_from_db()
        assert (conversation.beginning, conversation.title) == (REDACTED, "Cheese")
        assert (conversation.message_count, conversation.last_role, conversation.updated_at) == (2, "assistant", before)

    def test_is_done_once(self, ann: User) -> None:
        message = MessageFactory.create()
        first = services.redact_message(actor_id="ann", message_id=message.pk)

        again = services.redact_message(actor_id="ann", message_id=message.pk)

        assert again.redacted_at == first.redacted_at
        assert ChatAccess.objects.count() == 1

    def test_of_none(self) -> None:
        with pytest.raises(Message.DoesNotExist):
            services.redact_message(actor_id=None, message_id=999999)

    def test_is_all_or_nothing(self, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        conversation = ConversationFactory.create(user=ann)
        message = services.add_message(user_id="ann", conversation_id=conversation.pk, role="user", content=SECRET)

        def fail(**_: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(services, "record_access", fail)
        with pytest.raises(RuntimeError):
            services.redact_message(actor_id=None, message_id=message.pk)

        assert Message.objects.get().content == Conversation.objects.get().beginning == SECRET

    def test_is_found_no_more(self, ann: User) -> None:
        message = MessageFactory.create(conversation__user=ann, content=SECRET)
        assert Conversation.objects.search("käse 4711").get() == message.conversation

        services.redact_message(actor_id=None, message_id=message.pk)

        for user_id in [None, "ann"]:
            assert not Conversation.objects.search("käse", user_id=user_id).exists()
            assert not Message.objects.search("4711", user_id=user_id).exists()
            assert Message.objects.search("redacted", user_id=user_id).get() == message

    def test_is_told_over_rest(self, ann: User, client: Client) -> None:
        message = MessageFactory.create(conversation__user=ann, content=SECRET)
        services.redact_message(actor_id=None, message_id=message.pk)

        [shown] = client.get(f"/api/conversations/{message.conversation_id}/messages/").json()["results"]

        assert (shown["content"], shown["redacted_at"] is None) == (REDACTED, False)


class TestRequestsThatComeAgain:
    """Those with an Idempotency-Key."""

    def test_are_answered_without_the_text(self, ann: User, client: Client) -> None:
        conversation = ConversationFactory.create(user=ann)
        turn = send(client, "post", f"{conversation.pk}/turns/", said(SECRET, "Second"), key="turn").json()
        third = send(client, "post", f"{conversation.pk}/messages/", said("Third")["messages"][0], key="message").json()
        send(client, "patch", f"{conversation.pk}/", {"title": "Cheese"}, key="rename")

        services.redact_message(actor_id=None, message_id=turn["messages"][0]["id"])

        again = send(client, "post", f"{conversation.pk}/turns/", said(SECRET, "Second"), key="turn")
        assert again["Idempotent-Replayed"] == "true"
        first, second = again.json()["messages"]
        assert (first["content"], first["redacted_at"] is None) == (REDACTED, False)
        assert second == turn["messages"][1]
        message = send(client, "post", f"{conversation.pk}/messages/", said("Third")["messages"][0], key="message")
        assert message.json() == third
        renamed = send(client, "patch", f"{conversation.pk}/", {"title": "Cheese"}, key="rename").json()
        assert (renamed["title"], renamed["beginning"]) == ("Cheese", REDACTED)
        assert Message.objects.count() == 3


class TestCommand:
    def test_redacts(self, capsys: pytest.CaptureFixture[str]) -> None:
        message = MessageFactory.create(content=SECRET)

        for outcome in ["was redacted", "was redacted before"]:
            call_command("redact_message", str(message.pk))
            printed = capsys.readouterr().out
            assert f"Message {message.pk} of conversation {message.conversation_id}" in printed
            assert printed.endswith(f": {outcome}.\n")
            assert SECRET not in printed

        message.refresh_from_db()
        assert message.content == REDACTED
        assert ChatAccess.objects.get().actor is None

    def test_only_says_so_in_a_dry_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        message = MessageFactory.create(content=SECRET)

        call_command("redact_message", str(message.pk), "--dry-run")

        assert capsys.readouterr().out.endswith(": would be redacted.\n")
        message.refresh_from_db()
        assert (message.content, message.redacted_at) == (SECRET, None)
        assert not ChatAccess.objects.exists()

    @pytest.mark.parametrize("number", ["999999", "9" * 30])
    def test_says_that_there_is_none(self, number: str) -> None:
        with pytest.raises(CommandError, match="There is no message"):
            call_command("redact_message", number)


class TestAddNote:
    def test_counts_it(self, ann: User) -> None:
        conversation = ConversationFactory.create()
        before = conversation.updated_at

        for text in [" first ", "second"]:
            services.add_note(author_id="ann", conversation_id=conversation.pk, text=text)

        assert list(Note.objects.order_by("pk").values_list("text", "author_id")) == [
            ("first", "ann"),
            ("second", "ann"),
        ]
        conversation.refresh_from_db()
        assert (conversation.note_count, conversation.updated_at) == (2, before)

    @pytest.mark.parametrize("text", ["", " ", "\0", "x" * 10_001])
    def test_refuses(self, ann: User, text: str) -> None:
        conversation = ConversationFactory.create()

        with pytest.raises(ValidationError) as refused:
            services.add_note(author_id="ann", conversation_id=conversation.pk, text=text)

        assert set(refused.value.message_dict) == {"text"}
        conversation.refresh_from_db()
        assert conversation.note_count == Note.objects.count() == 0

    def test_of_none(self, ann: User) -> None:
        with pytest.raises(Conversation.DoesNotExist):
            services.add_note(author_id="ann", conversation_id=999999, text="x")
