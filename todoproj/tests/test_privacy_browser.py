"""Exports, the page of activity, and erasing, as staff see them in a real browser."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from conversations.models import ChatAccess, ChatDay, Conversation, Message
from conversations.tests.factories import ChatAccessFactory, ConversationFactory, MessageFactory
from mcp_tools.models import ToolUse
from mcp_tools.tests.factories import ToolCallFactory
from tasks.tests.factories import TaskFactory
from todoproj.tests.browsing import (
    follow,
    has_cut_columns,
    scrolls_sideways,
    serious_faults,
    status_of_post,
    take_picture,
)
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = "/admin/conversations/conversation/"
ACTIVITY = "/admin/activity/"
Open = Callable[..., Page]


class TestExport:
    def test_what_was_filtered_and_what_is_selected(self, open_as: Open) -> None:
        for title in ["Shopping", "Travel"]:
            conversation = ConversationFactory.create(title=title, user__username=title.lower())
            MessageFactory.create(conversation=conversation, content=f"=About {title}")
        person = User.objects.get(username="travel")
        page = open_as(f"{LIST}?user__id__exact={person.pk}", "view_conversation", "export_chats")

        with page.expect_download() as download:
            page.click("text=Export all that are filtered: JSON Lines")
        [line, _] = download.value.path().read_text().splitlines()
        assert json.loads(line)["content"] == "=About Travel"
        assert download.value.suggested_filename.endswith(".jsonl")

        page.goto(LIST)
        page.check("#action-toggle")
        page.select_option("[name=action]", label="Export as CSV")
        with page.expect_download() as download:
            page.click("button[name=index]")
        content = download.value.path().read_text(encoding="utf-8-sig")
        assert "'=About Travel" in content
        assert "'=About Shopping" in content
        assert ChatAccess.objects.filter(action="exported").count() == 2
        assert serious_faults(page) == []

    def test_without_the_permission_there_is_none(self, open_as: Open) -> None:
        MessageFactory.create()
        page = open_as(LIST, "view_conversation")

        expect(page.locator("#result_list")).to_be_visible()
        assert page.get_by_text("Export").count() == 0
        assert status_of_post(page, f"{LIST}export/", format="csv") == 403
        assert not ChatAccess.objects.exists()
        # The same is refused for nothing else.
        page = open_as(LIST, "view_conversation", "export_chats")
        assert status_of_post(page, f"{LIST}export/", format="csv") == 200

    @pytest.mark.parametrize("width", [1280, 390])
    def test_the_buttons_fit(self, open_as: Open, width: int) -> None:
        MessageFactory.create()
        page = open_as(LIST, "view_conversation", "export_chats", width=width)

        buttons = page.get_by_role("button", name="Export all that are filtered")
        expect(buttons).to_have_count(2)
        for button in buttons.all():
            box = button.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def fill_days() -> None:
    """A month of a small product, the same every time."""
    today = timezone.now().astimezone(dt.UTC).date()
    for ago in range(30):
        day = today - dt.timedelta(days=ago)
        weekend = day.weekday() >= 5
        messages = (180 if weekend else 420) + (ago * 37) % 90 if ago else 25
        if ago:
            ChatDay.objects.create(day=day, messages=messages, people=messages // 9 + (ago * 7) % 5)
        for number, tool in enumerate(["add_task", "list_tasks", "complete_task", "update_task", "delete_task"]):
            calls = messages // (2 + number)
            failed = (ago * 3 + number) % 6 if ago else number // 4
            took = calls * (2.1 + number * 0.7)
            ToolUse.objects.create(day=day, tool=tool, calls=calls, total_ms=took, slowest_ms=9 + number * 6 + ago % 4)
            ToolUse.objects.create(day=day, tool=tool, error_code=404, calls=failed, total_ms=1)
    MessageFactory.create_batch(25)
    Message.objects.update(created_at=timezone.now())


# Whether anything was drawn: some pixel is not transparent.
DRAWN = """canvas => new Uint32Array(
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer).some(pixel => pixel)"""


class TestActivity:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [1280, 390])
    def test_charts_are_drawn_from_here_alone(
        self, open_as: Open, live_server: LiveServer, width: int, scheme: str
    ) -> None:
        fill_days()
        page = open_as("/admin/", "view_conversation", width=width, scheme=scheme)
        hosts, complaints = set(), []
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        follow(page.locator("text=Charts of what goes on, day by day"))

        expect(page.locator("canvas")).to_have_count(4)
        for canvas in page.locator("canvas").all():
            assert canvas.evaluate(DRAWN)
        for table in page.locator("details").all():
            table.locator("summary").click()
            expect(table.locator("tbody tr").last).to_be_visible()
        assert page.locator("#messages-figures tbody tr").count() == 30
        assert hosts == {urlsplit(live_server.url).netloc}
        assert complaints == []
        assert serious_faults(page) == []
        assert not scrolls_sideways(page)
        if width == 1280:
            page.reload()
            take_picture(page, f"charts-{scheme}", of="#content", until=".charts")

    def test_without_figures_there_is_still_a_page(self, open_as: Open) -> None:
        page = open_as(ACTIVITY, "view_conversation")

        expect(page.locator("#content")).to_contain_text("There is nothing to show.")
        assert serious_faults(page) == []

    def test_without_a_script_the_figures_are_there(self, open_as: Open) -> None:
        fill_days()
        page = open_as(ACTIVITY, "view_conversation", java_script_enabled=False)

        expect(page.locator("#messages-figures tbody tr").first).to_be_visible()
        expect(page.locator("canvas").first).to_be_hidden()

    def test_colours_follow_the_switch(self, open_as: Open) -> None:
        fill_days()
        page = open_as(ACTIVITY, "view_conversation")
        light = page.locator("canvas").first.screenshot()

        page.evaluate("document.documentElement.dataset.theme = 'dark'")

        expect(page.locator("canvas")).to_have_count(4)
        assert page.locator("canvas").first.screenshot() != light

    def test_is_refused_without_the_permission(self, open_as: Open) -> None:
        page = open_as(ACTIVITY, "view_task")

        expect(page.locator("body")).to_contain_text("403")
        assert page.locator("canvas").count() == 0


WHEN = dt.datetime(2026, 3, 6, 16, 20, tzinfo=dt.UTC)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_who_looked_is_for_everybody(open_as: Open, scheme: str) -> None:
    bea, carl = (UserFactory.create(is_staff=True, username=name) for name in ["bea", "carl"])
    for number, (action, actor, whose, detail) in enumerate(
        [
            ("viewed", bea, ("ann", 7), "transcript"),
            ("viewed", bea, ("ann", 7), "message 21"),
            ("redacted", bea, ("ann", 7), "message 21"),
            ("viewed", carl, ("", None), "search in the list of conversations"),
            ("viewed", carl, ("omar", 12), "tool call 34"),
            ("exported", carl, ("", None), "25 conversations in the admin, filtered by errors=yes"),
            ("erased", None, ("", None), "a person, by command: 2 conversations, 8 messages"),
        ]
    ):
        person_id, conversation_id = whose
        ChatAccessFactory.create(
            actor=actor,
            action=action,
            person_id=person_id,
            conversation_id=conversation_id,
            detail=detail,
            created_at=WHEN - dt.timedelta(minutes=13) * number,
        )
    page = open_as("/admin/conversations/chataccess/", "view_chataccess", scheme=scheme)

    expect(page.locator("#result_list tbody tr")).to_have_count(7)
    assert serious_faults(page) == []
    assert not has_cut_columns(page)
    take_picture(page, f"chat-accesses-{scheme}", of="#content", until="#changelist")
    follow(page.locator("#result_list th a >> nth=0"))
    expect(page.locator(".field-detail")).to_contain_text("transcript")
    assert serious_faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_calls_of_tools_are_for_everybody_and_on_record(open_as: Open, scheme: str) -> None:
    ann, omar = (UserFactory.create(id=name, username=name) for name in ["ann", "omar"])
    party = ConversationFactory.create(pk=7, user=ann, title="Birthday party")
    errands = ConversationFactory.create(pk=12, user=omar, title="Errands")
    calls: list[tuple[Conversation, str, dict[str, Any], dict[str, Any]]] = [
        (party, "complete_task", {"task_id": 11}, {}),
        (party, "complete_task", {"task_id": 10}, {}),
        (party, "add_task", {"title": "Order the cake"}, {"duration_ms": 2.9}),
        (errands, "update_task", {"task_id": 8, "title": "Buy oat milk"}, {"client_name": "Cursor"}),
        (errands, "delete_task", {"task_id": 9}, {"client_name": "Cursor", "duration_ms": 4.1}),
    ]
    for number, (conversation, tool, arguments, fields) in enumerate(calls):
        made = {"client_name": "Claude", "created_at": WHEN - dt.timedelta(minutes=13) * number} | fields
        ToolCallFactory.create(pk=34 - number, conversation=conversation, tool=tool, arguments=arguments, **made)
    page = open_as("/admin/mcp_tools/toolcall/", "view_toolcall", scheme=scheme)

    expect(page.locator("#result_list tbody tr")).to_have_count(5)
    assert serious_faults(page) == []
    assert not has_cut_columns(page)
    take_picture(page, f"tool-calls-{scheme}", of="#content", until="#changelist")
    follow(page.locator("#result_list th a >> nth=2"))
    expect(page.locator(".field-given")).to_contain_text("Order the cake")
    assert serious_faults(page) == []
    details = ChatAccess.objects.order_by("pk").values_list("detail", flat=True)
    assert [detail.rstrip("0123456789") for detail in details] == ["list of tool calls", "tool call "]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_redaction_is_asked_about(open_as: Open, scheme: str) -> None:
    text = "My new card is 4111 1111 1111 1111, can you keep that for me?"
    message = MessageFactory.create(pk=21, conversation__title="Birthday party", content=text)
    path = f"/admin/conversations/message/{message.pk}/"
    page = open_as(f"{path}change/", "view_conversation", "view_message", "redact_chats", scheme=scheme)

    follow(page.get_by_role("link", name="Redact"))
    expect(page.locator("blockquote")).to_contain_text(text)
    assert serious_faults(page) == []
    page.set_viewport_size({"width": 760, "height": 620})
    take_picture(page, f"redact-{scheme}", until="#content")
    follow(page.get_by_role("link", name="No, take me back"))

    message.refresh_from_db()
    assert message.content == text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_person_is_erased_after_a_look_at_what_goes(open_as: Open, scheme: str) -> None:
    said = MessageFactory.create(conversation__user__username="ida")
    MessageFactory.create_batch(41, conversation=said.conversation)
    TaskFactory.create_batch(12, user=said.user)
    page = open_as("/admin/users/user/?q=ida", "view_user", "erase_person", scheme=scheme)

    page.check("#action-toggle")
    page.select_option("[name=action]", label="Erase selected people")
    follow(page.locator("button[name=index]"))
    expect(page.locator("#content")).to_contain_text("Messages: 42")
    assert User.objects.filter(username="ida").exists()
    assert serious_faults(page) == []
    page.set_viewport_size({"width": 760, "height": 620})
    take_picture(page, f"erase-{scheme}", until="#content")
    follow(page.locator("[type=submit][value^='Yes']"))

    expect(page.locator(".messagelist")).to_contain_text("Successfully deleted 1 person.")
    assert not User.objects.filter(username="ida").exists()
    assert not Message.objects.exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_old_conversations_are_deleted_after_a_look_at_how_many(open_as: Open, width: int, scheme: str) -> None:
    aged = [timezone.now() - dt.timedelta(days=days) for days in (10, 40, 50)]
    young, *old = [ConversationFactory.create(updated_at=at) for at in aged]
    page = open_as(LIST, "view_conversation", "delete_old_chats", width=width, scheme=scheme)

    follow(page.get_by_role("link", name="Delete old conversations"))
    assert serious_faults(page) == []
    page.get_by_label("Days without a message").fill("0")
    page.locator("form").evaluate_all("forms => forms.forEach(form => { form.noValidate = true })")
    follow(page.get_by_role("button", name="How many are there?"))
    expect(page.locator(".errorlist")).to_be_visible()
    assert serious_faults(page) == []
    page.get_by_label("Days without a message").fill("30")
    follow(page.get_by_role("button", name="How many are there?"))
    expect(page.get_by_role("heading", name="2 conversations")).to_be_visible()
    assert serious_faults(page) == []
    assert not scrolls_sideways(page)
    assert Conversation.objects.filter(pk__in=[row.pk for row in old]).count() == 2
    follow(page.get_by_role("button", name="Yes, delete them"))

    expect(page.locator(".messagelist")).to_contain_text("2 conversations")
    assert Conversation.objects.get() == young
