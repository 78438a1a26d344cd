"""The lists of the admin in a real browser: finding a conversation, and paging; everybody can use them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from conversations.admin import ConversationAdmin
from conversations.models import Conversation
from conversations.services import Said, add_turn, start_conversation
from conversations.tests.factories import ConversationFactory
from mcp_tools.tests.factories import ToolCallFactory
from todoproj.tests.browsing import (
    DESKTOP,
    PHONE,
    Scheme,
    assert_accessible,
    follow,
    has_cut_columns,
    scrolls_sideways,
    take_picture,
)
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CONVERSATIONS = reverse("admin:conversations_conversation_changelist")
CALLS = reverse("admin:mcp_tools_toolcall_changelist")
NEWEST = datetime(2025, 11, 21, 16, 20, tzinfo=UTC)

SAID = [
    ("ann", "Shopping", "Remind me to buy milk. Two litres, the kind in glass.", 1, 0),
    ("bob", "Trip to Bern", "Which train do I need to be in Bern before ten?", 2, 1),
    ("mei", "Список покупок", "我想买牛奶。明天早上提醒我。", 1, 0),
    ("ann", "Tax return", "What is still missing for the tax return?", 0, 0),
    ("omar", "قائمة اليوم", "أضف الحليب والخبز إلى القائمة", 3, 0),
    ("bob", "", "Move everything that is due today to Monday, please.", 4, 2),
    ("ann", "Garden", "When did I last water the tomatoes?", 0, 0),
    ("mei", "Birthday", "Plan a small party for eight people on Saturday.", 6, 0),
]


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    chosen: Scheme = request.param
    return chosen


@pytest.fixture
def conversations() -> list[Conversation]:
    """The newest activity first."""
    made = []
    for number, (name, title, said, calls, errors) in enumerate(SAID):
        if not User.objects.filter(pk=name).exists():
            UserFactory.create(id=name, username=name, email=f"{name}@example.com")
        conversation = start_conversation(user_id=name, title=title)
        add_turn(
            user_id=name,
            conversation_id=conversation.pk,
            messages=[Said("user", said), Said("assistant", "It is done."), Said("user", "Thanks!")][: 2 + number % 2],
        )
        Conversation.objects.filter(pk=conversation.pk).update(
            updated_at=NEWEST - timedelta(minutes=37) * number, tool_call_count=calls, error_count=errors
        )
        made.append(conversation)
    return made


def found(page: Page) -> list[str]:
    page.locator("#changelist nav.paginator").wait_for()
    return [text.strip() for text in page.locator("#result_list .field-subject").all_inner_texts()]


@pytest.mark.parametrize("scheme", ["light"], indirect=True)
def test_a_conversation_is_found_by_a_word(page: Page, conversations: list[Conversation]) -> None:
    page.goto(reverse("admin:index"))
    follow(page.locator("#content-main a:has-text('Conversations'):not(.section)"))
    expect(page.locator("#result_list tbody tr")).to_have_count(len(SAID))

    page.fill("#searchbar", "litres MILK")
    follow(page.locator("#searchbar"), "Enter")

    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    assert found(page) == ["Shopping"]
    page.fill("#searchbar", "牛奶")
    follow(page.locator("#searchbar"), "Enter")
    expect(page.locator("#result_list")).to_contain_text("Список покупок")
    follow(page.locator("text=Show all"))
    expect(page.locator("#result_list tbody tr")).to_have_count(len(SAID))
    follow(page.locator("#changelist-filter >> text=Yes >> nth=0"))
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    assert found(page) == ["Trip to Bern", "Move everything that is due today to Monday, please."]
    follow(page.locator("#result_list >> text=Trip to Bern"))
    expect(page.locator("#content")).to_contain_text("Which train do I need")


@pytest.mark.parametrize("scheme", ["light"], indirect=True)
def test_pages_are_turned_by_keyboard(
    page: Page, conversations: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConversationAdmin, "list_per_page", 3)
    page.goto(CONVERSATIONS)
    first = found(page)
    pages = page.get_by_role("navigation", name="Pages")
    expect(pages.get_by_role("link")).to_have_text(["Older"])

    follow(pages.get_by_role("link", name="Older"), "Enter")
    expect(pages.get_by_role("link")).to_have_text(["Newest", "Newer", "Older"])
    second = found(page)
    follow(pages.get_by_role("link", name="Older"), "Enter")
    expect(pages.get_by_role("link")).to_have_text(["Newest", "Newer"])
    third = found(page)

    assert [*first, *second, *third] == [title or said for _, title, said, _, _ in SAID]
    ConversationFactory.create(title="Come meanwhile", updated_at=timezone.now() + timedelta(hours=1))
    follow(pages.get_by_role("link", name="Newer"), "Enter")
    expect(pages).to_contain_text("3 conversations on this page")
    assert found(page) == second
    follow(pages.get_by_role("link", name="Newest"), "Enter")
    expect(pages.get_by_role("link")).to_have_text(["Older"])
    assert found(page) == ["Come meanwhile", *first[:2]]


@pytest.mark.parametrize("scheme", ["light"], indirect=True)
def test_a_long_word_pushes_nothing_out_of_sight(page: Page) -> None:
    word = "https://shop.example.com/" + "x" * 150
    conversation = start_conversation(user_id=UserFactory.create(username="ann").pk, title=word)
    add_turn(user_id=conversation.user_id, conversation_id=conversation.pk, messages=[Said("user", word)])

    for path in [CONVERSATIONS, reverse("admin:conversations_message_changelist")]:
        page.goto(path)
        expect(page.locator("#result_list")).to_contain_text(word[:60])
        assert not has_cut_columns(page)
    for size in [DESKTOP, PHONE]:
        page.set_viewport_size(size)
        page.goto(reverse("admin:conversations_conversation_change", args=[conversation.pk]))
        assert not scrolls_sideways(page)


# The same numbers in every picture.
@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_everybody_can_use_the_list(
    page: Page, conversations: list[Conversation], monkeypatch: pytest.MonkeyPatch, scheme: Scheme
) -> None:
    page.goto(CONVERSATIONS)
    assert_accessible(page)
    assert not has_cut_columns(page)
    for time in page.locator("td.field-last_activity").all():
        expect(time).to_have_css("white-space", "nowrap")
    take_picture(page, f"conversation-list-{scheme}", of="#content", until="#changelist")
    monkeypatch.setattr(ConversationAdmin, "list_per_page", 2)
    page.goto(CONVERSATIONS)
    follow(page.locator("text=Older"))
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
    assert_accessible(page)


def test_everybody_can_use_the_calls_of_tools(page: Page, conversations: list[Conversation]) -> None:
    call = ToolCallFactory.create(conversation=conversations[0], arguments={"title": "Buy milk " * 50})
    page.goto(CALLS)
    assert_accessible(page)
    assert not has_cut_columns(page)
    follow(page.locator(f"#result_list a:text-is('{call.pk}')"))
    expect(page.locator(".field-given")).to_contain_text("Buy milk")
