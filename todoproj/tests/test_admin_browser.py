"""The admin in a real browser: Debian's chromium, without which these tests fail."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.urls import reverse
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from conftest import authenticate
from conversations.tests.factories import ConversationFactory, MessageFactory
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "a-long-made-up-password-7"


@pytest.fixture
def page(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A browser in which an administrator has logged in."""
    # Playwright runs a loop of its own in this thread, in which Django would refuse to touch the database.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    User.objects.create_superuser(username="admin", email="admin@example.com", password=PASSWORD, id="admin")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(base_url=live_server.url, viewport={"width": 1280, "height": 900})
        page.goto(reverse("admin:index"))
        page.fill("#id_username", "admin")
        page.fill("#id_password", PASSWORD)
        page.click("[type=submit]")
        expect(page.locator("#site-name")).to_be_visible()
        yield page
        browser.close()
        # The connection that the tests opened inside of that loop: nobody outside of it knows of it.
        connection.close()


def test_a_token_is_issued_and_shown_once(page: Page) -> None:
    UserFactory.create(id="ann", username="ann")
    page.goto(reverse("admin:index"))
    page.click("#content-main >> text=People >> nth=-1")
    expect(page.locator("#result_list")).to_contain_text("ann@example.com")

    page.goto(reverse("admin:users_personaltoken_add"))
    page.click(".select2-selection")
    page.keyboard.type("ann")
    page.click(".select2-results__option:has-text('ann')")
    page.fill("#id_name", "Laptop")
    page.uncheck("text=Add, complete, change and delete tasks")
    page.click("[name=_save]")

    token = page.locator(".issued-token").inner_text()
    assert re.fullmatch(r"todo_[\w-]{43}", token)
    principal = authenticate(token)
    assert principal is not None
    assert (principal.user_id, principal.scopes) == ("ann", frozenset({"tasks:read"}))
    page.click("text=All personal tokens")
    expect(page.locator("#result_list")).to_contain_text("Laptop")
    assert token not in page.content()
    page.click("#result_list a:has-text('Laptop')")
    assert token not in page.content()
    assert page.locator("#content-main input:visible").count() == 0


def test_a_conversation_is_read(page: Page) -> None:
    conversation = ConversationFactory.create(title="Shopping")
    MessageFactory.create(conversation=conversation, content="Buy milk,\nplease.")
    MessageFactory.create(conversation=conversation, role="assistant", content="Done.")

    page.goto(reverse("admin:conversations_conversation_changelist"))
    page.click("#result_list a:has-text('Shopping')")

    messages = page.locator(".field-latest_messages")
    expect(messages).to_contain_text("Buy milk,")
    expect(messages).to_contain_text("Done.")
    assert page.locator("[name=_save]").count() == 0
    page.click("text=List of all messages")
    expect(page.locator("#result_list tbody tr")).to_have_count(2)


def test_a_task_is_marked_as_completed(page: Page) -> None:
    task, other = TaskFactory.create(title="Buy milk"), TaskFactory.create(title="Buy tea")

    page.goto(reverse("admin:tasks_task_changelist"))
    page.check(f".action-select[value='{task.pk}']")
    page.select_option("[name=action]", label="Mark as completed")
    page.click("button[name=index]")

    expect(page.locator(".messagelist")).to_contain_text("1 marked as completed.")
    assert Task.objects.get(pk=task.pk).completed
    assert not Task.objects.get(pk=other.pk).completed


def test_selecting_a_page_of_tasks_offers_no_more_than_the_page(page: Page) -> None:
    TaskFactory.create_batch(51)

    page.goto(reverse("admin:tasks_task_changelist"))
    page.check("#action-toggle")

    expect(page.locator(".action-counter")).to_have_text("50 of 50 selected")
    expect(page.locator(".actions .question")).to_be_hidden()
