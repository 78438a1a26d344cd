"""Conversations between people and their agents, and the messages in them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils import timezone

from todoproj.indexes import Index
from todoproj.text import validate_storable

TITLE_MAX_LENGTH = 200


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def owned_by(self, user_id: str) -> ConversationQuerySet:
        """This person's conversations: for anyone else's, the answer is as if they did not exist."""
        return self.filter(user_id=user_id)


class Conversation(models.Model):
    """A thread of messages between a person and an agent."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations", db_index=False, verbose_name="person"
    )
    title = models.CharField(max_length=TITLE_MAX_LENGTH, blank=True, default="", validators=[validate_storable])
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now, help_text="When the last message came.")

    objects = ConversationQuerySet.as_manager()

    class Meta:
        db_table = "conversations"
        constraints = [
            # SQLite ignores the length of a varchar.
            models.CheckConstraint(
                condition=models.Q(LessThanOrEqual(Length("title"), TITLE_MAX_LENGTH)),
                name="ck_conversations_title_length",
            ),
            # What messages refer to, so that a message's person is always its conversation's (see the migrations).
            models.UniqueConstraint(fields=["id", "user"], name="uq_conversations_id_user"),
        ]
        indexes = [
            Index(fields=["user", "-updated_at", "-id"], name="idx_conversations_user_updated"),
            Index(fields=["-updated_at", "-id"], name="idx_conversations_updated"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}".strip()


class MessageQuerySet(models.QuerySet["Message"]):
    def owned_by(self, user_id: str) -> MessageQuerySet:
        """The messages of this person's conversations: anyone else's are as if they did not exist."""
        return self.filter(user_id=user_id)

    def in_order(self) -> MessageQuerySet:
        """As they were said."""
        return self.order_by("created_at", "pk")


class Message(models.Model):
    """What one side said. It is kept exactly as it was given, and never changed."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="messages", db_index=False, verbose_name="person"
    )
    role = models.CharField(max_length=20, choices=Role.choices)
    content = models.TextField(validators=[validate_storable])
    created_at = models.DateTimeField(default=timezone.now)

    objects = MessageQuerySet.as_manager()

    class Meta:
        db_table = "messages"
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=["user", "assistant"]), name="ck_messages_role"),
            models.CheckConstraint(
                condition=models.Q(GreaterThanOrEqual(Length("content"), 1)), name="ck_messages_content_not_empty"
            ),
        ]
        indexes = [
            Index(fields=["conversation", "created_at", "id"], name="idx_messages_conversation_created"),
            Index(fields=["user"], name="idx_messages_user"),
            Index(fields=["created_at"], name="idx_messages_created"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.role}"
