"""The transcript in a real browser: hostile content stays text, and everybody can read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from conversations import accesses
from conversations.models import CONTENT_MAX_LENGTH, ChatAccess, Conversation, Message, Note, Role
from conversations.services import REDACTED
from conversations.tests.factories import ConversationFactory, MessageFactory, NoteFactory
from conversations.tests.test_markdown import HOSTILE
from todoproj.tests.browsing import (
    DESKTOP,
    PASSWORD,
    PHONE,
    Pages,
    follow,
    scrolls_sideways,
    serious_faults,
    take_picture,
)
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PICTURE: ViewportSize = {"width": 760, "height": 900}
START = datetime(2026, 3, 6, 16, 20, tzinfo=UTC)

# What would break a page, besides what would run on it.
UNWIELDY = [
    "x" * CONTENT_MAX_LENGTH,
    "wide " * 2000,
    "```\n" + "x = " + "y" * 3000 + "\n```",
    "|" + "column|" * 60 + "\n|" + "-|" * 60 + "\n|" + "a cell of some length|" * 60,
    "> " * 500 + "deep",
    "*" * 3000 + "[" * 3000,
    "Z" + "\N{COMBINING GRAVE ACCENT}" * 300,
    "\N{RIGHT-TO-LEFT OVERRIDE}turned\N{POP DIRECTIONAL FORMATTING} مرحبا بالعالم، كيف الحال؟",
    "👨‍👩‍👧‍👦 🏳️‍🌈 " * 300,
    "# Heading\n\n- a\n  - b\n\n3. c\n\n> quote\n\n---\n\n`code` ~~gone~~ **bold** [site](https://example.com)",
]

PLAN = """Here is a plan for **Saturday**:

1. Order the cake by Thursday
2. Buy the drinks on the way home
3. Ask *Bruno* for the speakers

| What | Who | By |
| --- | --- | ---: |
| Cake | you | Thu |
| Speakers | Bruno | Sat |

Shall I put these on your list?"""


def url(conversation: Conversation) -> str:
    return reverse("admin:conversations_conversation_change", args=[conversation.pk])


def party(person: User, author: User) -> Conversation:
    """A conversation as it could be."""
    conversation = ConversationFactory.create(user=person, title="Birthday party", created_at=START)
    at = START

    def later(**passed: int) -> datetime:
        nonlocal at
        at += timedelta(**passed)
        return at

    def say(role: Role, content: str, **passed: int) -> None:
        MessageFactory.create(conversation=conversation, role=role, content=content, created_at=later(**passed))

    def do(tool: str, task_id: int, **fields: Any) -> None:
        made = {"principal": person.pk, "client_name": "Claude", "duration_ms": 2.9} | fields
        conversation.tool_calls.create(user=person, tool=tool, task_id=task_id, created_at=later(seconds=1), **made)

    say(Role.USER, "Hi! I have to plan a birthday party for 12 people on Saturday. Can you help?")
    say(Role.ASSISTANT, PLAN, seconds=4)
    say(Role.USER, "Yes please, and remind me of the candles.", minutes=1)
    do("add_task", 11, arguments={"title": "Order the cake", "description": "With candles, for 12"})
    do("add_task", 12, arguments={"title": "Buy the drinks"}, duration_ms=2.4)
    say(Role.ASSISTANT, "Both are on your list. The candles are in the task for the cake.", seconds=2)
    say(Role.USER, "The cake is ordered.", hours=17)
    do("complete_task", 11, arguments={"task_id": 11}, duration_ms=3.1)
    say(Role.ASSISTANT, "I ticked it off. Well done!", seconds=1)
    # A call that was refused is counted and no more, and a note moves no conversation.
    Conversation.objects.filter(pk=conversation.pk).update(
        message_count=6, last_role="assistant", tool_call_count=3, error_count=1, note_count=1, updated_at=at
    )
    text = "Asked by mail why no reminder came. The app was offline; told so."
    NoteFactory.create(conversation=conversation, author=author, text=text, created_at=later(minutes=40))
    return conversation


class Reading(Pages):
    """Pages of somebody whose times are in UTC; whatever they ask of others, and whatever was stopped, is kept."""

    def __init__(self, browser: Browser, site: str) -> None:
        super().__init__(browser, site)
        self.elsewhere: list[str] = []
        self.faults: list[str] = []

    def open(self, path: str, user: User | None = None, size: ViewportSize = DESKTOP, **options: Any) -> Page:
        return super().open(path, user, size, **{"timezone_id": "UTC"} | options)

    def watch(self, page: Page) -> None:
        page.on("request", self.on_request)
        page.on("console", self.on_console)
        page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def on_request(self, request: Request) -> None:
        if not request.url.startswith(self.site):
            self.elsewhere.append(request.url)

    def on_console(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.faults.append(said.text)

    def assert_for_everybody(self, page: Page) -> None:
        """No serious rule of axe-core's is broken on the page."""
        before = list(self.faults)
        assert serious_faults(page) == []
        # The policy stops some of what axe-core does itself.
        self.faults = before


