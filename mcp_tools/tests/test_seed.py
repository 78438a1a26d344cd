"""Made-up data: the same for the same arguments, and kept numbers as the services would keep them."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count, F, Max, Min, Model, Q, Sum

from conversations import services
from conversations.models import ChatAccess, Conversation, Message, Note
from conversations.tests.factories import ChatAccessFactory, ConversationFactory, MessageFactory, NoteFactory
from mcp_tools import seeding
from mcp_tools.management.commands.seed import UNTIL
from mcp_tools.models import Outcome, ToolCall, ToolUse
from mcp_tools.tests.factories import ToolCallFactory
from mcp_tools.wording import LANGUAGES
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

MODELS: list[type[Model]] = [User, Conversation, Message, ToolCall, Note, ChatAccess, ToolUse]


def seed(**options: Any) -> str:
    """What it said on stderr."""
    said = StringIO()
    wanted = {"users": 5, "conversations": 60, "messages": 1200} | options
    call_command("seed", **wanted, stdout=StringIO(), stderr=said)
    return said.getvalue()


def rows() -> list[list[Any]]:
    """Everything, but for ids that the database gave."""
    return [
        list(
            model._default_manager.order_by(*(["day", "tool", "error_code"] if model is ToolUse else ["pk"])).values(
                *[field.attname for field in model._meta.concrete_fields if (model, field.name) != (ToolUse, "id")]
            )
        )
        for model in MODELS
    ]


def indexes() -> list[Any]:
    with connection.cursor() as cursor:
        return [
            sorted(
                (name, str(it["columns"]))
                for name, it in connection.introspection.get_constraints(cursor, table).items()
            )
            for table in ["conversations", "messages", "tool_calls", "conversation_notes", "chat_accesses"]
        ]


class TestRows:
    def test_are_as_many_as_wanted(self) -> None:
        seed(users=7, conversations=60, messages=1203)

        assert [model._default_manager.count() for model in [User, Conversation, Message]] == [7, 60, 1203]
        assert 1203 / 20 / 2 < ToolCall.objects.count() < 1203 / 20 * 2

    def test_are_the_same_for_the_same_arguments(self) -> None:
        seed()
        first = rows()
        for model in reversed(MODELS):
            model._default_manager.all().delete()

        seed()
        assert rows() == first

        for model in reversed(MODELS):
            model._default_manager.all().delete()
        seed(seed=2)
        assert rows()[2] != first[2]

    def test_what_is_kept_on_conversations_is_right(self) -> None:
        seed()

        for conversation in Conversation.objects.all():
            said = list(conversation.messages.in_order())
            assert conversation.message_count == len(said)
            assert conversation.last_role == (said[-1].role if said else "")
            assert conversation.updated_at == (said[-1].created_at if said else conversation.created_at)
            assert conversation.beginning == (said[0].content[:100] if said else "")
            assert conversation.tool_call_count == conversation.tool_calls.count()
            assert conversation.note_count == conversation.notes.count()
            for row in [conversation, *said]:
                row.full_clean()

    def test_a_refused_call_is_counted_and_has_no_row(self) -> None:
        seed()

        assert not ToolCall.objects.exclude(outcome=Outcome.SUCCESS).exists()
        refused = ToolUse.objects.exclude(error_code=0).aggregate(calls=Sum("calls"))["calls"]
        assert refused > 0
        assert Conversation.objects.aggregate(errors=Sum("error_count"))["errors"] == refused

    def test_staff_read_what_they_leave_a_note_on(self) -> None:
        seed(conversations=300)

        assert Note.objects.exists()
        for note in Note.objects.all():
            [read] = ChatAccess.objects.filter(conversation_id=note.conversation_id)
            assert (read.action, read.detail, read.person_id) == ("viewed", "transcript", note.conversation.user_id)
            assert note.conversation.updated_at < read.created_at < note.created_at

    def test_whose_they_are_agrees(self) -> None:
        seed()

        assert not Message.objects.exclude(user=F("conversation__user")).exists()
        assert not ToolCall.objects.exclude(user=F("conversation__user"), principal=F("user_id")).exists()

    def test_come_in_the_order_of_time(self) -> None:
        seed(conversations=200, messages=3000)

        times = list(Message.objects.order_by("pk").values_list("created_at", flat=True))
        assert times == sorted(times)
        assert UNTIL - dt.timedelta(days=730) <= times[0]
        assert times[-1] <= UNTIL + dt.timedelta(milliseconds=3)
        shared = Conversation.objects.annotate(span=Max("messages__pk") - Min("messages__pk") + 1)
        assert shared.filter(span__gt=F("message_count")).exists(), "no conversation takes place during another"

    def test_uses_of_tools_are_counted(self) -> None:
        seed()

        changing = ToolUse.objects.filter(error_code=0).exclude(tool="list_tasks")
        for use in changing:
            calls = ToolCall.objects.filter(created_at__date=use.day, tool=use.tool)
            durations = list(calls.values_list("duration_ms", flat=True))
            assert (use.calls, use.slowest_ms) == (len(durations), max(durations))
            assert use.total_ms == pytest.approx(sum(durations))
        assert changing.aggregate(calls=Sum("calls"))["calls"] == ToolCall.objects.count()

    def test_can_be_found(self) -> None:
        seed()
        message = Message.objects.filter(content__regex=" [0-9]+$").latest("pk")

        found = Conversation.objects.search(message.content.split()[-1])

        assert list(found) == [message.conversation]

    def test_others_come_after_them(self) -> None:
        seed()
        last = Message.objects.aggregate(Max("pk"))["pk__max"]

        conversation = services.start_conversation(user_id="seed-000001")
        message = services.add_message(
            user_id="seed-000001", conversation_id=conversation.pk, role="user", content="Hello"
        )

        assert conversation.pk > 60
        assert message.pk > last

    def test_are_made_a_part_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(seeding, "AT_ONCE", 100)
        plan = seeding.Plan(users=5, conversations=60, messages=1200, until=UNTIL)

        batches = list(seeding.batches(plan))

        assert len(batches) > 5
        assert sum(len(batch.messages) for batch in batches) == 1200
        known: set[int] = set()
        for batch in batches:
            known.update(row.id for row in batch.conversations)
            assert {message.conversation_id for message in batch.messages} <= known
            assert {call.conversation_id for call in batch.tool_calls} <= known
            assert {note.conversation_id for note in batch.notes} <= known

    def test_may_be_people_alone(self) -> None:
        seed(users=3, conversations=0, messages=0)

        assert (User.objects.count(), Conversation.objects.count()) == (3, 0)


class TestOthersRows:
    def test_stay_as_they_are(self) -> None:
        kept = MessageFactory.create(content="mine")
        before = kept.conversation.updated_at
        call = ToolCallFactory.create(conversation=kept.conversation)

        seed(first_id=1 + max(kept.pk, kept.conversation_id, call.pk))

        kept.refresh_from_db()
        assert (kept.content, kept.conversation.updated_at) == ("mine", before)
        assert kept.conversation.messages.count() == 1
        assert Message.objects.count() == 1201

    @pytest.mark.parametrize(
        "factory", [ConversationFactory, MessageFactory, ToolCallFactory, NoteFactory, ChatAccessFactory]
    )
    def test_with_such_ids_are_a_reason_to_refuse(self, factory: Any) -> None:
        # Beyond the id of its conversation, if it has one.
        largest = factory.create(pk=1_000_000).pk

        with pytest.raises(CommandError, match=f"ids up to {largest}.*--first-id"):
            seed(first_id=largest)

        assert not User.objects.filter(pk__startswith="seed-").exists()

    def test_of_an_earlier_run_are_a_reason_to_refuse(self) -> None:
        seed()
        before = rows()

        with pytest.raises(CommandError, match="Made-up people are here already"):
            seed(first_id=100_000)

        assert rows() == before

    def test_with_such_an_address_are_a_reason_to_refuse(self) -> None:
        UserFactory.create(id="x", username="x", email="SEED-000002@example.com")

        with pytest.raises(CommandError, match="Made-up people are here already"):
            seed()

    def test_that_count_uses_of_tools_are_a_reason_to_refuse(self) -> None:
        ToolUse.objects.create(day=UNTIL.date(), tool="add_task", calls=3)

        with pytest.raises(CommandError, match="--until"):
            seed()

        assert ToolUse.objects.get().calls == 3
        assert not Conversation.objects.exists()


class TestCommand:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"users": 0}, "--users: Use a number from 1 up."),
            ({"conversations": -1}, "--conversations: Use a number from 0 up."),
            ({"messages": -1}, "--messages: Use a number from 0 up."),
            ({"conversations": 0}, "--conversations: Messages need at least one conversation."),
            ({"days": 0}, "--days: Use a number from 1 up."),
            ({"days": 10**7}, "--days"),
            ({"first_id": 0}, "--first-id: Use a number from 1 up."),
            ({"first_id": 2**63 - 1}, "--first-id"),
        ],
        ids=str,
    )
    def test_refuses_what_can_not_be_made(self, options: dict[str, int], said: str) -> None:
        with pytest.raises(CommandError, match=said):
            seed(**options)

        assert not User.objects.exists()

    def test_refuses_what_is_no_time(self) -> None:
        with pytest.raises(CommandError, match=r"'soon' is no time. Use one such as 2026-01-31 or 2026-01-31T14:00."):
            call_command("seed", "--until", "soon")

    def test_a_time_is_in_utc_unless_it_says_otherwise(self) -> None:
        said = StringIO()
        sizes = ["--users", "2", "--conversations", "3", "--messages", "9", "--days", "2"]
        call_command("seed", *sizes, "--until", "2020-02-02T12:00", stdout=said, stderr=StringIO())

        latest = Message.objects.aggregate(Max("created_at"))["created_at__max"]
        assert dt.datetime(2020, 1, 31, 12, tzinfo=dt.UTC) <= latest
        assert latest <= dt.datetime(2020, 2, 2, 12, 0, 1, tzinfo=dt.UTC)
        assert said.getvalue().startswith("2 people, 3 conversations and 9 messages in ")

    def test_shows_how_far_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(seeding, "AT_ONCE", 100)

        lines = seed().splitlines()

        shown = [line for line in lines if "of 1,200 messages" in line]
        assert 2 <= len(shown) <= 11
        assert "100% 1,200 of 1,200 messages" in shown[-1]


class TestIndexes:
    def test_are_all_there_afterwards(self) -> None:
        before = indexes()

        seed()

        assert indexes() == before

    def test_are_all_there_when_it_breaks_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = indexes()

        def fail(*args: Any) -> None:
            raise RuntimeError("broken off")

        monkeypatch.setattr(seeding, "_move_sequences", fail)
        with pytest.raises(RuntimeError, match="broken off"):
            seed()

        assert indexes() == before
        assert [model._default_manager.count() for model in MODELS] == [0] * len(MODELS)


class TestWording:
    def test_some_words_are_common_and_most_are_rare(self) -> None:
        seed(users=50, conversations=500, messages=10_000)
        [(english, _), *_] = LANGUAGES

        def share(word: str) -> float:
            return (
                Message.objects.filter(
                    content__iregex=rf"\y{word}\y" if connection.vendor == "postgresql" else rf"\b{word}\b"
                ).count()
                / 10_000
            )

        assert share(english.words[0]) > 0.2
        assert 0.005 < share(english.words[100]) < 0.1
        assert share(english.words[5_000]) < 0.005

    def test_several_scripts_are_there(self) -> None:
        seed(users=50, conversations=500, messages=5_000)

        counted = Message.objects.aggregate(
            chinese=Count("pk", filter=Q(content__contains="牛奶")),
            arabic=Count("pk", filter=Q(content__contains="في")),
        )
        assert min(counted.values()) > 10
