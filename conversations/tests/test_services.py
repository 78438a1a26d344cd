"""The rules for conversations and messages, on a real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone

from conversations import services
from conversations.models import Conversation, Message
from conversations.tests.factories import ConversationFactory, MessageFactory
from todoproj.users.models import User

pytestmark = pytest.mark.django_db


class TestStartConversation:
    def test_with_and_without_a_title(self, ann: User) -> None:
        assert services.start_conversation(user_id="ann", title=" Shopping ").title == "Shopping"
        conversation = services.start_conversation(user_id="ann")
        conversation.refresh_from_db()
        assert conversation.title == ""
        assert conversation.created_at == conversation.updated_at

    @pytest.mark.parametrize("title", ["x" * 201, "\0", "\ud800"])
    def test_refuses_a_title(self, ann: User, title: str) -> None:
        with pytest.raises(ValidationError) as refused:
            services.start_conversation(user_id="ann", title=title)
        assert set(refused.value.message_dict) == {"title"}


class TestAddMessage:
    def test_keeps_it_as_given_and_moves_the_conversation(self, ann: User) -> None:
        conversation = services.start_conversation(user_id="ann")
        content = "  ```python\n\tprint('é 🥛')\n```\r\n "
        message = services.add_message(user_id="ann", conversation_id=conversation.pk, role="user", content=content)
        message.refresh_from_db()
        before = conversation.updated_at
        conversation.refresh_from_db()
        assert (message.content, message.user_id, message.role) == (content, "ann", "user")
        assert conversation.updated_at == message.created_at > before

    def test_times_never_run_backwards(self, ann: User) -> None:
        ahead = timezone.now() + timedelta(minutes=5)
        conversation = ConversationFactory.create(user=ann, updated_at=ahead)
        message = services.add_message(user_id="ann", conversation_id=conversation.pk, role="user", content="x")
        assert message.created_at == ahead

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"role": "system"}, "role"),
            ({"role": ""}, "role"),
            ({"content": ""}, "content"),
            ({"content": "\0"}, "content"),
        ],
    )
    def test_refuses(self, ann: User, wrong: dict[str, str], field: str) -> None:
        conversation = ConversationFactory.create(user=ann)
        with pytest.raises(ValidationError) as refused:
            services.add_message(
                user_id="ann", conversation_id=conversation.pk, **{"role": "user", "content": "x"} | wrong
            )
        assert set(refused.value.message_dict) == {field}
        assert not Message.objects.exists()

    def test_another_persons_conversation_does_not_exist(self, ann: User, bob: User) -> None:
        conversation = ConversationFactory.create(user=bob)
        with pytest.raises(Conversation.DoesNotExist):
            services.add_message(user_id="ann", conversation_id=conversation.pk, role="user", content="x")
        assert not Message.objects.exists()


def checked(write: Callable[[], object]) -> None:
    """Write, and have the constraints checked that wait for the end of the transaction."""
    write()
    connection.check_constraints()


class TestTheDatabaseHolds:
    """What a program that goes past the services can't write either."""

    @pytest.mark.parametrize(
        "change", [{"role": "system"}, {"content": ""}, {"user_id": None}, {"conversation_id": None}]
    )
    def test_a_message(self, change: dict[str, Any]) -> None:
        message = MessageFactory.create()
        with pytest.raises((IntegrityError, DataError)), transaction.atomic():
            Message.objects.filter(pk=message.pk).update(**change)

    def test_a_message_is_its_conversations_persons(self, ann: User, bob: User) -> None:
        anns, bobs = MessageFactory.create(conversation__user=ann), MessageFactory.create(conversation__user=bob)
        writes = [
            lambda: Message.objects.create(conversation=anns.conversation, user=bob, role="user", content="x"),
            lambda: Message.objects.filter(pk=anns.pk).update(user=bob),
            lambda: Message.objects.filter(pk=anns.pk).update(conversation=bobs.conversation),
            lambda: Conversation.objects.filter(pk=anns.conversation_id).update(user=bob),
        ]
        for write in writes:
            with pytest.raises(IntegrityError), transaction.atomic():
                checked(write)
        assert Message.objects.filter(user_id="ann").count() == 1

    def test_messages_go_with_their_conversation_and_person(self, ann: User, bob: User) -> None:
        MessageFactory.create(conversation__user=ann)
        gone = MessageFactory.create(conversation__user=bob)
        kept = MessageFactory.create(conversation__user=bob)
        ann.delete()
        gone.conversation.delete()
        connection.check_constraints()
        assert list(Message.objects.all()) == [kept]


class TestQuerySets:
    def test_owned_by(self, ann: User, bob: User) -> None:
        anns, bobs = MessageFactory.create(conversation__user=ann), MessageFactory.create(conversation__user=bob)
        assert list(Message.objects.owned_by("ann")) == [anns]
        assert list(Conversation.objects.owned_by("bob")) == [bobs.conversation]

    def test_in_order(self, ann: User) -> None:
        at = timezone.now()
        conversation = ConversationFactory.create(user=ann)
        later = MessageFactory.create(conversation=conversation, created_at=at)
        first = MessageFactory.create(conversation=conversation, created_at=at - timedelta(seconds=1))
        same = MessageFactory.create(conversation=conversation, created_at=at)
        assert list(conversation.messages.in_order()) == [first, later, same]