@pytest.fixture
def reading(browser: Browser, live_server: LiveServer) -> Iterator[Reading]:
    reading = Reading(browser, live_server.url)
    yield reading
    reading.close()
    assert not reading.elsewhere
    assert not reading.faults


@pytest.fixture
def ann(db: None) -> User:
    user: User = UserFactory.create(id="ann", username="ann")
    return user


def say_hostile(conversation: Conversation, times: int = 1) -> list[str]:
    """All that could break a page or run on it, so many times; the ids of the entries."""
    contents = [text.replace("\0", "") for text in HOSTILE] + UNWIELDY
    said = [
        MessageFactory.create(
            conversation=conversation,
            role=Role.ASSISTANT if number % 2 else Role.USER,
            content=content,
            created_at=START + timedelta(seconds=number),
        )
        for number, content in enumerate(contents * times)
    ]
    return [f"message-{message.pk}" for message in said]


def assert_only_text(page: Page, count: int) -> None:
    """Each of so many entries is in the element that was made for it, and none of them is anything else."""
    for folded in page.locator(".entries details summary").all():
        folded.click()
    articles = page.locator(".entries article")
    expect(articles).to_have_count(count)
    assert page.locator(".entries > li:not(.day) > article > header").count() == count
    assert (
        page.locator("#content-main :is(script, style, img, svg, iframe, link, base, input[type=image])").count() == 0
    )
    assert page.locator("#content-main form").count() == 1
    expect(page.locator("#content h1")).to_have_count(1)
    assert not scrolls_sideways(page)
    for article in articles.all():
        box, body = article.bounding_box(), article.locator(".body").first.bounding_box()
        assert box is not None
        assert body is not None
        assert box["x"] <= body["x"]
        assert body["x"] + body["width"] <= box["x"] + box["width"]
        assert body["y"] + body["height"] <= box["y"] + box["height"]
    for link in page.locator(".body a").all():
        assert str(link.get_attribute("href")).lower().startswith(("https://", "http://", "mailto:"))


def test_hostile_content_stays_text(reading: Reading, admin: User, ann: User) -> None:
    conversation = ConversationFactory.create(user=ann, title="<script>document.title = 'owned'</script>")
    said = say_hostile(conversation)

    for size in [PHONE, DESKTOP]:
        page = reading.open(url(conversation), admin, size)
        assert_only_text(page, len(said))
        expect(page).to_have_title(f"Conversation #{conversation.pk} | todoproj")
        reading.assert_for_everybody(page)


def test_hostile_content_is_paged_through(reading: Reading, admin: User, ann: User) -> None:
    conversation = ConversationFactory.create(user=ann, title="</h1><svg onload=alert(1)>")
    said = say_hostile(conversation, times=3)
    pages = [said[-50:], said[-100:-50], said[:-100]]
    assert pages[-1]
    page = reading.open(url(conversation), admin)

    def assert_shows(ids: list[str]) -> None:
        expect(page.locator(".entries article").first).to_have_id(ids[0])
        assert [article.get_attribute("id") for article in page.locator(".entries article").all()] == ids
        assert_only_text(page, len(ids))

    assert_shows(pages[0])
    for way, shown in [("Earlier", pages[1]), ("Earlier", pages[2]), ("Later", pages[1]), ("Later", pages[0])]:
        follow(page.get_by_role("link", name=way).first)
        assert_shows(shown)
    expect(page.get_by_role("link", name="Later")).to_have_count(0)


