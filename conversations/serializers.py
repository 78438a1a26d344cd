"""Conversations and messages as JSON, and what a client may say of them. What holds for a value is the services'
business."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers

from conversations.models import (
    CONTENT_MAX_LENGTH,
    SEARCH_LIMIT,
    SEARCH_WINDOW,
    TITLE_MAX_LENGTH,
    Conversation,
    Message,
    Role,
)
from conversations.search import SEARCH_MAX_LENGTH, SEARCHED_LENGTH
from conversations.services import TURN_MAX_LENGTH
from todoproj.rest import ChoiceField, ExactTextField, TextField


class ConversationSerializer(serializers.ModelSerializer[Any]):
    last_role = ChoiceField(
        choices=Role.choices, allow_blank=True, help_text="Who said the last message; empty without one."
    )

    class Meta:
        model = Conversation
        fields = ["id", "title", "beginning", "message_count", "last_role", "created_at", "updated_at"]
        read_only_fields = fields


class StartConversationSerializer(serializers.Serializer[Any]):
    title = TextField(max_length=TITLE_MAX_LENGTH, default="", allow_blank=True, trim_whitespace=False)


class RenameConversationSerializer(serializers.Serializer[Any]):
    title = TextField(max_length=TITLE_MAX_LENGTH, allow_blank=True, trim_whitespace=False)


class RenameConversationSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Says that there must be a title, also where a part of something is changed."""

    target_class = RenameConversationSerializer

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        fields: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return fields | {"required": ["title"]}


class ListConversationsSerializer(serializers.Serializer[Any]):
    search = TextField(
        max_length=SEARCH_MAX_LENGTH,
        default="",
        allow_blank=True,
        help_text=(
            "Only conversations whose title, or one of whose messages, has all of these words, whole and in any case, "
            f"within the first {SEARCHED_LENGTH:,} characters. At most {SEARCH_LIMIT:,} are found by what was said in "
            "them, those in which the words were said last, and as many by their titles, those that were started last. "
            "On SQLite, only the newest "
            f"{SEARCH_WINDOW:,} messages and titles are looked at."
        ),
    )


class MessageSerializer(serializers.ModelSerializer[Any]):
    class Meta:
        model = Message
        fields = ["id", "role", "content", "created_at", "redacted_at"]
        read_only_fields = fields


class AddMessageSerializer(serializers.Serializer[Any]):
    role = ChoiceField(choices=Role.choices)
    content = ExactTextField(max_length=CONTENT_MAX_LENGTH, help_text="Kept exactly as it is given.")


class AddTurnSerializer(serializers.Serializer[Any]):
    messages = serializers.ListField(child=AddMessageSerializer(), min_length=1, max_length=TURN_MAX_LENGTH)


class TurnSerializer(serializers.Serializer[Any]):
    messages = MessageSerializer(many=True)


class ListMessagesSerializer(serializers.Serializer[Any]):
    order = ChoiceField(
        choices=["oldest", "newest"],
        default="oldest",
        help_text="Which comes first: as they were said, or the last one.",
    )
