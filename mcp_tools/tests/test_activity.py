"""The page of activity: its figures, who may see it, and what it costs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from conversations.tests.factories import MessageFactory
from mcp_tools.activity import activity_days, slowest_tools
from mcp_tools.models import ToolUse
from todoproj.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

TODAY = dt.date(2026, 3, 10)
URL = "/admin/activity/"


def used(tool: str, calls: int, *, days_ago: int = 0, code: int = 0, total: float = 0, slowest: float = 0) -> None:
    day = TODAY - dt.timedelta(days=days_ago)
    ToolUse.objects.create(day=day, tool=tool, error_code=code, calls=calls, total_ms=total, slowest_ms=slowest)


class TestFigures:
    def test_calls_and_the_share_of_errors(self) -> None:
        used("add_task", 6)
        used("add_task", 1, code=404)
        used("list_tasks", 1, code=429)
        used("list_tasks", 5, days_ago=2)
        used("list_tasks", 99, days_ago=3)

        figures = [(row.day, row.calls, row.error_share) for row in activity_days(last=TODAY, days=3)]

        assert figures == [(dt.date(2026, 3, 8), 5, 0.0), (dt.date(2026, 3, 9), 0, None), (TODAY, 8, 25.0)]

    def test_the_slowest_tools(self) -> None:
        used("add_task", 10, total=100, slowest=40)
        used("add_task", 10, days_ago=1, total=300, slowest=35)
        used("list_tasks", 1, code=500, total=25, slowest=25)
        used("delete_task", 1, days_ago=30, total=1_000, slowest=1_000)
        used("update_task", 0)

        assert slowest_tools(last=TODAY) == [("list_tasks", 1, 25.0, 25.0), ("add_task", 20, 20.0, 40.0)]

    def test_at_most_ten(self) -> None:
        for number in range(12):
            used(f"tool{number}", 1, total=number)

        assert [row.mean_ms for row in slowest_tools(last=TODAY)] == list(range(11, 1, -1))


@pytest.fixture
def staff() -> Callable[..., Client]:
    def make(*permissions: str) -> Client:
        user = UserFactory.create(is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    return make


class TestPage:
    def test_shows_the_figures_as_text(self, admin_client: Client) -> None:
        today = timezone.now().astimezone(dt.UTC).date()
        ToolUse.objects.create(day=today, tool="add_<task>", calls=1_234, total_ms=2_468, slowest_ms=99)
        MessageFactory.create_batch(3)

        page = admin_client.get(URL).text

        rows = re.findall(rf'<th scope="row">{today}</th>(.*?)</tr>', page, re.DOTALL)
        assert [re.findall(r">([^<]+)</td>", row) for row in rows] == [["3", "1234"], ["3"], ["0.0"]]
        assert "add_&lt;task&gt;" in page
        assert "Days are in UTC" in page

    def test_says_that_there_is_more_to_count(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("conversations.days.COUNTED_AT_ONCE", 1)
        # A day that is over, whatever the time is.
        over = timezone.now() - dt.timedelta(days=2)
        MessageFactory.create(created_at=over)
        MessageFactory.create(created_at=over - dt.timedelta(days=3))

        page = admin_client.get(URL).text

        assert "not counted yet" in page
        assert "manage.py count_days" in page

    def test_lets_nothing_in_from_elsewhere(self, admin_client: Client) -> None:
        response = admin_client.get(URL)

        assert response["Content-Security-Policy"].startswith("default-src 'self';")
        assert re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=", response.text) == []

    def test_costs_the_same_for_much(self, admin_client: Client) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert admin_client.get(URL).status_code == 200
            return len(captured)

        queries()
        before = queries()
        for day in range(30):
            used("add_task", 1, days_ago=day)
        MessageFactory.create_batch(20)

        assert queries() == before

    def test_the_index_leads_there(self, admin_client: Client) -> None:
        assert f'href="{URL}"' in admin_client.get(reverse("admin:index")).text
        assert reverse("activity") == URL

    @pytest.mark.parametrize(("permission", "status"), [("view_conversation", 200), ("view_task", 403)])
    def test_needs_the_permission(self, staff: Callable[..., Client], permission: str, status: int) -> None:
        client = staff(permission)

        assert client.get(URL).status_code == status
        assert (f'href="{URL}"' in client.get(reverse("admin:index")).text) is (status == 200)

    def test_is_for_staff(self, client: Client) -> None:
        client.force_login(UserFactory.create(is_superuser=True))

        assert client.get(URL).status_code == 302

    def test_is_only_read(self, admin_client: Client) -> None:
        assert admin_client.post(URL).status_code == 405