def test_from_the_login_through_a_long_one(reading: Reading, admin: User, ann: User) -> None:
    conversation = ConversationFactory.create(user=ann, title="Long")
    for number in range(120):
        MessageFactory.create(
            conversation=conversation, content=f"number {number}", created_at=START + timedelta(hours=number)
        )
    page = reading.open("/admin/", admin)
    page.context.clear_cookies()
    page.goto("/admin/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", PASSWORD)
    follow(page.locator("[type=submit]"))
    page.goto(reverse("admin:conversations_conversation_changelist"))
    follow(page.locator("#result_list a:has-text('Long')"))

    seen: list[str] = []
    while True:
        shown = page.locator(".entries .body").all_inner_texts()
        seen = shown + seen
        earlier = page.get_by_role("link", name="Earlier").first
        if not earlier.count():
            break
        follow(earlier)

    assert seen == [f"number {number}" for number in range(120)]
    follow(page.get_by_role("link", name="Newest »").first)
    expect(page.locator("#newest")).to_contain_text("number 119")
    assert {access.actor for access in ChatAccess.objects.all()} == {admin}


def test_times_are_in_the_readers_zone(
    reading: Reading, admin: User, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow the machine is.
    monkeypatch.setattr(accesses, "RELOAD", accesses.OPENING)
    conversation = ConversationFactory.create(user=ann)
    MessageFactory.create(conversation=conversation, created_at=datetime(2026, 1, 5, 23, 30, tzinfo=UTC))

    page = reading.open(url(conversation), admin, timezone_id="Europe/Berlin")

    expect(page.locator(".day")).to_have_text("Tuesday, 6 January 2026")
    expect(page.locator(".message time")).to_have_text("00:30:00")
    # It was opened once, although the browser asked again with its zone.
    assert ChatAccess.objects.count() == 1
    without = reading.open(url(conversation), admin, timezone_id="Europe/Berlin", java_script_enabled=False)
    expect(without.locator(".day")).to_have_text("Monday, 5 January 2026")
    expect(without.locator(".facts")).to_contain_text("UTC")


def test_a_note_that_is_refused_can_be_put_right_where_one_is(reading: Reading, admin: User, ann: User) -> None:
    conversation = ConversationFactory.create(user=ann)
    MessageFactory.create_batch(40, conversation=conversation)
    page = reading.open(url(conversation), admin)

    page.get_by_label("Internal note").fill("   ")
    follow(page.get_by_role("button", name="Leave the note"))

    expect(page.get_by_label("Internal note")).to_be_focused()
    expect(page.get_by_label("Internal note")).to_be_in_viewport()
    expect(page.get_by_text("This field is required.")).to_be_in_viewport()
    assert not Note.objects.exists()


def test_a_note_is_left(reading: Reading, admin: User, ann: User) -> None:
    conversation = party(ann, admin)
    page = reading.open(url(conversation), admin)

    page.get_by_label("Internal note").fill("Answered <b>by mail</b>.\nClosed.")
    follow(page.get_by_role("button", name="Leave the note"))

    note = Note.objects.latest("pk")
    expect(page.locator(f"#note-{note.pk}")).to_contain_text("Answered <b>by mail</b>.")
    assert page.url.endswith(f"#note-{note.pk}")
    expect(page.locator("#newest article")).to_have_id(f"note-{note.pk}")


def test_a_message_is_redacted(reading: Reading, admin: User, ann: User) -> None:
    conversation = party(ann, admin)
    message = Message.objects.earliest("created_at")
    page = reading.open(url(conversation), admin)

    follow(page.get_by_role("link", name=f"Redact message {message.pk}", exact=True))
    expect(page.locator("#content")).to_contain_text("I have to plan a birthday party")
    follow(page.get_by_role("link", name="No, take me back"))
    follow(page.get_by_role("link", name=f"Redact message {message.pk}", exact=True))
    follow(page.get_by_role("button", name="Yes, redact it"))

    expect(page.locator(f"#message-{message.pk}")).to_contain_text("This message was redacted on")
    expect(page.locator("#content")).not_to_contain_text("I have to plan a birthday party")
    message.refresh_from_db()
    assert message.content == REDACTED
    page.get_by_text("Who looked at it lately").click()
    expect(page.locator(".accesses")).to_contain_text(f"Redacted: message {message.pk}")


def test_a_reader_sees_no_more_than_they_may(reading: Reading, admin: User, ann: User) -> None:
    conversation = party(ann, admin)
    reader, nobody = UserFactory.create(is_staff=True), UserFactory.create(is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename="view_conversation"))

    page = reading.open(url(conversation), reader)
    expect(page.locator("#newest")).to_contain_text("Asked by mail")
    expect(page.locator("#content")).not_to_contain_text("redact")
    expect(page.locator("#content form, .accesses")).to_have_count(0)
    for permissions, status in [([], 403), (["add_note"], 200)]:
        reader.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
        token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
        form: Any = {"text": "x", "csrfmiddlewaretoken": token}
        assert page.request.post(f"{url(conversation)}notes/", form=form).status == status

    answer = reading.open("/admin/", nobody).request.get(url(conversation))
    assert answer.status == 403
    reading.faults.clear()


