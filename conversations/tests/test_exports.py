"""Exports: what is in them, that they cost no memory, and that nobody gets one unseen or without the permission."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode

from conversations.exports import ROWS_AT_ONCE, Format, export_conversations, lines_of, newest_first
from conversations.models import CONTENT_MAX_LENGTH, ChatAccess, Conversation, Message
from conversations.tests.factories import ConversationFactory
from mcp_tools.models import ToolCall
from todoproj.formats import to_csv
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/conversations/conversation/"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def talk(user: User, count: int, *, title: str = "", content: str = "Message {}") -> Conversation:
    """A conversation with so many messages, a second apart."""
    conversation = ConversationFactory.create(
        user=user, title=title, message_count=count, last_role="user" if count else "", updated_at=START
    )
    Message.objects.bulk_create(
        Message(
            conversation=conversation,
            user=user,
            role="user" if number % 2 == 0 else "assistant",
            content=content.format(number),
            created_at=START + timedelta(seconds=number),
        )
        for number in range(count)
    )
    return conversation


def tool_call(conversation: Conversation, *, seconds: float, **fields: Any) -> ToolCall:
    values = {"tool": "add_task", "arguments": {"title": "Milk"}, "duration_ms": 1.5, "principal": "backend"} | fields
    Conversation.objects.filter(pk=conversation.pk).update(tool_call_count=1)
    created_at = START + timedelta(seconds=seconds)
    return ToolCall.objects.create(conversation=conversation, user=conversation.user, created_at=created_at, **values)


def exported(format: Format = Format.JSONL, **filters: Any) -> bytes:
    chosen = Conversation.objects.filter(**filters)
    return b"".join(export_conversations(conversations=chosen, format=format, actor=None, detail="a test"))


def lines(content: bytes) -> list[dict[str, Any]]:
    *found, end = [json.loads(line) for line in content.decode().split("\n")[:-1]]
    assert end == {"kind": "end", "lines": len(found)}
    return found


def rows(content: bytes) -> list[dict[str, str]]:
    *found, end = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert (end["kind"], end["lines"]) == ("end", str(len(found)))
    return found


class TestLines:
    def test_a_message_and_a_call_have_a_line_each_in_their_order(self, ann: User) -> None:
        conversation = talk(ann, 2, title="Shopping")
        call = tool_call(conversation, seconds=0.5)
        first, second = conversation.messages.order_by("created_at")

        about = {"conversation_id": conversation.pk, "conversation_title": "Shopping", "person_id": "ann"}
        assert lines(exported()) == [
            {
                **{"kind": "message", **about, "id": first.pk, "created_at": "2026-03-01T12:00:00Z"},
                **{"role": "user", "content": "Message 0", "redacted_at": None},
            },
            {
                **{"kind": "tool_call", **about, "id": call.pk, "created_at": "2026-03-01T12:00:00.500000Z"},
                **{"tool": "add_task", "arguments": {"title": "Milk"}, "outcome": "success", "error_code": None},
                **{"duration_ms": 1.5, "task_id": None, "client_name": "", "principal": "backend"},
            },
            {
                **{"kind": "message", **about, "id": second.pk, "created_at": "2026-03-01T12:00:01Z"},
                **{"role": "assistant", "content": "Message 1", "redacted_at": None},
            },
        ]

    @pytest.mark.parametrize("sizes", [[0], [1, 0, 3], [ROWS_AT_ONCE, 1], [1, ROWS_AT_ONCE + 1, 1], [150] * 3])
    def test_each_comes_once_and_the_newest_first_whatever_the_sizes(self, ann: User, sizes: list[int]) -> None:
        made = [talk(ann, size) for size in sizes]

        expected = [
            (row.pk, f"Message {number}")
            for row, size in reversed(list(zip(made, sizes, strict=True)))
            for number in range(size)
        ]
        assert [(line["conversation_id"], line["content"]) for line in lines(exported())] == expected

    def test_what_is_said_meanwhile_takes_nothing_away(self, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("conversations.exports.CONVERSATIONS_AT_ONCE", 1)
        first, second, third = (talk(ann, 1) for _ in range(3))
        got: list[int] = []

        def go_on(done: Conversation) -> None:
            got.append(done.pk)
            Conversation.objects.filter(pk=first.pk).update(updated_at=START + timedelta(days=1))

        pieces = export_conversations(
            conversations=Conversation.objects.all(),
            format=Format.JSONL,
            actor=None,
            detail="a test",
            on_progress=go_on,
        )

        assert len(lines(b"".join(pieces))) == 3
        assert got == [third.pk, second.pk, first.pk]

    def test_what_a_filter_would_not_find_any_more_is_left_out(
        self, ann: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("conversations.exports.CONVERSATIONS_AT_ONCE", 1)
        talk(ann, 1)
        second, third = talk(ann, 1), talk(ann, 1)
        got: list[int] = []

        def go_on(done: Conversation) -> None:
            got.append(done.pk)
            Conversation.objects.filter(pk=second.pk).update(updated_at=START + timedelta(days=1))

        pieces = export_conversations(
            conversations=Conversation.objects.filter(updated_at__lte=START),
            format=Format.JSONL,
            actor=None,
            detail="a test",
            on_progress=go_on,
        )

        assert len(lines(b"".join(pieces))) == 2
        assert got[0] == third.pk
        assert second.pk not in got

    @pytest.mark.parametrize(
        "content",
        [
            *("a\u2028b\nc\r\nd", "𝄞 שלום", '"quoted", and\ttabs', "=1+1", "'=1+1", "''", "- a\n\n- 'b'\r\n'c'"),
            *("a;=1;'=2;''", "\t=1\t\t'=2", ';"=1";""\'', "\n'\n''\r\n=1", "don't;"),
        ],
    )
    @pytest.mark.parametrize("format", Format)
    def test_every_text_can_be_had_back(self, ann: User, content: str, format: Format) -> None:
        talk(ann, 1, content=content)

        if format is Format.JSONL:
            [line] = lines(exported())
            assert line["content"] == content
        else:
            [row] = rows(exported(Format.CSV))
            assert re.sub(r"(\A|(?<=[;\t\r\n]))'", "", row["content"]) == content

    def test_what_is_gone_meanwhile_is_left_out(self, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("conversations.exports.CHARACTERS_AT_ONCE", 1)
        conversation = talk(ann, 3)
        pieces = lines_of(conversation, next(iter(newest_first(Conversation.objects.all())))[1])
        assert next(pieces)["content"] == "Message 0"

        conversation.messages.filter(content="Message 1").delete()

        assert [line["content"] for line in pieces] == ["Message 2"]

    def test_others_are_left_out(self, ann: User, bob: User) -> None:
        talk(ann, 1, content="mine")
        talk(bob, 1, content="a secret")

        assert b"a secret" not in exported(user=ann)

    def test_it_is_on_record_before_the_first_byte(self, ann: User) -> None:
        conversation = talk(ann, 1)

        export_conversations(
            conversations=Conversation.objects.all(),
            format=Format.CSV,
            actor=ann,
            detail="why",
            person_id="bob",
            conversation_id=conversation.pk,
        )

        record = ChatAccess.objects.get()
        assert (record.action, record.actor, record.detail) == ("exported", ann, "CSV: why")
        assert (record.person_id, record.conversation_id) == ("bob", conversation.pk)


class TestCsv:
    @pytest.mark.parametrize(
        "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'"]
    )
    def test_no_cell_is_a_formula(self, ann: User, start: str) -> None:
        talk(ann, 1, title=f"{start}title", content=f'{start}HYPERLINK("http://example.com")')

        [row] = rows(exported(Format.CSV))

        assert row["content"] == f"'{start}" + 'HYPERLINK("http://example.com")'
        assert row["conversation_title"] == f"'{start}title"

    @pytest.mark.parametrize(
        "before", ["hi;", "hi\t", "hi\n", "hi\r\n", 'hi";', 'hi;"', '";";"";', "\n\n\t;", "hi,", '","']
    )
    def test_no_cell_is_a_formula_whatever_the_separator(self, ann: User, before: str) -> None:
        signs = ("=", "+", "-", "@", "\uff1d")
        text = "".join(f"{before}{sign}1" for sign in signs)
        tool_call(talk(ann, 1, title=text, content=text), seconds=0, arguments={"title": text})

        written = exported(Format.CSV).decode("utf-8-sig")

        for separator in [",", ";", "\t"]:
            cells = [cell for row in csv.reader(io.StringIO(written, newline=""), delimiter=separator) for cell in row]
            assert not [cell for cell in cells if cell.startswith(signs)]

    def test_numbers_times_and_arguments_are_as_in_json(self, ann: User) -> None:
        conversation = talk(ann, 0)
        tool_call(conversation, seconds=0, arguments={"title": "=1+1"}, outcome="error", error_code=-32602)

        [row] = rows(exported(Format.CSV))

        assert (row["error_code"], row["duration_ms"], row["role"]) == ("-32602", "1.5", "")
        assert row["created_at"] == "2026-03-01T12:00:00Z"
        assert json.loads(row["arguments"]) == {"title": "=1+1"}

    def test_without_a_line_there_is_the_header(self) -> None:
        assert b"".join(to_csv([], ["kind", "id"])) == b'\xef\xbb\xbf"kind","id"\r\n'


def test_memory_does_not_grow_with_the_export(ann: User) -> None:
    """Ten times as many messages, in one conversation and in many."""

    def peak(format: Format) -> int:
        pieces = export_conversations(
            conversations=Conversation.objects.all(), format=format, actor=None, detail="a test"
        )
        tracemalloc.start()
        for _ in pieces:
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    def fill(count: int) -> None:
        text = "x" * 500
        talk(ann, count // 2, content=text)
        for _ in range(count // 200):
            talk(ann, 100, content=text)

    fill(2_000)
    for format in Format:
        peak(format)  # what is loaded once
    small = [peak(format) for format in Format]
    fill(18_000)
    large = [peak(format) for format in Format]

    # All of it would be 18,000 messages of 500 bytes more, and what Python needs for each.
    for before, after in zip(small, large, strict=True):
        assert after - before < 1_000_000


@pytest.mark.parametrize("sizes", [[150], [5] * 30, [ROWS_AT_ONCE + 1]], ids=str)
def test_memory_does_not_grow_with_the_messages(ann: User, sizes: list[int]) -> None:
    """As long as they may be, of characters that take most: each is 400 kB in UTF-8."""
    for size in sizes:
        talk(ann, size, content="😀" * CONTENT_MAX_LENGTH)

    for format in Format:
        pieces = export_conversations(
            conversations=Conversation.objects.all(), format=format, actor=None, detail="a test"
        )
        tracemalloc.start()
        written = sum(map(len, pieces))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert written > sum(sizes) * 4 * CONTENT_MAX_LENGTH
        # Some messages, each in a few forms at a time.
        assert most < 16_000_000


@pytest.fixture
def staff() -> Callable[..., Client]:
    def make(*permissions: str) -> Client:
        user = UserFactory.create(is_staff=True, username="reader")
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    return make


def body(response: Any) -> bytes:
    assert response.status_code == 200, response
    assert response.streaming
    return b"".join(response.streaming_content)


class TestAdmin:
    EXPORT = LIST + "export/"

    def select(self, *conversations: Conversation, action: str = "export_as_jsonl") -> dict[str, Any]:
        return {"action": action, "_selected_action": [row.pk for row in conversations], "index": "0"}

    def test_what_is_selected(self, admin_client: Client, admin_user: User, ann: User, bob: User) -> None:
        one, other = talk(ann, 2), talk(bob, 1)
        talk(bob, 3)

        response = admin_client.post(LIST, self.select(one, other))
        record = ChatAccess.objects.get()

        assert [line["person_id"] for line in lines(body(response))] == ["bob", "ann", "ann"]
        assert response["Content-Type"] == "application/jsonl"
        assert response["Content-Disposition"].startswith('attachment; filename="conversations-')
        assert (record.actor, record.action, record.person_id, record.conversation_id) == (
            *(admin_user, "exported", "", None),
        )
        assert record.detail == "JSON Lines: 2 conversations in the admin, selected"

    def test_one_alone_is_on_record_by_name(self, admin_client: Client, ann: User) -> None:
        conversation = talk(ann, 1)

        body(admin_client.post(LIST, self.select(conversation, action="export_as_csv")))

        record = ChatAccess.objects.get()
        assert (record.person_id, record.conversation_id) == ("ann", conversation.pk)

    def test_all_that_are_filtered(self, admin_client: Client, ann: User, bob: User) -> None:
        talk(ann, 1)
        talk(ann, 2)
        talk(bob, 1)

        response = admin_client.post(self.EXPORT + "?user__id__exact=ann&q=ann", {"format": "csv"})

        assert {row["person_id"] for row in rows(body(response))} == {"ann"}
        record = ChatAccess.objects.get()
        assert (record.person_id, record.conversation_id) == ("ann", None)
        assert record.detail == "CSV: 2 conversations in the admin, filtered by a search, a person"

    def test_the_record_says_by_what_it_was_filtered_but_quotes_no_search(self, admin_client: Client) -> None:
        page = urlencode({"p": json.dumps(["after", "2026-01-01T00:00:00+00:00", "1"])})
        query = f"?updated_at__gte=2026-01-01+00:00:00%2B00:00&q=a-private-word&{page}"

        body(admin_client.post(self.EXPORT + query, {"format": "jsonl"}))

        detail = ChatAccess.objects.get().detail
        assert detail.endswith("filtered by a search, updated_at__gte=2026-01-01 00:00:00+00:00")

    def test_the_record_says_what_it_must_however_much_else_there_is(self, admin_client: Client) -> None:
        others = [("updated_at__gte", "2026-01-01 00:00:00+00:00")] * 30
        query = urlencode([*others, ("user__id__exact", "ann"), ("q", "a-private-word")])

        body(admin_client.post(f"{self.EXPORT}?{query}", {"format": "jsonl"}))

        assert "filtered by a search, a person, updated_at__gte=2026-01-01" in ChatAccess.objects.get().detail

    @pytest.mark.parametrize("name", ["e", "o", "all", "_facets", "_popup"])
    def test_the_record_repeats_nothing_that_is_no_filter(self, admin_client: Client, name: str) -> None:
        body(admin_client.post(f"{self.EXPORT}?q=&{name}=all+is+well", {"format": "jsonl"}))

        assert ChatAccess.objects.get().detail.endswith("filtered by nothing")

    def test_the_record_says_all_that_it_was_filtered_by(self, admin_client: Client, ann: User) -> None:
        talk(ann, 1)

        query = "?last_role__exact=user&last_role__exact=assistant"
        exported = lines(body(admin_client.post(self.EXPORT + query, {"format": "jsonl"})))

        assert len(exported) == 1
        assert ChatAccess.objects.get().detail.endswith("filtered by last_role__exact=user,assistant")

    def test_the_list_offers_it_with_its_filters(self, admin_client: Client, ann: User) -> None:
        talk(ann, 1)

        page = admin_client.get(LIST + "?user__id__exact=ann").text

        assert 'action="export/?user__id__exact=ann"' in page
        assert "Export all that are filtered: CSV" in page

    @pytest.mark.parametrize(
        "query",
        [
            *("?nonsense=1", "?updated_at__gte=yesterday", "?user__email=ann@example.com", "?user__password=x"),
            *("?user__id__exact=%00", "?beginning__startswith=x", "?user__id__exact=ann&user__id__exact=bob"),
            *("?errors=all+is+well", "?notes=all+is+well&notes=yes", "?last_role__exact=all+is+well"),
            "?last_role__isnull=all+is+well",
        ],
    )
    def test_a_filter_that_there_is_not_exports_nothing(self, admin_client: Client, ann: User, query: str) -> None:
        talk(ann, 1)

        response = admin_client.post(self.EXPORT + query, {"format": "jsonl"})

        assert response.status_code in {302, 400}
        assert not ChatAccess.objects.exists()

    def test_by_a_time_that_sqlite_can_not_hold(self, admin_client: Client) -> None:
        query = urlencode({"updated_at__gte": "0001-01-01T00:00:00+14:00"})

        response = admin_client.post(f"{self.EXPORT}?{query}", {"format": "jsonl"})

        if connection.vendor == "sqlite":
            assert response["Location"] == LIST
        else:
            assert lines(body(response)) == []
        assert ChatAccess.objects.exists() == (connection.vendor != "sqlite")

    @pytest.mark.parametrize("person", ["nobody", "x" * 300, "%ED%A0%80", ""])
    def test_nobody_has_no_conversations(self, admin_client: Client, ann: User, person: str) -> None:
        talk(ann, 1)

        response = admin_client.post(f"{self.EXPORT}?user__id__exact={person}", {"format": "jsonl"})

        assert lines(body(response)) == []
        assert ChatAccess.objects.get().person_id == ""

    @pytest.mark.parametrize("format", ["", "xlsx"])
    def test_a_format_that_there_is_not_exports_nothing(self, admin_client: Client, format: str) -> None:
        assert admin_client.post(self.EXPORT, {"format": format}).status_code == 302
        assert not ChatAccess.objects.exists()

    @pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
    def test_only_a_form_exports(self, admin_client: Client, ann: User, method: str) -> None:
        talk(ann, 1)

        assert getattr(admin_client, method)(self.EXPORT + "?format=csv").status_code == 405
        assert not ChatAccess.objects.exists()

    def test_a_link_leads_to_the_list(self, admin_client: Client, ann: User) -> None:
        response = admin_client.get(f"{self.EXPORT}?errors=no", follow=True)

        assert response.redirect_chain == [(f"{LIST}?errors=no", 302)]
        assert "Nothing was exported." in response.text
        assert not ChatAccess.objects.exists()

    def test_a_form_from_elsewhere_exports_nothing(self, admin_user: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)

        assert client.post(self.EXPORT, {"format": "csv"}).status_code == 403

    @pytest.mark.parametrize("permissions", [(), ("view_conversation",), ("export_chats",)])
    def test_needs_the_permission(self, staff: Callable[..., Client], ann: User, permissions: tuple[str, ...]) -> None:
        conversation = talk(ann, 1)
        client = staff(*permissions)

        assert client.post(self.EXPORT, {"format": "csv"}).status_code == 403
        for action in ("export_as_jsonl", "export_as_csv"):
            response = client.post(LIST, self.select(conversation, action=action))
            assert not response.streaming
        assert b"Export" not in client.get(LIST).content
        assert not ChatAccess.objects.exists()

    def test_the_permission_is_enough(self, staff: Callable[..., Client], ann: User) -> None:
        talk(ann, 1)

        assert body(staff("view_conversation", "export_chats").post(self.EXPORT, {"format": "csv"}))

    def test_its_address(self) -> None:
        assert reverse("admin:conversations_conversation_export") == self.EXPORT


@pytest.fixture(autouse=True)
def _unrelated(db: None) -> Iterator[None]:
    """Whatever a test exports, this is not part of it."""
    yield
    assert not ChatAccess.objects.exclude(action="exported").exists()
