"""Conversations and their messages, for staff to read: nothing here changes what was said."""

from __future__ import annotations

from typing import TypeVar

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
        """The latest messages in order, each with its beginning."""
        newest_first = (
            conversation.messages.order_by("-created_at", "-pk")
            .annotate(beginning=Left("content", CHARACTERS_SHOWN + 1))
            .values_list("created_at", "role", "beginning")
        )[: MESSAGES_SHOWN + 1]
        ...
