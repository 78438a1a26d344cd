"""Every page of every admin opens, and none asks the database more for many rows than for few."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken

import todoproj.admin
from conversations import accesses
from conversations.models import ChatAccess, Conversation, Message
from conversations.tests.factories import ChatAccessFactory, ConversationFactory, MessageFactory
from mcp_tools.models import ToolCall
from mcp_tools.tests.factories import ToolCallFactory
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.admin import KeysetChangeList, LinkedRowFilter, MoreThan, bounded_count
from todoproj.oauth.tests.factories import AccessTokenFactory, ApplicationFactory, GrantFactory, RefreshTokenFactory
from todoproj.users.models import PersonalToken, SecurityEvent, User
from todoproj.users.tests.factories import PersonalTokenFactory, SecurityEventFactory, UserFactory

MAKE: dict[type[Model], Callable[[], Any]] = {
    AccessToken: AccessTokenFactory.create,
    Application: ApplicationFactory.create,
    ChatAccess: ChatAccessFactory.create,
    Conversation: ConversationFactory.create,
    Grant: GrantFactory.create,
    Group: lambda: Group.objects.create(name=f"Group {Group.objects.count()}"),
    Message: MessageFactory.create,
    PersonalToken: PersonalTokenFactory.create,
    RefreshToken: RefreshTokenFactory.create,
    SecurityEvent: SecurityEventFactory.create,
    Task: TaskFactory.create,
    ToolCall: ToolCallFactory.create,
    User: UserFactory.create,
}
LARGE: list[type[Model]] = [model for model in MAKE if model is not Group]
LINKED = [
    pytest.param(model, chosen[0], id=f"{model.__name__}-{chosen[0]}")
    for model in LARGE
    for chosen in admin.site.get_model_admin(model).list_filter
    if isinstance(chosen, tuple) and chosen[1] is LinkedRowFilter
]
READ_ONLY: set[type[Model]] = {
    *(AccessToken, ChatAccess, Conversation, Grant, Message, RefreshToken, SecurityEvent, ToolCall),
}

# Those whose lists have actions.
ACTING: list[type[Model]] = [
    *(AccessToken, Application, Conversation, Group, PersonalToken, RefreshToken, Task, User),
]

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
        expected = 403 if model in READ_ONLY else 200

        assert admin_client.get(url(model, "add")).status_code == expected

    def test_change(self, admin_client: Client, model: type[Model]) -> None:
        assert admin_client.get(url(model, "change", MAKE[model]().pk)).status_code == 200

    def test_history(self, admin_client: Client, model: type[Model]) -> None:
        assert admin_client.get(url(model, "history", MAKE[model]().pk)).status_code == 200

    def test_delete(self, admin_client: Client, model: type[Model]) -> None:
        expected = 403 if model in READ_ONLY else 200

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

    def test_whether_a_row_is_there_they_are_not_told(self, client: Client, model: type[Model], db: None) -> None:
        client.force_login(UserFactory.create(is_staff=True))

        for page in ["change", "history", "delete"]:
            for pk in [MAKE[model]().pk, 987_654_321]:
                assert client.get(url(model, page, pk)).status_code == 403

    def test_no_link_leads_where_one_may_not_go(self, client: Client, model: type[Model], db: None) -> None:
        reader = UserFactory.create(is_staff=True)
        codename = f"view_{model._meta.model_name}"
        reader.user_permissions.add(
            Permission.objects.get(content_type__app_label=model._meta.app_label, codename=codename)
        )
        client.force_login(reader)
        row = MAKE[model]()

        for page in [url(model, "changelist"), url(model, "change", row.pk)]:
            content = client.get(page, follow=True).text
            links = {link for link in re.findall(r'<a [^>]*href="(/admin/[^"#]*)', content) if "logout" not in link}
            assert len(links) > 1
            assert not [link for link in links if client.get(unescape(link)).status_code == 403]

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
    def test_other_methods_are_refused(self, admin_client: Client, model: type[Model], method: str) -> None:
        row = MAKE[model]()
        pages = [url(model, "changelist"), url(model, "add")]
        pages += [url(model, page, row.pk) for page in ["change", "history", "delete"]]

        for path in pages:
            response = admin_client.generic(method, path)
            assert (response.status_code, response["Allow"]) == (405, "GET, HEAD, POST")


@every_model
def test_only_people_are_offered_and_only_where_a_form_asks(admin_client: Client, model: type[Model]) -> None:
    """Whatever a list's search finds, it is on record; a field that offers rows would find it without."""
    MAKE[model]()
    referring = [
        (other, field)
        for other in apps.get_models()
        for field in other._meta.get_fields()
        if field.remote_field and field.remote_field.model is model
    ]

    for other, field in referring:
        asked = {
            "app_label": other._meta.app_label,
            "model_name": other.__name__,
            "field_name": field.name,
            "term": "a",
        }
        response = admin_client.get(reverse("admin:autocomplete"), asked)
        offered = model is User and other in {Application, PersonalToken, Task} and field.name == "user"
        assert response.status_code == (200 if offered else 403), asked


