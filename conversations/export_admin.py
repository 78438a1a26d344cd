"""Exports of conversations in the admin: of those that are selected on a page, and of all that a list finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from conversations.exports import CONTENT_TYPES, Format, export_conversations
from conversations.models import Conversation
from todoproj.admin import LargeTableAdmin, LinkedRowFilter, bounded_count
from todoproj.text import counted

_PERSON = LinkedRowFilter.parameter_for("user")


class ExportsChats(LargeTableAdmin[Conversation]):
    """Who may export chats gets them from the list. It is on record before the first byte goes out."""

    change_list_template = "admin/conversations/conversation/change_list.html"
    actions: Sequence[Any] = ("export_as_jsonl", "export_as_csv")

    def get_urls(self) -> list[URLPattern]:
        export = path("export/", self.admin_site.admin_view(self.export_view), name="conversations_conversation_export")
        return [export, *super().get_urls()]

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and request.user.has_perm("conversations.export_chats")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        formats = Format.choices if self.has_export_permission(request) else []
        return super().changelist_view(request, {"export_formats": formats} | (extra_context or {}))

    @admin.action(permissions=["export"], description="Export as JSON Lines")
    def export_as_jsonl(self, request: HttpRequest, chosen: QuerySet[Conversation]) -> HttpResponseBase:
        return self._export_chosen(request, chosen, Format.JSONL)

    @admin.action(permissions=["export"], description="Export as CSV")
    def export_as_csv(self, request: HttpRequest, chosen: QuerySet[Conversation]) -> HttpResponseBase:
        return self._export_chosen(request, chosen, Format.CSV)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """All that the list finds which has the same query in its address."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        changelist = reverse("admin:conversations_conversation_changelist")
        if request.method != "POST":
            # As a login leads back here that had ended by the time of the button.
            self.message_user(request, "Nothing was exported. Choose a format once more.", messages.WARNING)
            return HttpResponseRedirect(f"{changelist}?{request.GET.urlencode()}")
        if request.POST.get("format") not in Format.values:
            self.message_user(request, "Choose a format. Nothing was exported.", messages.ERROR)
            return HttpResponseRedirect(changelist)
        try:
            found = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            self.message_user(request, "There is no such filter. Nothing was exported.", messages.ERROR)
            return HttpResponseRedirect(changelist)
        count = bounded_count(found.queryset)
        detail = f"{counted(count, 'conversation')} in the admin, filtered by {_narrowed_by(found)}"
        format, one_person = Format(request.POST["format"]), _PERSON in request.GET
        return self._export(request, found.queryset, format, detail, one_person=one_person)

    def _export_chosen(self, request: HttpRequest, chosen: QuerySet[Conversation], format: Format) -> HttpResponseBase:
        detail = f"{counted(chosen.count(), 'conversation')} in the admin, selected"
        return self._export(request, chosen, format, detail)

    def _export(
        self,
        request: HttpRequest,
        chosen: QuerySet[Conversation],
        format: Format,
        detail: str,
        *,
        one_person: bool = False,
    ) -> HttpResponseBase:
        first = list(chosen.order_by().values("pk", "user_id")[:2])
        only = first[0] if len(first) == 1 else None
        person_id = first[0]["user_id"] if first and (only or one_person) else ""
        pieces = export_conversations(
            conversations=chosen,
            format=format,
            actor=request.user,  # type: ignore[arg-type]  # a member of staff
            detail=detail,
            person_id=person_id,
            conversation_id=only["pk"] if only else None,
        )
        name = f"conversations-{timezone.now():%Y%m%d-%H%M%S}.{format.value}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return StreamingHttpResponse(pieces, content_type=CONTENT_TYPES[format], headers=headers)


def _narrowed_by(found: ChangeList) -> str:
    """What a list is narrowed down by. What could tell who somebody is, or what was said, is named and not quoted; it
    comes first, where no length of the others cuts it off."""
    asked = found.get_filters_params()
    by = ["a search"] if found.query.strip() else []
    by += ["a person"] if asked.pop(_PERSON, None) else []
    by += [f"{name}={','.join(values)}" for name, values in asked.items()]
    return ", ".join(by) or "nothing"
