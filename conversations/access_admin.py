"""Admins of what people said: whoever opens a list or a row of it is on record before it is shown."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse

from conversations.accesses import record_view
from todoproj.admin import PersonRowsAdmin, ViewOnly

M = TypeVar("M", bound=Model)


def record_list(request: HttpRequest, *, detail: str, person_id: str = "", conversation_id: int | None = None) -> None:
    """As `record_view`, that somebody opened a list: one opening for each way to search it or to narrow it down."""
    asked = sorted((name, values) for name, values in request.GET.lists() if name != PAGE_VAR)
    record_view(
        request,
        person_id=person_id,
        conversation_id=conversation_id,
        detail=detail,
        narrowed_by=json.dumps(asked),
        further_page=PAGE_VAR in request.GET,
    )


def is_page(response: Any, showing: str) -> bool:
    """Whether a response is a page that shows this, not a redirect or the like."""
    return isinstance(response, TemplateResponse) and showing in (response.context_data or {})


class RecordedRowsAdmin(ViewOnly, PersonRowsAdmin[M]):
    """Rows that each hold what a person said, in a conversation."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response: Any = super().changelist_view(request, extra_context)
        shown = response.context_data["cl"].result_list if is_page(response, "cl") else []
        if shown:
            people = {row.user_id for row in shown}
            conversations = {row.conversation_id for row in shown}
            record_list(
                request,
                person_id=people.pop() if len(people) == 1 else "",
                conversation_id=conversations.pop() if len(conversations) == 1 else None,
                detail=f"list of {self.opts.verbose_name_plural}",
            )
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        response: Any = super().change_view(request, object_id, form_url, extra_context)
        if is_page(response, "original"):
            self.record_opening(request, response.context_data["original"])
        return response

    def record_opening(self, request: HttpRequest, row: Any) -> None:
        """Write down that what the row holds is shown."""
        record_view(
            request,
            person_id=row.user_id,
            conversation_id=row.conversation_id,
            detail=f"{self.opts.verbose_name} {row.pk}",
        )
