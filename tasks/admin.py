"""Tasks, for staff: every write goes through the services, as an agent's does."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, TextField
from django.http import HttpRequest

from tasks import services
from tasks.models import Task
from todoproj.admin import LinkedRowFilter, ServiceWritesAdmin, log_actions
from todoproj.text import LinesField
from todoproj.users.principals import Person


@admin.register(Task)
class TaskAdmin(ServiceWritesAdmin[Task]):
    autocomplete_fields = ("user",)
    formfield_overrides = {TextField: {"form_class": LinesField, "strip": False}}
    list_display = ("id", "title", "person", "completed", "created_at")
    list_display_links = ("id", "title")
    list_filter = ("completed", ("user", LinkedRowFilter))
    ordering = ("-id",)
    actions = ("mark_as_completed",)

    def get_fields(self, request: HttpRequest, obj: Task | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("user", "title", "description")
        return ("person", "title", "description", "completed", "completed_at", "created_at", "updated_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Task | None = None) -> tuple[str, ...]:
        return () if obj is None else ("person", "completed", "completed_at", "created_at", "updated_at")

    def save_model(self, request: HttpRequest, obj: Task, form: Any, change: bool) -> None:
        if not change:
            obj.pk = services.add_task(person=Person(obj.user_id), title=obj.title, description=obj.description).id
            return
        changed = {name: form.cleaned_data[name] for name in form.changed_data}
        if not changed:
            return
        try:
            services.update_task(person=Person(obj.user_id), task_id=obj.pk, **changed)
        except Task.DoesNotExist:
            raise ValidationError("Somebody has deleted it meanwhile.") from None

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        # If somebody else was faster, it is as gone as was wanted.
        with suppress(Task.DoesNotExist):
            services.delete_task(person=Person(obj.user_id), task_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        for task in queryset:
            self.delete_model(request, task)

    @admin.action(permissions=["change"], description="Mark as completed")
    def mark_as_completed(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        completed = []
        for task in tasks:
            with suppress(Task.DoesNotExist):
                _, newly = services.complete_task(person=Person(task.user_id), task_id=task.pk)
                completed += [task] if newly else []
        log_actions(request, completed, CHANGE, "Marked as completed.")
        self.message_user(request, f"{len(completed)} marked as completed.", messages.SUCCESS)
