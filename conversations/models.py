"""Conversations between people and their agents, and the messages in them."""

from __future__ import annotations

from itertools import chain

from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.db import connections, models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils import timezone

from conversations.search import HasWords, SearchableWords, finder, newest_having, query_for, query_for_owner, words_of
from todoproj.indexes import Index
from todoproj.text import validate_storable

TITLE_MAX_LENGTH = 200
CONTENT_MAX_LENGTH = 100_000
NOTE_MAX_LENGTH = 10_000
# How much of its first message a conversation is known by.
BEGINNING_LENGTH = 100

# How many conversations a search finds at most by what was said in them, and as many by their titles: those in which
# the words were said last, and those that were started last.
SEARCH_LIMIT = 100
# How many messages, and how many titles, a search looks at on SQLite: the newest.
SEARCH_WINDOW = 1_000


class Role(models.TextChoices):
    """Who says something."""

    USER = "user"
    ASSISTANT = "assistant"


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def owned_by(self, user_id: str) -> ConversationQuerySet:
        """This person's conversations: for anyone else's, the answer is as if they did not exist."""
        return self.filter(user_id=user_id)

    def search(self, text: str, *, user_id: str | None = None) -> ConversationQuerySet:
        """Those whose title, or one of whose messages, has all the words of the text; none for a text without words.
        Raises ValidationError for one that is too long.

        They are looked for when this is called: at most SEARCH_LIMIT in which the words were said last, and as many
        that were started last. user_id: only this person's; None for everybody's. On SQLite, only the newest
        SEARCH_WINDOW messages and titles are looked at.
        """
        words = words_of(text)
        if not words:
            return self.none()
        conversations, messages = Conversation.objects.using(self.db), Message.objects.using(self.db)
        if user_id is not None:
            conversations, messages = conversations.owned_by(user_id), messages.owned_by(user_id)
        if connections[self.db].vendor == "postgresql":
            saying = newest_having(
                messages, "content", words, of="conversation_id", limit=SEARCH_LIMIT, user_id=user_id
            )
            titled_so = newest_having(conversations, "title", words, of="pk", limit=SEARCH_LIMIT, user_id=user_id)
            return self.filter(pk__in=saying | titled_so)
        has_words = finder(words)
        said = messages.order_by("-created_at", "-pk").values_list("conversation_id", "content")[:SEARCH_WINDOW]
        titled = conversations.order_by("-updated_at", "-pk").values_list("pk", "title")[:SEARCH_WINDOW]
        texts = chain(said.iterator(chunk_size=100), titled)
        return self.filter(pk__in={pk for pk, text in texts if has_words(text)})


