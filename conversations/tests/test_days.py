"""Figures by day: right, in UTC, and of days that are over, counted once."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.core.management import call_command
from django.utils import timezone

from conversations.days import chat_days, count_days, first_day
from conversations.models import ChatDay, Message
from conversations.tests.factories import ConversationFactory, MessageFactory
from todoproj.users.models import User

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 3, 10, 14, tzinfo=dt.UTC)
TODAY = NOW.date()


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, NOW)


def at(monkeypatch: pytest.MonkeyPatch, now: dt.datetime) -> None:
    monkeypatch.setattr(timezone, "now", lambda: now)


def day(number: int) -> dt.date:
    return dt.date(2026, 3, number)


def say(user: User, when: str, count: int = 1) -> None:
    conversation = ConversationFactory.create(user=user)
    created_at = dt.datetime.fromisoformat(when).astimezone(dt.UTC)
    MessageFactory.create_batch(count, conversation=conversation, created_at=created_at)


def test_messages_and_people_a_day_in_utc(ann: User, bob: User) -> None:
    say(ann, "2026-03-08T00:00:00Z", 2)
    say(ann, "2026-03-08T23:59:59.999999Z")
    say(bob, "2026-03-08T12:00:00Z")
    say(bob, "2026-03-09T01:30:00+02:00")
    say(ann, "2026-03-10T09:00:00Z")

    assert chat_days(first=day(7), last=TODAY) == [(day(7), 0, 0), (day(8), 5, 2), (day(9), 0, 0), (day(10), 1, 1)]


def test_a_day_that_is_over_is_counted_once(ann: User) -> None:
    say(ann, "2026-03-08T12:00:00Z")
    say(ann, "2026-03-10T12:00:00Z")
    before = chat_days(first=day(8), last=TODAY)
    Message.objects.all().delete()

    assert chat_days(first=day(8), last=TODAY) == [*before[:2], (day(10), 0, 0)]
    assert not ChatDay.objects.filter(day=TODAY).exists()


@pytest.mark.parametrize(("time", "kept"), [("2026-03-10T00:59:59", False), ("2026-03-10T01:00:00", True)])
def test_a_day_is_over_an_hour_after_it_ends(monkeypatch: pytest.MonkeyPatch, time: str, kept: bool) -> None:
    at(monkeypatch, dt.datetime.fromisoformat(time).replace(tzinfo=dt.UTC))

    chat_days(first=day(9), last=TODAY)

    assert ChatDay.objects.filter(day=day(9)).exists() is kept


def test_whoever_looks_counts_a_few(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conversations.days.COUNTED_AT_ONCE", 5)
    for number in (5, 6, 7, 8, 9):
        say(ann, f"2026-03-0{number}T12:00:00Z", 2)

    first = [row.messages for row in chat_days(first=day(5), last=TODAY)]
    second = [row.messages for row in chat_days(first=day(5), last=TODAY)]

    assert first == [None, None, None, 2, 2, 0]
    assert second == [None, 2, 2, 2, 2, 0]


def test_whoever_looks_waits_for_no_large_day(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conversations.days.COUNTED_AT_ONCE", 3)
    for number, said in [(8, 1), (9, 4), (10, 3)]:
        say(ann, f"2026-03-{number:02}T12:00:00Z", said)

    assert chat_days(first=day(8), last=TODAY) == [(day(8), None, None), (day(9), None, None), (TODAY, 3, 1)]
    say(ann, "2026-03-10T12:30:00Z")
    assert chat_days(first=TODAY, last=TODAY) == [(TODAY, None, None)]
    count_days(first=day(8), last=TODAY)
    assert chat_days(first=day(8), last=TODAY) == [(day(8), 1, 1), (day(9), 4, 1), (TODAY, None, None)]


class TestCommand:
    def count(self, *options: str) -> str:
        out = io.StringIO()
        call_command("count_days", *options, stdout=out)
        return out.getvalue()

    def test_counts_all_that_were_not(self, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("conversations.days.COUNTED_AT_ONCE", 1)
        say(ann, "2026-02-01T12:00:00Z")
        say(ann, "2026-03-09T12:00:00Z")

        assert self.count() == "37 days were counted.\n"
        assert self.count() == "0 days were counted.\n"
        assert list(ChatDay.objects.filter(messages__gt=0).values_list("day", flat=True).order_by("day")) == [
            *(dt.date(2026, 2, 1), day(9))
        ]

    def test_again_after_an_import(self, ann: User) -> None:
        say(ann, "2026-03-08T12:00:00Z")
        self.count()
        say(ann, "2026-03-09T12:00:00Z", 4)
        assert self.count() == "0 days were counted.\n"

        assert self.count("--again") == "2 days were counted.\n"
        assert ChatDay.objects.get(day=day(9)).messages == 4

    def test_with_no_message_there_is_nothing_to_count(self) -> None:
        assert first_day() is None
        assert self.count() == "0 days were counted.\n"


def test_nobody_counts_the_future() -> None:
    assert count_days(first=TODAY, last=day(20)) == 0
