"""Every page of every admin opens, and none asks the database more for many rows than for few."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Model, Q
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import todoproj.admin
from conversations.models import Conversation, Message
from conversations.tests.factories import ConversationFactory, MessageFactory
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.admin import BoundedPaginator, MoreThan
from todoproj.users.models import PersonalToken, User
from todoproj.users.tests.factories import PersonalTokenFactory, UserFactory

MAKE: dict[type[Model], Callable[[], Any]] = {
    Conversation: ConversationFactory.create,
    Group: lambda: Group.objects.create(name=f"Group {Group.objects.count()}"),
    Message: MessageFactory.create,
    PersonalToken: PersonalTokenFactory.create,
    Task: TaskFactory.create,
    User: UserFactory.create,
}
LARGE: list[type[Model]] = [Conversation, Message, PersonalToken, Task, User]

every_model = pytest.mark.parametrize("model", sorted(admin.site._registry, key=str), ids=lambda model: model.__name__)
every_large_model = pytest.mark.parametrize("model", LARGE, ids=lambda model: model.__name__)


def url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@every_model
class TestEveryPageOpens:
    def test_list(self, admin_client: Client, model: type[Model]) -> None:
        MAKE[model]()

        assert admin_client.get(url(model, "changelist")).status_code == 200

    def test_search(self, admin_client: Client, model: type[Model]) -> None:
        MAKE[model]()

        for term in ["7", "#7", "ann", "ann@example.com", "9" * 30, '"', "%", "é"]:
            assert admin_client.get(url(model, "changelist"), {"q": term}).status_code == 200

    def test_add(self, admin_client: Client, model: type[Model]) -> None:
        expected = 403 if model in {Conversation, Message} else 200

        assert admin_client.get(url(model, "add")).status_code == expected

    def test_change(self, admin_client: Client, model: type[Model]) -> None:
        assert admin_client.get(url(model, "change", MAKE[model]().pk)).status_code == 200

    def test_history(self, admin_client: Client, model: type[Model]) -> None:
        assert admin_client.get(url(model, "history", MAKE[model]().pk)).status_code == 200

    def test_delete(self, admin_client: Client, model: type[Model]) -> None:
        expected = 403 if model in {Conversation, Message} else 200

        assert admin_client.get(url(model, "delete", MAKE[model]().pk)).status_code == expected

    def test_somebody_who_is_not_staff_is_sent_to_the_login(self, client: Client, model: type[Model], db: None) -> None:
        client.force_login(UserFactory.create())

        response = client.get(url(model, "changelist"))

        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))

    def test_staff_without_permissions_see_nothing(self, client: Client, model: type[Model], db: None) -> None:
        client.force_login(UserFactory.create(is_staff=True))
        row = MAKE[model]()

        for path in [url(model, "changelist"), url(model, "add"), url(model, "change", row.pk)]:
            assert client.get(path).status_code == 403


def test_the_index_opens(admin_client: Client) -> None:
    assert admin_client.get(reverse("admin:index")).status_code == 200


@every_large_model
class TestSizes:
    def test_a_list_asks_the_same_for_many_rows(self, admin_client: Client, model: type[Model]) -> None:
        for _ in range(3):
            MAKE[model]()
        few = queries(admin_client, url(model, "changelist"))
        for _ in range(57):
            MAKE[model]()

        many = queries(admin_client, url(model, "changelist"))

        assert many == few

    def test_a_page_asks_the_same_for_many_rows(self, admin_client: Client, model: type[Model]) -> None:
        row = MAKE[model]()
        few = [queries(admin_client, url(model, page, row.pk)) for page in self.pages(model)]
        for _ in range(59):
            MAKE[model]()

        many = [queries(admin_client, url(model, page, row.pk)) for page in self.pages(model)]

        assert many == few

    def test_a_list_counts_no_further_than_the_limit(
        self, admin_client: Client, model: type[Model], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(todoproj.admin, "COUNT_LIMIT", 3)
        monkeypatch.setattr(admin.site.get_model_admin(model), "list_per_page", 2, raising=False)
        for _ in range(6):
            MAKE[model]()

        with CaptureQueriesContext(connection) as captured:
            response = admin_client.get(url(model, "changelist"))

        assert "more than 3" in response.text
        counts = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
        assert len(counts) == 1
        assert "LIMIT 4)" in counts[0]
        assert "ORDER BY" not in counts[0]

    def test_a_search_says_more_than_the_limit_too(
        self, admin_client: Client, model: type[Model], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(todoproj.admin, "COUNT_LIMIT", 1)
        model_admin = admin.site.get_model_admin(model)
        monkeypatch.setattr(model_admin, "search", lambda term: Q(pk__isnull=False), raising=False)
        for _ in range(3):
            MAKE[model]()

        response = admin_client.get(url(model, "changelist"), {"q": "anything"})

        assert "more than 1 results" in response.text

    def test_a_page_beyond_the_limit_leads_back_to_the_list(self, admin_client: Client, model: type[Model]) -> None:
        response = admin_client.get(url(model, "changelist"), {"p": 9999})

        assert response.status_code in {200, 302}

    @staticmethod
    def pages(model: type[Model]) -> list[str]:
        return ["change"] if model in {Conversation, Message} else ["change", "delete"]


@pytest.mark.django_db
class TestBoundedPaginator:
    def test_pages_through_no_more_than_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(todoproj.admin, "COUNT_LIMIT", 4)
        UserFactory.create_batch(7)

        paginator = BoundedPaginator(User.objects.order_by("username"), 2)

        assert paginator.num_pages == 2
        assert len(paginator.page(2)) == 2
        assert paginator.count == 5
        assert str(paginator.count) == "more than 4"

    def test_is_exact_up_to_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(todoproj.admin, "COUNT_LIMIT", 4)
        UserFactory.create_batch(4)

        paginator = BoundedPaginator(User.objects.order_by("username"), 3)

        assert paginator.num_pages == 2
        assert str(paginator.count) == "4"

    def test_an_empty_table_has_one_page(self) -> None:
        assert BoundedPaginator(User.objects.order_by("username"), 50).num_pages == 1

    def test_a_large_limit_reads_well(self) -> None:
        assert str(MoreThan(10_001)) == "more than 10,000"


@every_large_model
def test_every_large_table_is_administered_as_one(model: type[Model]) -> None:
    model_admin = admin.site.get_model_admin(model)

    assert isinstance(model_admin, todoproj.admin.LargeTableAdmin)
    assert model_admin.ordering
    assert model_admin.date_hierarchy is None
    request = RequestFactory().get("/")
    assert isinstance(model_admin.get_paginator(request, model._default_manager.order_by("pk"), 5), BoundedPaginator)


def test_an_action_takes_the_rows_of_one_page(admin_client: Client) -> None:
    tasks = TaskFactory.create_batch(3)
    form = {"action": "mark_as_completed", "select_across": "1", "index": "0", "_selected_action": tasks[0].pk}

    response = admin_client.post(url(Task, "changelist"), form, follow=True)

    assert "An action takes the rows of one page." in response.text
    assert not Task.objects.filter(completed=True).exists()
