"""The transcript in the admin, and what staff do from there: leave a note, open a message, take out what it says."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.views.generic import RedirectView

from conversations.access_admin import RecordedRowsAdmin, is_page
from conversations.accesses import record_view
from conversations.models import NOTE_MAX_LENGTH, ChatAccess, Conversation, Message
from conversations.services import add_note, redact_message
from conversations.transcript import AFTER, AT, BEFORE, OLDEST, Page, read_page
from todoproj.admin import LargeTableAdmin, person_link
from todoproj.keyset import Position, beyond
from todoproj.text import LinesField, validate_storable

# The reader's time zone, such as Europe/Berlin: a cookie that transcript.js sets.
ZONE_COOKIE = "timezone"
# How many of those who lately opened a conversation its page shows.
ACCESSES_SHOWN = 10
# How much of a message the page to redact it shows: characters.
REDACTED_SHOWN = 1_000

# Whatever a message holds, the page runs, loads and sends nothing but this server's own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

View = Callable[..., Any]


def strict(view: View) -> View:
    """A view whose pages show what people and agents said."""

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = view(*args, **kwargs)
        response["Content-Security-Policy"] = POLICY
        return response

    return answer


def reader_zone(request: HttpRequest) -> ZoneInfo:
    """The time zone that the reader's browser told; UTC until it has, and for one that is not known here."""
    try:
        return ZoneInfo(request.COOKIES.get(ZONE_COOKIE, "UTC"))
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def message_url(message: Message) -> str:
    """The transcript at a message."""
    url = reverse("admin:conversations_conversation_change", args=[message.conversation_id])
    return f"{url}?{urlencode({AT: message.pk})}#message-{message.pk}"


