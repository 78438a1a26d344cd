"""The admin in a real browser."""

import re

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import Page, expect

from conftest import authenticate
from conversations.tests.factories import ConversationFactory, MessageFactory
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.tests.browsing import follow
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_token_is_issued_and_shown_once(page: Page) -> None:
    UserFactory.create(id="ann", username="ann")
    page.goto(reverse("admin:index"))
    follow(page.locator("#content-main >> text=People >> nth=-1"))
    expect(page.locator("#result_list")).to_contain_text("ann@example.com")

    page.goto(reverse("admin:users_personaltoken_add"))
    page.click(".select2-selection")
    page.keyboard.type("ann")
    page.click(".select2-results__option:has-text('ann')")
    page.fill("#id_name", "Laptop")
    page.uncheck("text=Add, complete, change and delete tasks")
    follow(page.locator("[name=_save]"))

    token = page.locator(".issued-token").inner_text()
    assert re.fullmatch(r"todo_[\w-]{43}", token)
    principal = authenticate(token)
    assert principal is not None
    assert (principal.user_id, principal.scopes) == ("ann", frozenset({"tasks:read", "chats:read", "chats:write"}))
    follow(page.locator("text=All personal tokens"))
    expect(page.locator("#result_list")).to_contain_text("Laptop")
    assert token not in page.content()
    follow(page.locator("#result_list a:has-text('Laptop')"))
    expect(page.locator("#content")).to_contain_text("Laptop")
    assert token not in page.content()
    assert page.locator("#content-main input:visible").count() == 0


def test_what_others_changed_while_a_form_was_open_stays_changed(page: Page) -> None:
    ann = UserFactory.create(id="ann", is_staff=True)
    left, kept, joined = (Group.objects.create(name=name) for name in ["Left", "Kept", "Joined"])
    ann.groups.set([left, kept])
    page.goto(reverse("admin:users_user_change", args=["ann"]))
    User.objects.filter(pk="ann").update(is_active=False, is_staff=False, email="new@example.com")
    ann.groups.set([kept, joined])

    page.fill("#id_first_name", "Ann")
    follow(page.locator("[name=_continue]"))

    ann = User.objects.get(pk="ann")
    assert (ann.first_name, ann.is_active, ann.is_staff, ann.email) == ("Ann", False, False, "new@example.com")
    assert set(ann.groups.all()) == {kept, joined}
    expect(page.locator("#id_is_active")).not_to_be_checked()

    page.check("#id_is_active")
    page.dblclick("#id_groups_to option:has-text('Kept')")
    follow(page.locator("[name=_save]"))

    ann = User.objects.get(pk="ann")
    assert ann.is_active
    assert set(ann.groups.all()) == {joined}


def test_a_conversation_is_read(page: Page) -> None:
    conversation = ConversationFactory.create(title="Shopping")
    MessageFactory.create(conversation=conversation, content="Buy milk,\nplease.")
    MessageFactory.create(conversation=conversation, role="assistant", content="Done.")

    page.goto(reverse("admin:conversations_conversation_changelist"))
    follow(page.locator("#result_list a:has-text('Shopping')"))

    expect(page.locator(".entries article")).to_have_count(2)
    expect(page.locator(".entries")).to_contain_text("Buy milk,")
    expect(page.locator("#newest")).to_contain_text("Done.")
    assert page.locator("[name=_save]").count() == 0
    follow(page.locator(".facts a[href*=conversation__id]"))
    expect(page.locator("#result_list tbody tr")).to_have_count(2)


def test_a_task_is_marked_as_completed(page: Page) -> None:
    task, other = TaskFactory.create(title="Buy milk"), TaskFactory.create(title="Buy tea")

    page.goto(reverse("admin:tasks_task_changelist"))
    page.check(f".action-select[value='{task.pk}']")
    page.select_option("[name=action]", label="Mark as completed")
    follow(page.locator("button[name=index]"))

    expect(page.locator(".messagelist")).to_contain_text("1 marked as completed.")
    assert Task.objects.get(pk=task.pk).completed
    assert not Task.objects.get(pk=other.pk).completed


def test_selecting_a_page_of_tasks_offers_no_more_than_the_page(page: Page) -> None:
    TaskFactory.create_batch(51)

    page.goto(reverse("admin:tasks_task_changelist"))
    page.check("#action-toggle")

    expect(page.locator(".action-counter")).to_have_text("50 of 50 selected")
    expect(page.locator(".actions .question")).to_be_hidden()
