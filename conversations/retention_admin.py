"""Old conversations are deleted in the admin: somebody says how old, sees how many there are, and says yes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from conversations.models import Conversation
from conversations.retention import delete_old_conversations, in_words
from todoproj.admin import LargeTableAdmin, bounded_count

# How many conversations go at once, so that nobody waits for long; the command has no such limit.
MOST_AT_ONCE = 2_000
# What to start with, where no setting says for how long to keep conversations: days.
PROPOSED_DAYS = 365
# Before that, there was no conversation anywhere: days.
MOST_DAYS = 36_500


class AgeForm(forms.Form):
    days = forms.IntegerField(
        label="Days without a message", min_value=1, max_value=MOST_DAYS, help_text="Such as 365 for a year."
    )

    @property
    def before(self) -> datetime:
        """The last activity of what is old was before that."""
        return timezone.now() - timedelta(days=self.cleaned_data["days"])


class DeletesOldChats(LargeTableAdmin[Conversation]):
    """Whoever may delete old chats does so from the list."""

    def get_urls(self) -> list[URLPattern]:
        old = path("old/", self.admin_site.admin_view(self.old_view), name="conversations_conversation_old")
        return [old, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"may_delete_old": self._may_delete(request)} | (extra_context or {}))

    def old_view(self, request: HttpRequest) -> HttpResponse:
        """A form for the age, what it comes to, and, once that was confirmed, the deletion."""
        if not self._may_delete(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        form = AgeForm(given) if "days" in given else AgeForm(initial={"days": _proposed()})
        count = None
        if form.is_bound and form.is_valid():
            if request.method == "POST":
                return self._delete(request, form.before)
            count = bounded_count(Conversation.objects.filter(updated_at__lt=form.before))
        context = {
            **self.admin_site.each_context(request),
            "title": "Delete old conversations",
            "opts": self.opts,
            "form": form,
            "count": count,
            "most": MOST_AT_ONCE,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/conversations/conversation/old.html", context)

    def _delete(self, request: HttpRequest, before: datetime) -> HttpResponse:
        gone = delete_old_conversations(before=before, most=MOST_AT_ONCE, actor_id=str(request.user.pk))
        self.message_user(request, f"{in_words(gone)} were deleted.", messages.SUCCESS)
        if Conversation.objects.filter(updated_at__lt=before).exists():
            more = "There are more of that age. Do it again, or have manage.py delete_old_conversations do the rest."
            self.message_user(request, more, messages.WARNING)
        return redirect("admin:conversations_conversation_changelist")

    def _may_delete(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and request.user.has_perm("conversations.delete_old_chats")


def _proposed() -> int:
    days: int = settings.CHAT_RETENTION_DAYS
    return days or PROPOSED_DAYS