def test_with_the_keyboard(reading: Reading, admin: User, ann: User) -> None:
    older = ConversationFactory.create(user=ann, updated_at=START - timedelta(days=1))
    conversation = party(ann, admin)
    page = reading.open(url(conversation), admin)
    focused = "document.activeElement.id"
    entries = [article.get_attribute("id") for article in page.locator(".entries article").all()]
    assert {str(entry).split("-")[0] for entry in entries} == {"message", "call", "note"}

    for key, expected in [("j", 0), ("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0)]:
        page.keyboard.press(key)
        assert page.evaluate(focused) == entries[expected]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    # Letters that are written are only letters.
    page.get_by_label("Internal note").focus()
    page.keyboard.type("jkn")
    expect(page.get_by_label("Internal note")).to_have_value("jkn")

    page.get_by_text("Keys", exact=True).click()
    page.get_by_label("Use these keys").uncheck()
    page.keyboard.press("j")
    assert page.evaluate(focused) == "use-keys"
    page.reload()
    page.get_by_text("Keys", exact=True).click()
    page.get_by_label("Use these keys").check()
    page.keyboard.press("n")
    page.wait_for_url(f"**{url(older)}")
    page.keyboard.press("p")
    page.wait_for_url(f"**{url(conversation)}")


# The first words of what has the focus.
NAME = "(document.activeElement.innerText || document.activeElement.value || '').split(/\\s+(?:of|\u203a)/)[0]"


def test_by_tab(reading: Reading, admin: User, ann: User) -> None:
    conversation = party(ann, admin)
    page = reading.open(url(conversation), admin)
    wanted = {"Skip to the newest entry", "Older conversation", "as written", "redact", "Arguments", "Leave the note"}
    ConversationFactory.create(user=ann, updated_at=START - timedelta(days=1))
    page.reload()

    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        name = page.evaluate(NAME).strip()
        if name == "Skip to the newest entry":
            box = page.get_by_role("link", name=name).bounding_box()
            assert box is not None
            assert box["y"] >= 0
        reached.add(name)

    assert wanted <= reached
    page.get_by_role("link", name="Skip to the newest entry").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#newest")).to_be_in_viewport()


def test_a_link_to_a_message_opens_it(reading: Reading, admin: User, ann: User) -> None:
    conversation = ConversationFactory.create(user=ann)
    for number in range(90):
        MessageFactory.create(conversation=conversation, created_at=START + timedelta(seconds=number))
    long = MessageFactory.create(conversation=conversation, content="x " * 4000 + "the end", created_at=START)

    page = reading.open(reverse("admin:conversations_message_change", args=[long.pk]), admin)
    expect(page.locator(".plain")).to_contain_text("the end")
    follow(page.get_by_role("link", name="In the transcript"))

    expect(page.locator(f"#message-{long.pk}")).to_be_in_viewport()
    expect(page.locator(f"#message-{long.pk}")).to_contain_text("the end")


# The same numbers in every picture.
@pytest.mark.django_db(transaction=True, reset_sequences=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_for_everybody(reading: Reading, admin: User, ann: User, scheme: str) -> None:
    ConversationFactory.create(user=ann, updated_at=START - timedelta(days=1))
    conversation = party(ann, UserFactory.create(username="bea"))
    ConversationFactory.create(user=ann)
    message = conversation.messages.earliest("created_at")
    page = reading.open(url(conversation), admin, color_scheme=scheme)
    for path in [
        url(conversation),
        reverse("admin:conversations_message_redact", args=[message.pk]),
        reverse("admin:conversations_message_change", args=[message.pk]),
        reverse("admin:conversations_chataccess_changelist"),
    ]:
        page.goto(path)
        for details in page.locator("#content-main details").all():
            details.evaluate("details => { details.open = true }")
        for size in [PHONE, DESKTOP]:
            page.set_viewport_size(size)
            assert not scrolls_sideways(page)
            reading.assert_for_everybody(page)

    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 18, 18)"
    assert dark == (scheme == "dark")
    page.goto(url(conversation))
    page.set_viewport_size(PICTURE)
    take_picture(page, f"transcript-{scheme}", until="#newest")
    if scheme == "light":
        page.set_viewport_size(PHONE)
        take_picture(page, "transcript-phone", until=".entries > li:nth-child(6)")