def missing(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponse:
    """The list, with word that what was asked for is not there."""
    opts = model_admin.opts
    model_admin.message_user(request, f"There is no such {opts.verbose_name}. It may be gone.", messages.WARNING)
    return redirect(f"admin:{opts.app_label}_{opts.model_name}_changelist")


class NoteForm(forms.Form):
    text = LinesField(
        label="Internal note",
        max_length=NOTE_MAX_LENGTH,
        validators=[validate_storable],
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
        help_text="For staff alone. It stays as it is.",
    )


class TranscriptAdmin(LargeTableAdmin[Conversation]):
    """The admin of conversations, in which a conversation's own page is its transcript."""

    # What somebody searched for belongs into no address but that of the list.
    preserve_filters = False

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "conversations_conversation_change"
        return [
            *(url for url in super().get_urls() if url.name not in {None, name}),
            path("<path:object_id>/notes/", view(self.note_view), name="conversations_conversation_note"),
            # Where Django's own page would be.
            path("<path:object_id>/change/", RedirectView.as_view(pattern_name=f"admin:{name}", query_string=True)),
            path("<path:object_id>/", view(self.change_view), name=name),
        ]

    @strict
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        conversation = self._readable(request, object_id)
        if conversation is None:
            return missing(self, request)
        try:
            page = read_page(conversation, request.GET.dict(), reader_zone(request))
        except ValidationError:
            self.message_user(
                request, "There is no such place in this conversation. This is its end.", messages.WARNING
            )
            return redirect(request.path)
        return self._transcript(request, conversation, page, NoteForm(), extra_context)

    @strict
    def note_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Leave a note; where there is none to be left, the transcript with what is wrong."""
        conversation = self._readable(request, object_id)
        if not request.user.has_perm("conversations.add_note"):
            raise PermissionDenied
        if conversation is None:
            return missing(self, request)
        if request.method != "POST":
            # As a login leads back here that had ended by the time of the form.
            self.message_user(request, "No note was left. Write it once more.", messages.WARNING)
            return redirect("admin:conversations_conversation_change", conversation.pk)
        form = NoteForm(request.POST)
        if not form.is_valid():
            # There, the page says what is wrong.
            form.fields["text"].widget.attrs["autofocus"] = True
            page = read_page(conversation, {}, reader_zone(request))
            return self._transcript(request, conversation, page, form)
        author_id, text = str(request.user.pk), form.cleaned_data["text"]
        try:
            note = add_note(author_id=author_id, conversation_id=conversation.pk, text=text)
        except Conversation.DoesNotExist:
            # Somebody deleted it just now.
            return missing(self, request)
        return redirect(f"{reverse('admin:conversations_conversation_change', args=[conversation.pk])}#note-{note.pk}")

    def _readable(self, request: HttpRequest, object_id: str) -> Conversation | None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.get_object(request, unquote(object_id))

    def _transcript(
        self,
        request: HttpRequest,
        conversation: Conversation,
        page: Page,
        form: NoteForm,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        reader = request.user
        # Before anything is shown: nobody reads unseen.
        record_view(
            request,
            person_id=conversation.user_id,
            conversation_id=conversation.pk,
            detail="transcript",
            further_page=not {OLDEST, AFTER, BEFORE}.isdisjoint(request.GET),
        )
        may_see_accesses = reader.has_perm("conversations.view_chataccess")
        accesses = ChatAccess.objects.filter(conversation_id=conversation.pk).select_related("actor")
        here = Position(conversation.updated_at, conversation.pk)
        conversations = Conversation.objects.only("pk")
        context = {
            **self.admin_site.each_context(request),
            # Browsers keep it.
            "title": f"Conversation #{conversation.pk}",
            "opts": self.opts,
            "original": conversation,
            # Links start from here, also where this is shown at the address that notes are sent to.
            "address": reverse("admin:conversations_conversation_change", args=[conversation.pk]),
            "page": page,
            "zone": reader_zone(request),
            "newer": beyond(conversations, "updated_at", here, newest_first=False).first(),
            "older": beyond(conversations, "updated_at", here, newest_first=True).first(),
            "form": form,
            "may_note": reader.has_perm("conversations.add_note"),
            "may_open_messages": reader.has_perm("conversations.view_message"),
            "may_redact": reader.has_perms(["conversations.view_message", "conversations.redact_chats"]),
            "may_see_tasks": reader.has_perm("tasks.view_task"),
            "person": person_link(conversation.user),
            "accesses": list(accesses.order_by("-created_at", "-pk")[:ACCESSES_SHOWN]) if may_see_accesses else None,
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/conversations/conversation/transcript.html", context)


class MessagePagesAdmin(RecordedRowsAdmin[Message]):
    """The admin of messages, where a message can be redacted."""

    class Media:
        css = {"all": ["conversations/transcript.css"]}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.redact_view)
        return [path("<path:object_id>/redact/", view, name="conversations_message_redact"), *super().get_urls()]

    @strict
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        response: Any = super().change_view(request, object_id, form_url, extra_context)
        if is_page(response, "original"):
            message = response.context_data["original"]
            if self._may_read_transcript(request):
                response.context_data["in_transcript"] = message_url(message)
            response.context_data["may_redact"] = message.redacted_at is None and self._may_redact(request)
        return response

    @strict
    def redact_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask once more, and then take out what the message says."""
        if not (self.has_view_permission(request) and self._may_redact(request)):
            raise PermissionDenied
        message = self.get_object(request, unquote(object_id))
        if message is None:
            return missing(self, request)
        if message.redacted_at is not None:
            self.message_user(request, f"Message #{message.pk} was redacted before.", messages.INFO)
            return redirect(message_url(message))
        if request.method == "POST":
            try:
                redact_message(actor_id=str(request.user.pk), message_id=message.pk)
            except Message.DoesNotExist:
                return missing(self, request)
            self.message_user(request, f"Message #{message.pk} was redacted.", messages.SUCCESS)
            return redirect(message_url(message))
        try:
            # Read only now, since lists leave it out.
            content = message.content
        except Message.DoesNotExist:
            # Somebody deleted it just now.
            return missing(self, request)
        self.record_opening(request, message)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Redact message #{message.pk}?",
            "opts": self.opts,
            "original": message,
            "shown": content[:REDACTED_SHOWN],
            "is_cut": len(content) > REDACTED_SHOWN,
            "back": message_url(message),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/conversations/message/redact.html", context)

    def _may_redact(self, request: HttpRequest) -> bool:
        # Whoever does goes on in the transcript.
        return request.user.has_perm("conversations.redact_chats") and self._may_read_transcript(request)

    def _may_read_transcript(self, request: HttpRequest) -> bool:
        return request.user.has_perm("conversations.view_conversation")
