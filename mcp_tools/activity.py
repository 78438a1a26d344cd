"""How much is going on: figures of the last days, and pictures of them for staff."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Max, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from conversations.days import chat_days
from mcp_tools.models import ToolUse

DAYS = 30
SLOWEST = 10


class ActivityDay(NamedTuple):
    """One day, in UTC. messages, people: None if they were not counted yet. error_share: percent of the calls; None
    without any."""

    day: dt.date
    messages: int | None
    people: int | None
    calls: int
    error_share: float | None


class ToolSpeed(NamedTuple):
    """How long a tool took, in milliseconds."""

    tool: str
    calls: int
    mean_ms: float
    slowest_ms: float


def activity_days(*, last: dt.date, days: int = DAYS) -> list[ActivityDay]:
    """The days up to the last one, the first of them first."""
    first = last - dt.timedelta(days=days - 1)
    failed = Sum("calls", filter=~Q(error_code=0), default=0)
    rows = ToolUse.objects.filter(day__range=(first, last)).values("day").annotate(all=Sum("calls"), failed=failed)
    used = {row["day"]: row for row in rows}
    figures = []
    for day, messages, people in chat_days(first=first, last=last):
        calls = used[day]["all"] if day in used else 0
        share = round(100 * used[day]["failed"] / calls, 1) if calls else None
        figures.append(ActivityDay(day, messages, people, calls, share))
    return figures


def slowest_tools(*, last: dt.date, days: int = DAYS) -> list[ToolSpeed]:
    """The tools that took the longest in the days up to the last one, on average, the slowest first."""
    used = ToolUse.objects.filter(day__range=(last - dt.timedelta(days=days - 1), last), calls__gt=0)
    tools = used.values("tool").annotate(all=Sum("calls"), took=Sum("total_ms"), slowest=Max("slowest_ms"))
    slowest = tools.annotate(mean=F("took") / F("all")).order_by("-mean", "tool")[:SLOWEST]
    return [ToolSpeed(row["tool"], row["all"], round(row["mean"], 1), round(row["slowest"], 1)) for row in slowest]


class Chart(NamedTuple):
    """A chart, and the table that it is drawn from.

    shape: line, bar, or bars that lie on their side. columns: what the first column and the others are. rows: each with
    the text of the first column, and the numbers of the others. drawn: how many of the others are in the chart.
    missing: what is said in place of a number that there is not.
    """

    name: str
    title: str
    about: str
    shape: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, Sequence[float | None]]]
    drawn: int
    unit: str = ""
    missing: str = ""


def charts(*, last: dt.date) -> list[Chart]:
    """What the page shows."""
    days = activity_days(last=last)
    said = [(f"{day.day}", (day.messages, day.calls)) for day in days]
    people = [(f"{day.day}", (day.people,)) for day in days]
    errors = [(f"{day.day}", (day.error_share,)) for day in days]
    tools = [(tool.tool, (tool.mean_ms, tool.slowest_ms, tool.calls)) for tool in slowest_tools(last=last)]
    return [
        Chart(
            "messages",
            "Messages and calls of tools a day",
            "What people and their agents said, and every call of a tool.",
            "line",
            ("Day", "Messages", "Calls"),
            said,
            drawn=2,
            missing="not counted yet",
        ),
        Chart(
            "people",
            "Active people a day",
            "In whose conversations something was said.",
            "bar",
            ("Day", "People"),
            people,
            drawn=1,
            missing="not counted yet",
        ),
        Chart(
            "errors",
            "Share of errors a day",
            "Of the calls of tools, how many percent were refused or failed.",
            "line",
            ("Day", "Percent"),
            errors,
            drawn=1,
            unit="%",
            missing="no calls",
        ),
        Chart(
            "tools",
            "Slowest tools",
            "In milliseconds, all calls of these days together.",
            "bars",
            ("Tool", "Average", "Slowest", "Calls"),
            tools,
            drawn=2,
            unit="ms",
        ),
    ]


# Everything that the page needs comes from here: whatever else were written into it would not run.
_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


@require_safe
def activity_page(request: HttpRequest) -> HttpResponse:
    """The figures as charts, each with the same as a table, for whoever may read conversations."""
    if not request.user.has_perm("conversations.view_conversation"):
        raise PermissionDenied
    today = timezone.now().astimezone(dt.UTC).date()
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Activity",
        "days": DAYS,
        "charts": charts(last=today),
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/activity.html", context, headers={"Content-Security-Policy": _POLICY})
