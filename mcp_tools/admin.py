"""What agents did, for staff to read: nothing here changes it."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from conversations.access_admin import RecordedRowsAdmin
from mcp_tools.mcp import TodoTools
from mcp_tools.models import ToolCall
from mcp_tools.registry import names_of_changing
from todoproj.admin import LinkedRowFilter, change_link


class ToolFilter(admin.SimpleListFilter):
    # Not of the values in the table, all of which would be read to find them.
    title = "tool"
    parameter_name = "tool"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(name, name) for name in names_of_changing(TodoTools)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ToolCall]) -> QuerySet[ToolCall]:
        return queryset.filter(tool=self.value()) if self.value() else queryset


@admin.register(ToolCall)
class ToolCallAdmin(RecordedRowsAdmin[ToolCall]):
    list_display = ("id", "tool", "person", "client", "duration", "thread", "created_at")
    list_filter = (
        ToolFilter,
        "created_at",
        ("user", LinkedRowFilter),
        ("conversation", LinkedRowFilter),
    )
    list_select_related = ("user", "conversation")
    ordering = ("-created_at", "-id")
    fields = (
        "tool",
        "person",
        "principal",
        "client_name",
        "thread",
        "outcome",
        "error_code",
        "duration",
        "task_id",
        "created_at",
        "given",
    )

    @admin.display(description="client")
    def client(self, call: ToolCall) -> str:
        # In one column of a list, the name of the field is longer than those of clients.
        return call.client_name

    @admin.display(description="duration")
    def duration(self, call: ToolCall) -> str:
        return f"{call.duration_ms:,.1f} ms"

    @admin.display(description="conversation", empty_value="-")
    def thread(self, call: ToolCall) -> SafeString | None:
        # Not its title: whoever sees calls need not be one who reads chats.
        return change_link(call.conversation, f"#{call.conversation.pk}") if call.conversation else None

    @admin.display(description="arguments")
    def given(self, call: ToolCall) -> SafeString:
        text = json.dumps(call.arguments, ensure_ascii=False, indent=2)
        return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere; margin: 0">{}</pre>', text)