class Conversation(models.Model):
    """A thread of messages between a person and an agent.

    What its messages come to is kept here, by the services: their number, when and by whom the last one was said, and
    how the first one begins. So is how many notes staff left, and what the agent did meanwhile: calls of tools that
    changed something, and calls that were refused.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations", db_index=False, verbose_name="person"
    )
    title = models.CharField(max_length=TITLE_MAX_LENGTH, blank=True, default="", validators=[validate_storable])
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now, help_text="When the last message came.")
    message_count = models.IntegerField(default=0, db_default=0)
    last_role = models.CharField(
        max_length=20,
        choices=Role.choices,
        blank=True,
        default="",
        db_default="",
        help_text="Who said the last message; empty without one.",
    )
    beginning = models.CharField(
        max_length=BEGINNING_LENGTH, blank=True, default="", db_default="", help_text="How the first message begins."
    )
    tool_call_count = models.IntegerField(default=0, db_default=0, help_text="Calls of tools that changed something.")
    error_count = models.IntegerField(default=0, db_default=0, help_text="Calls of tools that were refused or failed.")
    note_count = models.IntegerField(default=0, db_default=0, help_text="Notes of staff.")

    objects = ConversationQuerySet.as_manager()

    class Meta:
        db_table = "conversations"
        constraints = [
            # SQLite ignores the length of a varchar.
            models.CheckConstraint(
                condition=models.Q(LessThanOrEqual(Length("title"), TITLE_MAX_LENGTH)),
                name="ck_conversations_title_length",
            ),
            models.CheckConstraint(condition=models.Q(last_role__in=["", *Role]), name="ck_conversations_last_role"),
            models.CheckConstraint(
                condition=models.Q(message_count=0, last_role="")
                | models.Q(message_count__gt=0) & ~models.Q(last_role=""),
                name="ck_conversations_message_count",
            ),
            # What messages refer to, so that a message's person is always its conversation's (see the migrations).
            models.UniqueConstraint(fields=["id", "user"], name="uq_conversations_id_user"),
        ]
        indexes = [
            Index(fields=["user", "-updated_at", "-id"], name="idx_conversations_user_updated"),
            Index(fields=["-updated_at", "-id"], name="idx_conversations_updated"),
            Index(fields=["last_role", "-updated_at", "-id"], name="idx_conversations_role_updated"),
            Index(
                fields=["-updated_at", "-id"],
                condition=models.Q(error_count__gt=0),
                name="idx_conversations_errors_updated",
            ),
            Index(
                fields=["-updated_at", "-id"],
                condition=models.Q(note_count__gt=0),
                name="idx_conversations_notes_updated",
            ),
        ]
        permissions = [
            ("export_chats", "Can export chats"),
            ("redact_chats", "Can redact chats"),
            ("delete_old_chats", "Can delete old chats"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}".strip()


class MessageQuerySet(models.QuerySet["Message"]):
    def owned_by(self, user_id: str) -> MessageQuerySet:
        """The messages of this person's conversations: anyone else's are as if they did not exist."""
        return self.filter(user_id=user_id)

    def search(self, text: str, *, user_id: str | None = None) -> MessageQuerySet:
        """Those that have all the words of the text; none for a text without words. Raises ValidationError for one that
        is too long.

        user_id: only this person's, which is faster than to filter what was found; None for everybody's. On SQLite,
        only the newest SEARCH_WINDOW messages are looked at, when this is called.
        """
        words = words_of(text)
        if not words:
            return self.none()
        if connections[self.db].vendor == "postgresql":
            kept = SearchableWords("content", "user_id", "pk")
            having = self.filter(HasWords(kept, query_for(words)))
            return having if user_id is None else having.filter(HasWords(kept, query_for_owner(user_id)))
        messages = Message.objects.using(self.db)
        if user_id is not None:
            messages = messages.owned_by(user_id)
        has_words = finder(words)
        newest = messages.order_by("-created_at", "-pk").values_list("pk", "content")[:SEARCH_WINDOW]
        return self.filter(pk__in=[pk for pk, content in newest.iterator(chunk_size=100) if has_words(content)])

    def in_order(self) -> MessageQuerySet:
        """As they were said."""
        return self.order_by("created_at", "pk")


class Message(models.Model):
    """What one side said. It is kept exactly as it was given, and never changed, unless staff redact it."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="messages", db_index=False, verbose_name="person"
    )
    role = models.CharField(max_length=20, choices=Role.choices)
    content = models.TextField(validators=[MaxLengthValidator(CONTENT_MAX_LENGTH), validate_storable])
    created_at = models.DateTimeField(default=timezone.now)
    redacted_at = models.DateTimeField(null=True, blank=True, help_text="When the content was taken out; null if not.")

    objects = MessageQuerySet.as_manager()

    class Meta:
        db_table = "messages"
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=["user", "assistant"]), name="ck_messages_role"),
            models.CheckConstraint(
                condition=models.Q(GreaterThanOrEqual(Length("content"), 1)), name="ck_messages_content_not_empty"
            ),
            models.CheckConstraint(
                condition=models.Q(LessThanOrEqual(Length("content"), CONTENT_MAX_LENGTH)),
                name="ck_messages_content_length",
            ),
        ]
        indexes = [
            Index(fields=["conversation", "created_at", "id"], name="idx_messages_conversation_created"),
            Index(fields=["user"], name="idx_messages_user"),
            Index(fields=["created_at"], name="idx_messages_created"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.role}"


class Note(models.Model):
    """What a member of staff noted about a conversation, for other staff alone."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="notes", db_index=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", help_text="Null once they are gone."
    )
    text = models.TextField(validators=[MaxLengthValidator(NOTE_MAX_LENGTH), validate_storable])
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "conversation_notes"
        indexes = [Index(fields=["conversation", "created_at", "id"], name="idx_conversation_notes_conversation")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class ChatAccess(models.Model):
    """That a member of staff read or took out somebody's chats, or changed what is kept of them.

    What it is about is kept by id alone, and outlives it.
    """

    class Action(models.TextChoices):
        """What was done."""

        VIEWED = "viewed"
        EXPORTED = "exported"
        REDACTED = "redacted"
        ERASED = "erased"

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Who did it; null for a command, or once they are gone.",
    )
    action = models.CharField(max_length=20, choices=Action.choices)
    person_id = models.CharField(max_length=255, blank=True, default="", help_text="Whose chats; empty for several.")
    conversation_id = models.BigIntegerField(null=True, help_text="Which conversation; null for several.")
    detail = models.CharField(max_length=500, blank=True, default="", help_text="How much of them, and by what means.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "chat_accesses"
        verbose_name = "chat access"
        verbose_name_plural = "chat accesses"
        indexes = [
            Index(fields=["-created_at", "-id"], name="idx_chat_accesses_created"),
            Index(fields=["conversation_id", "-created_at", "-id"], name="idx_chat_accesses_conversation"),
            Index(fields=["person_id", "-created_at", "-id"], name="idx_chat_accesses_person"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.action}"


class ChatDay(models.Model):
    """What was said on one day (UTC) that is over: it is counted once and kept, also when messages are deleted."""

    day = models.DateField(primary_key=True)
    messages = models.BigIntegerField()
    people = models.BigIntegerField(help_text="How many people's conversations they were in.")

    class Meta:
        db_table = "chat_days"

    def __str__(self) -> str:
        return f"{self.day}"
