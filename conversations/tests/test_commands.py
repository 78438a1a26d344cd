"""The commands that export conversations, and that delete old ones."""

from __future__ import annotations

import io
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from conversations import retention
from conversations.models import ChatAccess, Conversation, Message, Note
from conversations.services import Said, add_turn
from conversations.tests.factories import ConversationFactory
from mcp_tools.models import ToolCall
from todoproj.users.models import User

pytestmark = pytest.mark.django_db


def talk(user: User, *, days_ago: float = 0, messages: int = 1) -> Conversation:
    """A conversation whose last activity was so many days ago."""
    then = timezone.now() - timedelta(days=days_ago)
    conversation = ConversationFactory.create(user=user, created_at=then, updated_at=then)
    said = [Said("user", f"Message {number}") for number in range(messages)]
    add_turn(user_id=user.pk, conversation_id=conversation.pk, messages=said)
    Message.objects.filter(conversation=conversation).update(created_at=then)
    Conversation.objects.filter(pk=conversation.pk).update(updated_at=then)
    return conversation


class TestExport:
    def export(self, tmp_path: Path, *options: str) -> list[dict[str, Any]]:
        file = tmp_path / "chats.jsonl"
        call_command("export_conversations", *options, output=str(file), stderr=io.StringIO())
        *lines, end = [json.loads(line) for line in file.read_text().splitlines()]
        assert end == {"kind": "end", "lines": len(lines)}
        return lines

    def test_everything(self, tmp_path: Path, ann: User, bob: User) -> None:
        talk(ann, messages=2)
        talk(bob)

        assert [line["person_id"] for line in self.export(tmp_path)] == ["bob", "ann", "ann"]
        record = ChatAccess.objects.get()
        assert (record.actor, record.action, record.person_id) == (None, "exported", "")
        assert record.detail == "JSON Lines: 2 conversations by command, all there are"

    def test_filters(self, tmp_path: Path, ann: User, bob: User) -> None:
        old, new, other = talk(ann, days_ago=10), talk(ann), talk(bob)
        day = f"{timezone.now() - timedelta(days=5):%Y-%m-%d}"

        def found(*options: str) -> list[int]:
            return [line["conversation_id"] for line in self.export(tmp_path, *options)]

        assert found("--user", "ann") == [new.pk, old.pk]
        assert found("--since", day) == [other.pk, new.pk]
        assert found("--until", day) == [old.pk]
        assert found("--until", day, "--user", "bob") == []
        assert found("--conversation", str(new.pk), "--conversation", str(other.pk)) == [other.pk, new.pk]

    def test_one_conversation_is_on_record_by_name(self, tmp_path: Path, ann: User) -> None:
        conversation = talk(ann)

        self.export(tmp_path, "--conversation", str(conversation.pk))

        record = ChatAccess.objects.get()
        assert (record.person_id, record.conversation_id) == ("ann", conversation.pk)

    def test_nobody_else_may_read_the_file(self, tmp_path: Path, ann: User) -> None:
        talk(ann)

        self.export(tmp_path)

        assert stat.S_IMODE((tmp_path / "chats.jsonl").stat().st_mode) == 0o600

    def test_what_fails_leaves_no_half_file(self, tmp_path: Path, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        talk(ann)
        (tmp_path / "chats.jsonl").write_text("what was there before")
        monkeypatch.setattr("conversations.exports.lines_of", lambda *_: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            self.export(tmp_path)

        assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
            ("chats.jsonl", "what was there before")
        ]

    def test_stdout_holds_the_lines_alone(self, capfdbinary: pytest.CaptureFixture[bytes], ann: User) -> None:
        talk(ann)

        call_command("export_conversations", "--progress", "--format", "csv")

        out, err = capfdbinary.readouterr()
        assert out.startswith(b'\xef\xbb\xbf"kind",')
        assert out.count(b"\r\n") == 3
        assert b"100% 1 of 1 conversations" in err
        assert b"1 conversations were exported." in err

    def test_no_progress_without_a_terminal(self, capfdbinary: pytest.CaptureFixture[bytes], ann: User) -> None:
        talk(ann)

        call_command("export_conversations")

        assert b"%" not in capfdbinary.readouterr().err

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--user", "nobody"], "There is no person with this id"),
            (["--output", "/nowhere/at/all.jsonl"], "can't be written to"),
            (["--output", "/"], "is a folder"),
            (["--since", "yesterday"], "Use one such as 2026-01-31"),
            (["--format", "xlsx"], "invalid choice"),
        ],
    )
    def test_what_is_wrong_is_said(self, options: list[str], said: str) -> None:
        with pytest.raises(CommandError, match=said):
            call_command("export_conversations", *options)
        assert not ChatAccess.objects.exists()