def test_the_index_opens(admin_client: Client) -> None:
    assert admin_client.get(reverse("admin:index")).status_code == 200


@every_model
class TestLookups:
    """A link may narrow a list down by its filters; each field for itself would tell what no page shows."""

    @pytest.mark.parametrize("lookup", ["__startswith", "__gt", "__in"])
    def test_of_other_fields_are_refused(self, admin_client: Client, model: type[Model], lookup: str) -> None:
        MAKE[model]()
        path = url(model, "changelist")

        for field in model._meta.concrete_fields:
            assert admin_client.get(path, {field.name + lookup: "1"}).status_code == 400

    @pytest.mark.parametrize("lookup", ["", "__exact", "__id__exact"])
    def test_by_what_no_row_holds(self, admin_client: Client, model: type[Model], lookup: str) -> None:
        path = url(model, "changelist")

        for field in model._meta.concrete_fields:
            assert admin_client.get(path, {field.name + lookup: "\0"})["Location"] == f"{path}?e=1"


@every_large_model
def test_related_rows_that_there_are_not(admin_client: Client, model: type[Model]) -> None:
    for name in ["user__id__exact", "conversation__id__exact", "application__id__exact"]:
        for value in ["\0", "x" * 300, "9" * 30]:
            assert admin_client.get(url(model, "changelist"), {name: value}).status_code in {200, 302, 400}


@pytest.mark.parametrize(("model", "field"), LINKED)
def test_a_link_names_one_related_row_only(admin_client: Client, model: type[Model], field: str) -> None:
    path = url(model, "changelist")

    response = admin_client.get(path, {LinkedRowFilter.parameter_for(field): ["1", "2"]})

    assert response["Location"] == f"{path}?e=1"


def test_a_filter_that_is_none_is_told(admin_client: Client) -> None:
    response = admin_client.get(url(Conversation, "changelist"), {"errors": "some"}, follow=True)

    assert "There is no such filter or page. This is the whole list." in response.text


