"""What was said day by day, in UTC: a day that is over is counted once, what is not over is counted as it is.

Whoever looks waits for no more than some messages to be counted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db.models import Count, Sum
from django.utils import timezone

from conversations.models import ChatDay, Message

# When a day ends, the last of its messages are still being written.
GRACE = dt.timedelta(hours=1)
# Whoever looks counts days that are over, so many messages of them at most, and as many of a day that is not over. A
# command counts all days that are over.
COUNTED_AT_ONCE = 100_000


class Day(NamedTuple):
    """One day: how many messages, and in how many people's conversations. None: it has not been counted yet, or is not
    over and has more than COUNTED_AT_ONCE."""

    day: dt.date
    messages: int | None
    people: int | None


def chat_days(*, first: dt.date, last: dt.date) -> list[Day]:
    """The days from the first to the last, with those that are not over; and some that nobody has counted before."""
    count_days(first=first, last=last, at_most=COUNTED_AT_ONCE)
    counted = ChatDay.objects.filter(day__range=(first, last)).values_list("day", "messages", "people")
    known = {day: Day(day, messages, people) for day, messages, people in counted}
    not_over = _first_not_over()
    now = {day: _count(day, at_most=COUNTED_AT_ONCE) for day in _days(max(first, not_over), last)}
    return [known.get(day) or now.get(day) or Day(day, None, None) for day in _days(first, last)]


def count_days(*, first: dt.date, last: dt.date, at_most: int | None = None, again: bool = False) -> int:
    """Count the days that are over and were not counted, the last one first, and keep what comes out; how many.

    at_most: count no more messages than these, and stop at a day that has more. again: also days that were counted,
    such as after an import of old messages.
    """
    last = min(last, _first_not_over() - dt.timedelta(days=1))
    known = () if again else set(ChatDay.objects.filter(day__range=(first, last)).values_list("day", flat=True))
    counted = 0
    for day in reversed([day for day in _days(first, last) if day not in known]):
        found: Any = _count(day, at_most=at_most)
        if found is None:
            break
        # Somebody else may have come to the same at the same time.
        ChatDay.objects.update_or_create(day=day, defaults={"messages": found.messages, "people": found.people})
        if at_most is not None:
            at_most -= found.messages
        counted += 1
    return counted


def first_day() -> dt.date | None:
    """The day of the first message that there is."""
    first = Message.objects.order_by("created_at").values_list("created_at", flat=True).first()
    return first and first.astimezone(dt.UTC).date()


def _first_not_over() -> dt.date:
    return (timezone.now().astimezone(dt.UTC) - GRACE).date()


def _days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    return (first + dt.timedelta(days=number) for number in range((last - first).days + 1))


def _count(day: dt.date, *, at_most: int | None = None) -> Day | None:
    """None if there are more messages than that: so many are only looked at in the index."""
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    said = Message.objects.filter(created_at__gte=start, created_at__lt=start + dt.timedelta(days=1))
    if at_most is not None and said[at_most : at_most + 1].exists():
        return None
    # By person first: PostgreSQL would sort all messages to count who is in them.
    people = said.values("user").annotate(said=Count("pk"))
    return Day(day, **people.aggregate(messages=Sum("said", default=0), people=Count("user")))
