"""Old conversations are deleted in the admin: after a look at how many there are, and a yes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conversations import retention_admin
from conversations.models import ChatAccess, Conversation, Message
from conversations.tests.factories import ConversationFactory, MessageFactory
from todoproj.users.models import User

pytestmark = pytest.mark.django_db

OLD = reverse("admin:conversations_conversation_old")
LIST = reverse("admin:conversations_conversation_changelist")


def aged(days: int) -> Conversation:
    conversation = ConversationFactory.create(updated_at=timezone.now() - timedelta(days=days))
    MessageFactory.create(conversation=conversation)
    return conversation


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


class TestAsking:
    def test_says_how_many_and_deletes_none(self, client: Client, staff: Callable[..., User]) -> None:
        staff("view_conversation", "delete_old_chats")
        for days in [10, 400, 500]:
            aged(days)

        shown = client.get(OLD, {"days": "365"})

        assert "<h2>2 conversations</h2>" in shown.text
        assert "Yes, delete them" in shown.text
        assert Conversation.objects.count() == 3
        assert not ChatAccess.objects.exists()

    def test_of_none_there_is_nothing_to_delete(self, admin_client: Client) -> None:
        aged(10)

        shown = admin_client.get(OLD, {"days": "365"}).text

        assert "<h2>0 conversations</h2>" in shown
        assert "Yes, delete them" not in shown

    @pytest.mark.parametrize(("setting", "proposed"), [(0, 365), (90, 90)])
    def test_proposes_an_age(self, admin_client: Client, settings: Any, setting: int, proposed: int) -> None:
        settings.CHAT_RETENTION_DAYS = setting

        assert f'name="days" value="{proposed}"' in admin_client.get(OLD).text

    @pytest.mark.parametrize("days", ["", "0", "-1", "1.5", "many", "99999999999999999999", "\0"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_an_age_that_is_none(self, admin_client: Client, method: str, days: str) -> None:
        aged(400)

        response = getattr(admin_client, method)(OLD, {"days": days})

        assert response.status_code == 200
        assert 'class="errorlist"' in response.text
        assert Conversation.objects.count() == 1


class TestDeleting:
    def test_takes_what_is_old(self, client: Client, staff: Callable[..., User]) -> None:
        somebody = staff("view_conversation", "delete_old_chats")
        young = aged(10)
        for days in [400, 500]:
            aged(days)

        response = client.post(OLD, {"days": "365"}, follow=True)

        assert said(response) == "2 conversations with 2 messages were deleted."
        assert [conversation.pk for conversation in Conversation.objects.all()] == [young.pk]
        assert Message.objects.get().conversation == young
        record = ChatAccess.objects.get()
        assert (record.actor, record.action) == (somebody, "erased")
        assert record.detail.endswith("2 conversations, 2 messages")

    def test_takes_so_many_at_once_the_oldest_first(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention_admin, "MOST_AT_ONCE", 2)
        youngest, *_ = [aged(days) for days in [400, 500, 600]]

        response = admin_client.post(OLD, {"days": "365"}, follow=True)

        assert "There are more of that age." in said(response)
        assert Conversation.objects.get() == youngest
        assert "There are more" not in said(admin_client.post(OLD, {"days": "365"}, follow=True))
        assert not Conversation.objects.exists()


class TestPermission:
    @pytest.mark.parametrize("held", [[], ["view_conversation"], ["delete_old_chats"], ["delete_conversation"]])
    def test_without_both_nothing_is_shown_or_done(
        self, client: Client, staff: Callable[..., User], held: list[str]
    ) -> None:
        staff(*held)
        aged(400)

        assert client.get(OLD, {"days": "365"}).status_code == 403
        assert client.post(OLD, {"days": "365"}).status_code == 403
        assert Conversation.objects.count() == 1

    def test_nobody_who_is_not_logged_in(self, client: Client) -> None:
        aged(400)

        assert client.post(OLD, {"days": "365"}).status_code == 302
        assert Conversation.objects.count() == 1

    def test_the_list_leads_there(self, client: Client, staff: Callable[..., User]) -> None:
        staff("view_conversation", "delete_old_chats")
        assert f'href="{OLD}"' in client.get(LIST).text
        staff("view_conversation")
        assert f'href="{OLD}"' not in client.get(LIST).text