@pytest.mark.parametrize(("address", "is_page"), [("/admin/nosuch/", True), ("/", True), ("/api/nosuch/", False)])
def test_an_address_that_is_none(admin_client: Client, address: str, is_page: bool) -> None:
    in_a_browser = admin_client.get(address, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    by_a_program = admin_client.get(address)

    assert in_a_browser.status_code == by_a_program.status_code == 404
    assert ("There is nothing here" in in_a_browser.text) is is_page
    assert by_a_program["Content-Type"] == "application/problem+json"


@every_model
def test_a_filter_takes_only_what_it_offers(admin_client: Client, model: type[Model]) -> None:
    MAKE[model]()
    path = url(model, "changelist")
    changelist = admin_client.get(path).context["cl"]

    for spec in changelist.filter_specs:
        for choice in spec.choices(changelist):
            assert admin_client.get(path + choice["query_string"]).status_code == 200
        for name in spec.expected_parameters():
            assert admin_client.get(path, {name: "all is well"})["Location"] == f"{path}?e=1"


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize(
    ("model", "name"), [(Message, "created_at__gte"), (ToolCall, "created_at__lt"), (Conversation, "updated_at__gte")]
)
def test_a_time_that_sqlite_can_not_hold(admin_client: Client, model: type[Model], name: str, time: str) -> None:
    MAKE[model]()
    path = url(model, "changelist")

    for params in [{name: time}, {"p": json.dumps(["after", time, "1"])}, {"p": json.dumps(["before", time, "1"])}]:
        response = admin_client.get(path, params)
        if connection.vendor == "sqlite":
            assert response["Location"] == f"{path}?e=1"
        else:
            assert response.status_code == 200


@every_large_model
class TestSizes:
    @pytest.fixture(autouse=True)
    def _known_content_types(self, db: None) -> None:
        """Else the first page asks for one, and the others have it from Django's cache."""
        ContentType.objects.get_for_models(*apps.get_models())

    @pytest.fixture(autouse=True)
    def _recorded_every_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(accesses, "RELOAD", timedelta(0))

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

    def test_a_list_counts_nothing(self, admin_client: Client, model: type[Model]) -> None:
        MAKE[model]()

        for params in [{}, {"q": "ann@example.com"}, {"all": ""}]:
            with CaptureQueriesContext(connection) as captured:
                assert admin_client.get(url(model, "changelist"), params).status_code == 200
            assert not [query["sql"] for query in captured if "COUNT(" in query["sql"]]

    @staticmethod
    def pages(model: type[Model]) -> list[str]:
        return ["change"] if model in READ_ONLY else ["change", "delete"]


@every_large_model
class TestPages:
    @pytest.fixture(autouse=True)
    def _two_a_page(self, db: None, model: type[Model], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(admin.site.get_model_admin(model), "list_per_page", 2, raising=False)

    def walk(self, client: Client, model: type[Model], params: str, link: str) -> list[list[Any]]:
        """The pages from one on, by a link that is on each."""
        pages: list[list[Any]] = []
        wanted: str | None = params
        while wanted is not None:
            response = client.get(url(model, "changelist") + wanted)
            assert response.status_code == 200
            changelist = response.context["cl"]
            pages.append([row.pk for row in changelist.result_list])
            wanted = getattr(changelist, link)
            assert wanted is None or f'href="{escape(wanted)}"' in response.text
        return pages

    def test_have_each_row_once_there_and_back(self, admin_client: Client, model: type[Model]) -> None:
        for _ in range(5):
            MAKE[model]()
        ordering: Any = admin.site.get_model_admin(model).ordering
        rows = list(model._default_manager.order_by(*ordering).values_list("pk", flat=True))

        there = self.walk(admin_client, model, "", "later")
        assert there == [rows[start : start + 2] for start in range(0, len(rows), 2)]

        last = admin_client.get(url(model, "changelist")).context["cl"].later
        while (following := admin_client.get(url(model, "changelist") + last).context["cl"].later) is not None:
            last = following
        assert self.walk(admin_client, model, last, "earlier") == there[::-1]

    def test_a_single_one_has_no_links(self, admin_client: Client, model: type[Model]) -> None:
        if not model._default_manager.exists():
            MAKE[model]()

        changelist = admin_client.get(url(model, "changelist")).context["cl"]

        assert (changelist.first, changelist.earlier, changelist.later) == (None, None, None)
        assert len(changelist.result_list) == 1

    @pytest.mark.parametrize(
        "place",
        [
            *("9999", "x", "[]", "null", '["after"]', '["beside", "1"]', '["after", 1]', '["after", "1", "2", "3"]'),
            *('["after", "x", "y"]', '["after", "2026-01-01", "1"]', '["after", "2026-01-01T00:00:00", "1"]'),
            *("[" * 5000, '["after", "' + "9" * 5000 + '"]', '["after", "\\u0000"]', '["before", "\\ud800"]'),
        ],
    )
    def test_a_place_that_is_none_leads_to_the_first(
        self, admin_client: Client, model: type[Model], place: str
    ) -> None:
        response = admin_client.get(url(model, "changelist"), {"p": place}, follow=True)

        assert response.status_code == 200

    def test_no_other_order_is_to_be_had(self, admin_client: Client, model: type[Model]) -> None:
        for _ in range(2):
            MAKE[model]()
        usual = admin_client.get(url(model, "changelist")).context["cl"].result_list

        for order in ["1", "-2", "1.-2.3"]:
            assert admin_client.get(url(model, "changelist"), {"o": order}).context["cl"].result_list == usual


class TestPlaces:
    """Links to pages stay right while rows come and go."""

    @pytest.fixture
    def tasks(self, db: None, monkeypatch: pytest.MonkeyPatch) -> list[Task]:
        """The newest first."""
        monkeypatch.setattr(admin.site.get_model_admin(Task), "list_per_page", 2)
        return TaskFactory.create_batch(6)[::-1]

    def open(self, client: Client, params: str = "") -> Any:
        return client.get(url(Task, "changelist") + params).context["cl"]

    def test_rows_that_come_meanwhile_move_nothing(self, admin_client: Client, tasks: list[Task]) -> None:
        second = self.open(admin_client, self.open(admin_client).later)
        TaskFactory.create_batch(3)

        assert self.open(admin_client, second.later).result_list == tasks[4:]
        assert self.open(admin_client, second.earlier).result_list == tasks[:2]

    def test_rows_that_go_move_nothing(self, admin_client: Client, tasks: list[Task]) -> None:
        later = self.open(admin_client).later
        tasks[1].delete()
        tasks[2].delete()

        assert self.open(admin_client, later).result_list == tasks[3:5]

    def test_before_the_first_is_the_first_with_what_came(self, admin_client: Client, tasks: list[Task]) -> None:
        earlier = self.open(admin_client, self.open(admin_client).later).earlier
        came = TaskFactory.create()

        first = self.open(admin_client, self.open(admin_client, earlier).earlier)

        assert first.result_list == [came, tasks[0]]
        assert (first.first, first.earlier) == (None, None)

    def test_after_the_last_is_nothing_but_a_way_back(self, admin_client: Client, tasks: list[Task]) -> None:
        later = self.open(admin_client, self.open(admin_client).later).later
        Task.objects.all().delete()

        empty = self.open(admin_client, later)

        assert empty.result_list == []
        assert (empty.first, empty.earlier, empty.later) == ("?", None, None)

    def test_filters_and_searches_stay_from_page_to_page(self, admin_client: Client, tasks: list[Task]) -> None:
        mine = TaskFactory.create_batch(3, user=tasks[0].user)[::-1]
        params = f"?user__id__exact={tasks[0].user_id}"

        assert self.open(admin_client, params).result_list == mine[:2]
        second = self.open(admin_client, self.open(admin_client, params).later)
        assert second.result_list == [mine[2], tasks[0]]
        assert second.first == params


def test_a_field_for_a_person_offers_no_more_than_the_limit(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(todoproj.admin, "COUNT_LIMIT", 25)
    UserFactory.create_batch(30)
    offered: Any = {"app_label": "tasks", "model_name": "task", "field_name": "user", "term": ""}

    pages = [admin_client.get(reverse("admin:autocomplete"), {**offered, "page": page}) for page in (1, 2, 3)]

    assert [page.status_code for page in pages] == [200, 200, 404]
    assert [len(page.json()["results"]) for page in pages[:2]] == [20, 5]
    assert [page.json()["pagination"]["more"] for page in pages[:2]] == [True, False]


@pytest.mark.django_db
class TestBoundedCount:
    def test_goes_no_further_than_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(todoproj.admin, "COUNT_LIMIT", 4)
        UserFactory.create_batch(7)

        assert str(bounded_count(User.objects.order_by("username"))) == "more than 4"

    def test_is_exact_up_to_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(todoproj.admin, "COUNT_LIMIT", 4)
        UserFactory.create_batch(4)

        assert str(bounded_count(User.objects.order_by("username"))) == "4"

    def test_a_large_limit_reads_well(self) -> None:
        assert str(MoreThan(10_001)) == "more than 10,000"


@every_large_model
def test_every_large_table_is_administered_as_one(model: type[Model]) -> None:
    model_admin = admin.site.get_model_admin(model)

    assert isinstance(model_admin, todoproj.admin.LargeTableAdmin)
    assert model_admin.ordering
    assert model_admin.date_hierarchy is None
    assert model_admin.get_changelist(RequestFactory().get("/")) is KeysetChangeList


def test_an_action_takes_the_rows_of_one_page(admin_client: Client) -> None:
    tasks = TaskFactory.create_batch(3)
    form = {"action": "mark_as_completed", "select_across": "1", "index": "0", "_selected_action": tasks[0].pk}

    response = admin_client.post(url(Task, "changelist"), form, follow=True)

    assert "An action takes the rows of one page." in response.text
    assert not Task.objects.filter(completed=True).exists()


@pytest.mark.parametrize("model", ACTING, ids=lambda model: model.__name__)
def test_an_action_takes_only_what_can_be_a_row(admin_client: Client, model: type[Model]) -> None:
    row = MAKE[model]()
    path = url(model, "changelist")
    actions = [name for name, _ in admin_client.get(path).context["action_form"].fields["action"].choices if name]
    assert actions
    kept = model._default_manager.count()
    # The id of a person is any text.
    numbers = [] if model is User else ["abc", "", "1.5", "9" * 20, "-" + "9" * 20, "9" * 5000]

    for impossible in [*numbers, "\0", f"{row.pk}\0"]:
        for action in actions:
            for sent in [{"index": "0"}, {"post": "yes"}]:
                form = {"action": action, "_selected_action": [row.pk, impossible], **sent}
                response = admin_client.post(path, form, follow=True)
                assert response.redirect_chain == [(path, 302)]
                assert "Items must be selected in order to perform actions on them." in response.text
    assert model._default_manager.count() == kept
    assert not LogEntry.objects.exists()
    assert not ChatAccess.objects.exists()
