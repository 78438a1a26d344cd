"""Conversations and their messages, for staff to read: nothing here changes what was said."""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from conversations.models import Conversation, Message
from todoproj.admin import LinkedRowFilter, PersonRowsAdmin, change_link

# What the page of a conversation shows of it: messages, and characters of each.
MESSAGES_SHOWN = 100
CHARACTERS_SHOWN = 2_000
# What the list of messages shows of each.
BEGINNING_LENGTH = 100

M = TypeVar("M", bound=Model)


class ReadOnlyAdmin(PersonRowsAdmin[M]):
    """Whoever has the permission to view may view; nobody may do more, a superuser neither."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin[Conversation]):
    list_display = ("id", "title", "person", "created_at", "updated_at")
    list_display_links = ("id", "title")
    list_filter = ("updated_at", ("user", LinkedRowFilter))
    ordering = ("-updated_at", "-id")
    fields = ("person", "title", "created_at", "updated_at", "latest_messages")

    @admin.display(description="messages")
    def latest_messages(self, conversation: Conversation) -> SafeString:
        """The latest messages as they were said, each at most in part, and a link to all of them."""
        rows = conversation.messages.order_by("-created_at", "-pk").defer("content")
        newest_first: list[Any] = list(
            rows.annotate(beginning=Left("content", CHARACTERS_SHOWN + 1))[: MESSAGES_SHOWN + 1]
        )
        said = format_html_join(
            "",
            '<p><strong>{}</strong> <small>{} UTC, {}</small></p><p style="white-space: pre-wrap">{}</p>',
            (
                (
                    message.role,
                    f"{message.created_at:%Y-%m-%d %H:%M:%S}",
                    change_link(message, f"#{message.pk}"),
                    Truncator(message.beginning).chars(CHARACTERS_SHOWN),
                )
                for message in reversed(newest_first[:MESSAGES_SHOWN])
            ),
        )
        earlier = f"These are the latest {MESSAGES_SHOWN}. " if len(newest_first) > MESSAGES_SHOWN else ""
        everything = LinkedRowFilter.url(Message, "conversation", conversation.pk)
        return format_html('<p>{}<a href="{}">List of all messages</a></p>{}', earlier, everything, said)


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin[Message]):
    list_display = ("id", "thread", "person", "role", "beginning", "created_at")
    list_filter = ("role", "created_at", ("conversation", LinkedRowFilter), ("user", LinkedRowFilter))
    list_select_related = ("user", "conversation")
    ordering = ("-created_at", "-id")
    fields = ("thread", "person", "role", "created_at", "whole_content")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        # A message can be as long as a book: a list reads no more of it than it shows.
        beginning = Left("content", BEGINNING_LENGTH + 1)
        return super().get_queryset(request).defer("content").annotate(beginning=beginning)

    @admin.display(description="conversation")
    def thread(self, message: Message) -> SafeString:
        return change_link(message.conversation)

    @admin.display(description="content")
    def beginning(self, message: Any) -> str:
        return Truncator(message.beginning).chars(BEGINNING_LENGTH)

    @admin.display(description="content")
    def whole_content(self, message: Message) -> SafeString:
        return format_html('<div style="white-space: pre-wrap">{}</div>', message.content)
