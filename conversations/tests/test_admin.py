"""The admin of conversations and messages."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

import conversations.admin
from conversations.models import Conversation, Message
from conversations.tests.factories import ConversationFactory, MessageFactory
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

CONVERSATIONS = reverse("admin:conversations_conversation_changelist")
MESSAGES = reverse("admin:conversations_message_changelist")


def page(row: Conversation | Message, name: str = "change") -> str:
    return reverse(f"admin:conversations_{row._meta.model_name}_{name}", args=[row.pk])


def found(client: Client, path: str, **params: Any) -> list[int]:
    return [row.pk for row in client.get(path, params).context["cl"].result_list]


class TestReadOnly:
    @pytest.fixture
    def message(self, ann: User) -> Message:
        return MessageFactory.create(conversation__user=ann, content="Buy milk, please.")

    @pytest.mark.parametrize("model", ["conversation", "message"])
    def test_nothing_is_added(self, admin_client: Client, message: Message, model: str) -> None:
        form = {"conversation": message.conversation_id, "user": "ann", "role": "user", "content": "x", "title": "x"}

        assert admin_client.post(reverse(f"admin:conversations_{model}_add"), form).status_code == 403
        assert (Conversation.objects.count(), Message.objects.count()) == (1, 1)

    def test_nothing_is_changed(self, admin_client: Client, message: Message) -> None:
        for row in (message, message.conversation):
            assert admin_client.post(page(row), {"content": "forged", "title": "forged"}).status_code == 403

        message.refresh_from_db()
        assert message.content == "Buy milk, please."
        assert not Conversation.objects.filter(title="forged").exists()

    def test_nothing_is_deleted(self, admin_client: Client, message: Message) -> None:
        for row in (message, message.conversation):
            assert admin_client.post(page(row, "delete"), {"post": "yes"}).status_code == 403
        for path, row in ((MESSAGES, message), (CONVERSATIONS, message.conversation)):
            form = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
            assert b"delete_selected" not in admin_client.post(path, form).content

        assert (Conversation.objects.count(), Message.objects.count()) == (1, 1)

    def test_no_page_has_a_form_to_send(self, admin_client: Client, message: Message) -> None:
        for row in (message, message.conversation):
            response = admin_client.get(page(row))
            assert not response.context["adminform"].form.fields
            assert "_save" not in response.text

    def test_the_permission_to_view_is_enough_to_read_and_to_no_more(self, client: Client, message: Message) -> None:
        reader = UserFactory.create(is_staff=True)
        reader.user_permissions.set(Permission.objects.filter(content_type__app_label="conversations"))
        client.force_login(reader)

        assert "Buy milk, please." in client.get(page(message)).text
        assert client.get(CONVERSATIONS).status_code == 200
        assert client.post(page(message), {"content": "forged"}).status_code == 403


class TestConversationList:
    def test_the_latest_activity_comes_first(self, admin_client: Client) -> None:
        now = timezone.now()
        old = ConversationFactory.create(updated_at=now - timedelta(hours=2))
        new = ConversationFactory.create(updated_at=now)
        middle = ConversationFactory.create(updated_at=now - timedelta(hours=1))

        assert found(admin_client, CONVERSATIONS) == [new.pk, middle.pk, old.pk]

    def test_is_searched_by_number_and_person(self, admin_client: Client, ann: User) -> None:
        mine, other = ConversationFactory.create(user=ann), ConversationFactory.create()

        assert found(admin_client, CONVERSATIONS, q="ann@example.com") == [mine.pk]
        assert found(admin_client, CONVERSATIONS, q=str(other.pk)) == [other.pk]


class TestConversationPage:
    def test_shows_the_messages_in_order_as_they_were_written(self, admin_client: Client) -> None:
        conversation = ConversationFactory.create()
        for content in ("first <b>", "second", "third"):
            MessageFactory.create(conversation=conversation, content=content)
        MessageFactory.create(content="of another conversation")

        shown = admin_client.get(page(conversation)).text

        assert shown.index("first &lt;b&gt;") < shown.index("second") < shown.index("third")
        assert "of another conversation" not in shown

    def test_shows_the_latest_ones_of_many(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(conversations.admin, "MESSAGES_SHOWN", 2)
        conversation = ConversationFactory.create()
        for content in ("first", "second", "third"):
            MessageFactory.create(conversation=conversation, content=content)

        shown = admin_client.get(page(conversation)).text

        assert "These are the latest 2." in shown
        assert "first" not in shown
        assert shown.index("second") < shown.index("third")

    def test_shows_the_beginning_of_a_long_one(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(conversations.admin, "CHARACTERS_SHOWN", 10)
        message = MessageFactory.create(content="0123456789012345")

        shown = admin_client.get(page(message.conversation)).text

        assert "012345678…" in shown
        assert "0123456789" not in shown

    def test_asks_the_same_for_many_messages(self, admin_client: Client) -> None:
        conversation = ConversationFactory.create()
        MessageFactory.create_batch(3, conversation=conversation)
        with CaptureQueriesContext(connection) as few:
            admin_client.get(page(conversation))
        MessageFactory.create_batch(57, conversation=conversation)

        with CaptureQueriesContext(connection) as many:
            admin_client.get(page(conversation))

        assert len(many) == len(few)

    def test_links_to_the_list_of_its_messages(self, admin_client: Client) -> None:
        conversation = ConversationFactory.create()
        mine, _ = MessageFactory.create(conversation=conversation), MessageFactory.create()

        assert f"{MESSAGES}?conversation__id__exact={conversation.pk}" in admin_client.get(page(conversation)).text
        assert found(admin_client, MESSAGES, conversation__id__exact=conversation.pk) == [mine.pk]


class TestMessageList:
    def test_shows_the_beginning_of_each(self, admin_client: Client) -> None:
        MessageFactory.create(content="x" * 500)

        shown = admin_client.get(MESSAGES).text

        assert "x" * 99 + "…" in shown
        assert "x" * 101 not in shown

    def test_reads_no_more_than_the_beginning(self, admin_client: Client) -> None:
        MessageFactory.create_batch(3)

        with CaptureQueriesContext(connection) as captured:
            admin_client.get(MESSAGES)

        [rows] = [query["sql"] for query in captured if 'AS "beginning"' in query["sql"]]
        assert rows.count('"messages"."content"') == 1

    def test_is_filtered_by_role(self, admin_client: Client) -> None:
        asked, answered = MessageFactory.create(), MessageFactory.create(role=Message.Role.ASSISTANT)

        assert found(admin_client, MESSAGES, role__exact="user") == [asked.pk]
        assert found(admin_client, MESSAGES, role__exact="assistant") == [answered.pk]

    def test_a_filter_by_conversation_shows_and_can_be_lifted(self, admin_client: Client) -> None:
        message = MessageFactory.create()

        chosen = {"conversation__id__exact": str(message.conversation_id), "role__exact": "user"}
        shown = admin_client.get(MESSAGES, chosen)

        spec = next(spec for spec in shown.context["cl"].filter_specs if spec.title == "conversation")
        everything, this = spec.choices(shown.context["cl"])
        assert (everything["query_string"], everything["selected"]) == ("?role__exact=user", False)
        assert (this["display"], this["selected"]) == (str(message.conversation_id), True)

    def test_a_filter_that_names_no_conversation_leads_back_to_the_list(self, admin_client: Client) -> None:
        assert admin_client.get(MESSAGES, {"conversation__id__exact": "x"}).status_code == 302

    def test_a_page_shows_the_whole_message(self, admin_client: Client) -> None:
        message = MessageFactory.create(content="x" * 5000 + "\n  <indented>")

        assert "x" * 5000 + "\n  &lt;indented&gt;" in admin_client.get(page(message)).text