class TestDeletingOldConversations:
    def delete(self, *options: str) -> str:
        out = io.StringIO()
        call_command("delete_old_conversations", *options, stdout=out)
        return out.getvalue()

    def fill(self, ann: User) -> tuple[list[Conversation], Conversation]:
        old = [talk(ann, days_ago=days, messages=2) for days in (400, 390, 380)]
        Note.objects.create(conversation=old[0], author=ann, text="a note")
        for conversation in (old[0], None):
            ToolCall.objects.create(
                **{"user": ann, "conversation": conversation, "tool": "add_task", "arguments": {}, "duration_ms": 1}
            )
        return old, talk(ann, days_ago=300)

    @pytest.mark.parametrize("batch", ["1", "2", "500"])
    def test_takes_what_is_old_and_nothing_else(self, ann: User, batch: str) -> None:
        _, young = self.fill(ann)

        said = self.delete("--older-than", "365", "--batch", batch)

        assert said.startswith("3 conversations with 6 messages, last active before ")
        assert list(Conversation.objects.all()) == [young]
        assert list(Message.objects.values_list("conversation_id", flat=True)) == [young.pk]
        assert not Note.objects.exists()
        assert list(ToolCall.objects.values_list("conversation_id", flat=True)) == [None]
        record = ChatAccess.objects.get()
        assert (record.action, record.actor, record.person_id, record.conversation_id) == ("erased", None, "", None)
        assert record.detail.endswith("UTC: 3 conversations, 6 messages")

    def test_a_dry_run_changes_nothing(self, ann: User) -> None:
        self.fill(ann)

        said = self.delete("--older-than", "365", "--dry-run")

        assert said.startswith("3 conversations with 6 messages, ")
        assert said.rstrip().endswith("would be deleted.")
        assert (Conversation.objects.count(), Message.objects.count()) == (4, 7)
        assert not ChatAccess.objects.exists()

    def test_nothing_old_leaves_no_record(self, ann: User) -> None:
        talk(ann)

        self.delete("--older-than", "1")

        assert not ChatAccess.objects.exists()

    def test_the_setting_says_how_long(self, ann: User, settings: Settings) -> None:
        _, young = self.fill(ann)
        settings.CHAT_RETENTION_DAYS = 365

        self.delete()

        assert list(Conversation.objects.all()) == [young]

    def test_what_fails_is_not_on_record(self, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """Batches that were done stay done, and their number is on record."""
        self.fill(ann)

        def fail(gone: Any) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            retention.delete_old_conversations(before=timezone.now() - timedelta(days=365), batch=2, on_progress=fail)

        assert Conversation.objects.count() == 2
        assert ChatAccess.objects.get().detail.endswith("2 conversations, 4 messages")

    @pytest.mark.parametrize(
        "options", [[], ["--older-than", "0"], ["--older-than", "999999999"], ["--older-than", "1", "--batch", "0"]]
    )
    def test_a_number_that_makes_no_sense_deletes_nothing(self, ann: User, options: list[str]) -> None:
        self.fill(ann)

        with pytest.raises(CommandError):
            self.delete(*options)

        assert Conversation.objects.count() == 4


def test_a_time_without_a_zone_is_utc(tmp_path: Path, ann: User) -> None:
    then = datetime(2026, 1, 31, 12, tzinfo=UTC)
    conversation = talk(ann)
    Conversation.objects.filter(pk=conversation.pk).update(updated_at=then)
    file = tmp_path / "chats.jsonl"

    for since, lines in [("2026-01-31T12:00", 1), ("2026-01-31T12:00+00:00", 1), ("2026-01-31T12:00:01", 0)]:
        call_command("export_conversations", "--since", since, output=str(file), stderr=io.StringIO())
        assert len(file.read_text().splitlines()) == lines + 1
