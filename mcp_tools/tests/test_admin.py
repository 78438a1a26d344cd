"""The admin of calls of tools."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conftest import accesses_made
from conversations import accesses
from mcp_tools.models import ToolCall
from mcp_tools.tests.factories import ToolCallFactory
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

CALLS = reverse("admin:mcp_tools_toolcall_changelist")


def page(call: ToolCall) -> str:
    return reverse("admin:mcp_tools_toolcall_change", args=[call.pk])


def found(client: Client, **params: Any) -> list[ToolCall]:
    return list(client.get(CALLS, params).context["cl"].result_list)


def test_the_newest_comes_first(admin_client: Client) -> None:
    old = ToolCallFactory.create(created_at=timezone.now() - timedelta(days=1))
    new = ToolCallFactory.create()

    assert found(admin_client) == [new, old]


def test_a_row_links_to_the_person_and_the_conversation(admin_client: Client, ann: User) -> None:
    call = ToolCallFactory.create(conversation__user=ann, client_name="cursor", duration_ms=1234.56)
    ToolCallFactory.create(conversation=None, user=ann)

    shown = admin_client.get(CALLS).text

    assert reverse("admin:users_user_change", args=["ann"]) in shown
    assert reverse("admin:conversations_conversation_change", args=[call.conversation_id]) in shown
    assert "cursor" in shown
    assert "1,234.6 ms" in shown
    assert '<td class="field-thread">-</td>' in shown


def test_filters_and_search(admin_client: Client, ann: User) -> None:
    mine = ToolCallFactory.create(conversation__user=ann, tool="delete_task")
    other = ToolCallFactory.create()
    old = ToolCallFactory.create(created_at=timezone.now() - timedelta(days=40))

    assert found(admin_client, tool="delete_task") == [mine]
    assert found(admin_client, created_at__lt=timezone.now() - timedelta(days=30)) == [old]
    assert found(admin_client, conversation__id__exact=old.conversation_id) == [old]
    assert found(admin_client, user__id__exact="ann") == [mine]
    assert found(admin_client, q="ann@example.com") == [mine]
    assert found(admin_client, q=f"#{other.pk}") == [other]
    assert admin_client.get(CALLS, {"tool": "nonsense"})["Location"] == f"{CALLS}?e=1"


def test_the_tools_that_change_something_are_offered(admin_client: Client) -> None:
    ToolCallFactory.create()

    shown = admin_client.get(CALLS).text

    for tool in ["add_task", "complete_task", "delete_task", "update_task"]:
        assert f'href="?tool={tool}"' in shown
    assert "list_tasks" not in shown


def test_arguments_are_text(admin_client: Client) -> None:
    call = ToolCallFactory.create(arguments={"title": "<script>alert(1)</script> 牛奶"})

    shown = admin_client.get(page(call)).text

    assert "&quot;title&quot;: &quot;&lt;script&gt;alert(1)&lt;/script&gt; 牛奶&quot;" in shown
    assert "<script>alert(1)" not in shown


class TestWhoLooked:
    @pytest.fixture
    def reader(self, client: Client, db: None) -> User:
        reader: User = UserFactory.create(is_staff=True)
        reader.user_permissions.set(Permission.objects.filter(codename="view_toolcall"))
        client.force_login(reader)
        return reader

    def test_the_list_is_kept_with_what_is_known(self, client: Client, reader: User, ann: User) -> None:
        client.get(CALLS)
        assert accesses_made() == []
        call = ToolCallFactory.create(conversation__user=ann)
        client.get(CALLS)
        ToolCallFactory.create(user=ann, conversation=None)
        client.get(CALLS)
        ToolCallFactory.create()
        client.get(CALLS)

        seen = [("ann", call.conversation_id), ("ann", None), ("", None)]
        assert accesses_made() == [("viewed", reader.pk, *whose, "list of tool calls") for whose in seen]

    def test_the_page_of_a_call_is_kept_by_its_number(self, client: Client, reader: User, ann: User) -> None:
        call = ToolCallFactory.create(conversation__user=ann)

        for _ in range(2):
            assert client.get(page(call)).status_code == 200

        assert accesses_made() == [("viewed", reader.pk, "ann", call.conversation_id, f"tool call {call.pk}")]

    def test_nobody_reads_unseen(self, client: Client, reader: User, monkeypatch: pytest.MonkeyPatch) -> None:
        call = ToolCallFactory.create(arguments={"title": "Buy milk"}, conversation__title="Shopping")
        client.raise_request_exception = False

        def fail(**_: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(accesses, "record_access", fail)
        for path in [CALLS, page(call)]:
            response = client.get(path)
            assert response.status_code == 500
            assert "Buy milk" not in response.text
            assert "Shopping" not in response.text


@pytest.mark.parametrize("name", ["change", "delete"])
def test_nothing_is_changed(admin_client: Client, name: str) -> None:
    call = ToolCallFactory.create()

    path = reverse(f"admin:mcp_tools_toolcall_{name}", args=[call.pk])
    assert admin_client.post(path, {"tool": "forged", "post": "yes"}).status_code == 403
    assert admin_client.post(reverse("admin:mcp_tools_toolcall_add"), {"tool": "forged"}).status_code == 403
    assert [kept.tool for kept in ToolCall.objects.all()] == ["add_task"]
