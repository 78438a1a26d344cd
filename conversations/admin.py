"""Conversations, their messages, and who looked at them, for staff to read: nobody changes what was said or done."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from conversations.access_admin import record_list
from conversations.export_admin import ExportsChats
from conversations.markdown import as_written
from conversations.models import (
    SEARCH_LIMIT,
    SEARCH_WINDOW,
    ChatAccess,
    Conversation,
    Message,
)
from conversations.retention_admin import DeletesOldChats
from conversations.transcript_admin import MessagePagesAdmin, TranscriptAdmin, message_url
from todoproj.admin import (
    LargeTableAdmin,
    LinkedRowFilter,
    PersonRowsAdmin,
    ViewOnly,
    WithinFilter,
    link,
    page_link,
    people_named,
    person_link,
    row_number,
)
from todoproj.text import is_storable
from todoproj.users.models import User

# What the list of conversations shows of one without a title.
SUBJECT_LENGTH = 60
# What the list of messages shows of each.
BEGINNING_LENGTH = 100

M = TypeVar("M", bound=Model)


class AnyFilter(admin.SimpleListFilter):
    """Rows by whether a number that is kept on them is more than none."""

    field: str

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        match self.value():
            case "yes":
                return queryset.filter(**{f"{self.field}__gt": 0})
            case "no":
                return queryset.filter(**{self.field: 0})
        return queryset


class ErrorsFilter(AnyFilter):
    title = "errors"
    parameter_name = "errors"
    field = "error_count"


class NotesFilter(AnyFilter):
    title = "notes"
    parameter_name = "notes"
    field = "note_count"


@admin.register(Conversation)
class ConversationAdmin(ExportsChats, DeletesOldChats, TranscriptAdmin, ViewOnly, PersonRowsAdmin[Conversation]):
    list_display = ("id", "subject", "person", "messages", "tool_calls", "errors", "last_activity")
    list_display_links = ("id", "subject")
    list_filter = ("updated_at", "last_role", ErrorsFilter, NotesFilter, ("user", LinkedRowFilter))
    ordering = ("-updated_at", "-id")
    search_help_text = (
        "Words, a number such as #7, or a person's whole id or email address. Words are looked for in messages and in "
        f"titles, and find the {SEARCH_LIMIT} conversations in which they were said last, and the {SEARCH_LIMIT} that "
        "were started last; with a filter by person, of that person's. "
        f"On SQLite, the newest {SEARCH_WINDOW:,} messages and titles are looked at."
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().changelist_view(request, extra_context)
        if request.GET.get(SEARCH_VAR, "").strip():
            # It tells who said something. What was searched for is not kept: it may be what is to be forgotten.
            record_list(request, detail="search in the list of conversations")
        return response

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[QuerySet[Conversation], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if not is_storable(term):
            return queryset.none(), False
        if people := people_named(term):
            return queryset.filter(user_id__in=people), False
        number = row_number(term)
        if number is not None and term.startswith("#"):
            return queryset.filter(pk=number), False
        # Those of one person are looked for among theirs alone, not among those that were found of everybody's.
        person = request.GET.get(LinkedRowFilter.parameter_for("user"))
        try:
            found = queryset.search(term, user_id=person)
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
            return queryset.none(), False
        return (found if number is None else found | queryset.filter(pk=number)), False

    @admin.display(description="subject")
    def subject(self, conversation: Conversation) -> str:
        return conversation.title or Truncator(conversation.beginning).chars(SUBJECT_LENGTH) or "(nothing said yet)"

    @admin.display(description="messages")
    def messages(self, conversation: Conversation) -> int:
        return conversation.message_count

    @admin.display(description="tool calls")
    def tool_calls(self, conversation: Conversation) -> int:
        return conversation.tool_call_count

    @admin.display(description="errors")
    def errors(self, conversation: Conversation) -> int:
        return conversation.error_count

    @admin.display(description="last activity")
    def last_activity(self, conversation: Conversation) -> datetime:
        return conversation.updated_at


@admin.register(Message)
class MessageAdmin(MessagePagesAdmin):
    list_display = ("id", "thread", "person", "role", "beginning", "created_at")
    list_filter = ("role", "created_at", ("conversation", LinkedRowFilter), ("user", LinkedRowFilter))
    list_select_related = ("user", "conversation")
    ordering = ("-created_at", "-id")
    fields = ("thread", "person", "role", "created_at", "redacted_at", "whole_content")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        # A message can be as long as a book: a list reads no more of it than it shows.
        beginning = Left("content", BEGINNING_LENGTH + 1)
        return super().get_queryset(request).defer("content").annotate(beginning=beginning)

    @admin.display(description="conversation")
    def thread(self, message: Message) -> SafeString:
        return link(Conversation, message_url(message), message.conversation)

    @admin.display(description="content")
    def beginning(self, message: Any) -> str:
        return Truncator(message.beginning).chars(BEGINNING_LENGTH)

    @admin.display(description="content")
    def whole_content(self, message: Message) -> SafeString:
        return format_html('<div class="body" dir="auto">{}</div>', as_written(message.content))


@admin.register(ChatAccess)
class ChatAccessAdmin(ViewOnly, LargeTableAdmin[ChatAccess]):
    """Who read whose chats, took them out or changed them; nobody changes that."""

    list_display = ("created_at", "action", "by", "person", "conversation", "detail")
    list_filter = ("action", WithinFilter)
    list_select_related = ("actor",)
    ordering = ("-created_at", "-id")
    fields = ("created_at", "action", "by", "person", "conversation", "detail")
    search_fields = ("conversation_id", "person_id")
    search_help_text = "A conversation's number such as 7, or the whole id or email address of a person or of staff."

    def search(self, term: str) -> Q:
        people = people_named(term)
        found = Q(person_id__in=[term, *people]) | Q(actor_id__in=people)
        number = row_number(term)
        return found if number is None else found | Q(conversation_id=number)

    @admin.display(description="actor")
    def by(self, access: ChatAccess) -> SafeString:
        return person_link(access.actor)

    @admin.display(description="person")
    def person(self, access: ChatAccess) -> SafeString:
        return page_link(User, access.person_id, access.person_id) if access.person_id else SafeString("-")

    @admin.display(description="conversation")
    def conversation(self, access: ChatAccess) -> SafeString:
        number = access.conversation_id
        return page_link(Conversation, number, number) if number else SafeString("-")
