"""The rules for conversations and messages, on a real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone

from conversations import services
from conversations.models import CONTENT_MAX_LENGTH, Conversation, Message
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
        assert ahead < message.created_at < ahead + timedelta(seconds=1)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"role": "system"}, "role"),
            ({"role": ""}, "role"),
            ({"content": ""}, "content"),
            ({"content": "\0"}, "content"),
            ({"content": "\udfff"}, "content"),
            ({"content": "x" * (CONTENT_MAX_LENGTH + 1)}, "content"),
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

    def test_a_message_of_any_allowed_length(self, ann: User) -> None:
        conversation = ConversationFactory.create(user=ann)
        longest = "🥛" * CONTENT_MAX_LENGTH
        services.add_message(user_id="ann", conversation_id=conversation.pk, role="user", content=longest)
        assert Message.objects.get().content == longest


class TestAddTurn:
    def test_is_kept_as_given_and_counted(self, ann: User) -> None:
        conversation = ConversationFactory.create(user=ann)
        turn = [services.Said("user", " a " * 50), services.Said("assistant", "b"), services.Said("assistant", "c")]

        added = services.add_turn(user_id="ann", conversation_id=conversation.pk, messages=turn)
        services.add_message(user_id="ann", conversation_id=conversation.pk, role="user", content="d")

        messages = list(conversation.messages.in_order())
        assert messages[:3] == added
        assert [services.Said(message.role, message.content) for message in messages] == [*turn, ("user", "d")]
        assert len({message.created_at for message in messages}) == 4
        conversation.refresh_from_db()
        assert (conversation.message_count, conversation.last_role) == (4, "user")
        assert conversation.updated_at == messages[-1].created_at
        assert conversation.beginning == (" a " * 50)[:100]

    def test_times_never_run_backwards(self, ann: User) -> None:
        ahead = timezone.now() + timedelta(minutes=5)
        conversation = ConversationFactory.create(user=ann, updated_at=ahead)
        turn = [services.Said("user", "x")] * 3
        added = services.add_turn(user_id="ann", conversation_id=conversation.pk, messages=turn)
        added += services.add_turn(user_id="ann", conversation_id=conversation.pk, messages=turn)
        times = [ahead, *(message.created_at for message in added)]
        assert times == sorted(set(times))

    @pytest.mark.parametrize(
        ("turn", "fields"),
        [
            ([], {"messages"}),
            ([("user", "x")] * 101, {"messages"}),
            ([("user", "x"), ("user", "")], {"messages.1.content"}),
            (
                [("system", "\0"), ("user", "x"), ("", "x")],
                {"messages.0.role", "messages.0.content", "messages.2.role"},
            ),
            ([("user", "x" * (CONTENT_MAX_LENGTH + 1))], {"messages.0.content"}),
        ],
    )
    def test_refuses(self, ann: User, turn: list[tuple[str, str]], fields: set[str]) -> None:
        conversation = ConversationFactory.create(user=ann)
        messages = [services.Said(*said) for said in turn]
        with pytest.raises(ValidationError) as refused:
            services.add_turn(user_id="ann", conversation_id=conversation.pk, messages=messages)
        assert set(refused.value.message_dict) == fields
        assert not Message.objects.exists()


class TestRenameConversation:
    def test_leaves_its_place_in_the_list(self, ann: User) -> None:
        conversation = MessageFactory.create(conversation__user=ann).conversation
        before = Conversation.objects.values().get()
        renamed = services.rename_conversation(user_id="ann", conversation_id=conversation.pk, title=" Milk ")
        assert renamed.title == "Milk"
        assert Conversation.objects.values().get() == before | {"title": "Milk"}

    @pytest.mark.parametrize("title", ["x" * 201, "\0", "\ud800"])
    def test_refuses_a_title(self, ann: User, title: str) -> None:
        conversation = ConversationFactory.create(user=ann)
        with pytest.raises(ValidationError) as refused:
            services.rename_conversation(user_id="ann", conversation_id=conversation.pk, title=title)
        assert set(refused.value.message_dict) == {"title"}


class TestDeleteConversation:
    def test_takes_its_messages_along(self, ann: User) -> None:
        gone, kept = [MessageFactory.create(conversation__user=ann) for _ in range(2)]
        services.delete_conversation(user_id="ann", conversation_id=gone.conversation.pk)
        assert list(Message.objects.all()) == [kept]
        assert list(Conversation.objects.all()) == [kept.conversation]


@pytest.mark.parametrize("conversation_id", [None, 999_999_999, 2**63 - 1, 2**63, 10**40])
@pytest.mark.parametrize(
    "service",
    [
        services.get_conversation,
        partial(services.rename_conversation, title="x"),
        services.delete_conversation,
        partial(services.list_messages, limit=1),
        partial(services.add_message, role="user", content="x"),
        partial(services.add_turn, messages=[services.Said("user", "x")]),
    ],
)
def test_another_persons_conversation_does_not_exist(
    ann: User, bob: User, service: Any, conversation_id: int | None
) -> None:
    bobs = MessageFactory.create(conversation__user=bob).conversation
    before = list(Conversation.objects.values()), list(Message.objects.values())
    with pytest.raises(Conversation.DoesNotExist):
        service(user_id="ann", conversation_id=conversation_id or bobs.pk)
    assert (list(Conversation.objects.values()), list(Message.objects.values())) == before


def checked(write: Callable[[], object]) -> None:
    """Write, and have the constraints checked that wait for the end of the transaction."""
    write()
    connection.check_constraints()


class TestTheDatabaseHolds:
    """What a program that goes past the services can't write either."""

    @pytest.mark.parametrize(
        "change",
        [
            {"role": "system"},
            {"content": ""},
            {"content": "x" * (CONTENT_MAX_LENGTH + 1)},
            {"user_id": None},
            {"conversation_id": None},
        ],
    )
    def test_a_message(self, change: dict[str, Any]) -> None:
        message = MessageFactory.create()
        with pytest.raises((IntegrityError, DataError)), transaction.atomic():
            Message.objects.filter(pk=message.pk).update(**change)

    @pytest.mark.parametrize(
        "change",
        [
            {"message_count": -1, "last_role": "user"},
            {"message_count": 1},
            {"last_role": "user"},
            {"message_count": 1, "last_role": "system"},
            {"title": "x" * 201},
        ],
    )
    def test_a_conversation(self, change: dict[str, Any]) -> None:
        conversation = ConversationFactory.create()
        with pytest.raises((IntegrityError, DataError)), transaction.atomic():
            Conversation.objects.filter(pk=conversation.pk).update(**change)

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
