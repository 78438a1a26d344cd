"""The admin of conversations and messages."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

import conversations.admin
import conversations.models
from conftest import found
from conversations import accesses
from conversations.models import Conversation, Message, Role
from conversations.tests.factories import ConversationFactory, MessageFactory
from conversations.tests.test_search import plan_of
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

CONVERSATIONS = reverse("admin:conversations_conversation_changelist")
MESSAGES = reverse("admin:conversations_message_changelist")


def page(row: Model, name: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{name}", args=[row.pk])


class TestReadOnly:
    @pytest.fixture
    def message(self, ann: User) -> Message:
        return MessageFactory.create(conversation__user=ann, content="Buy milk, please.")

    @pytest.mark.parametrize("model", ["conversation", "message"])
    def test_nothing_is_added(self, admin_client: Client, message: Message, model: str) -> None:
        form = {"conversation": message.conversation_id, "user": "ann", "role": "user", "content": "x", "title": "x"}

        assert admin_client.post(reverse(f"admin:conversations_{model}_add"), form).status_code == 403
        assert (Conversation.objects.count(), Message.objects.count()) == (1, 1)

    def test_nothing_is_changed(self, admin_client: Client, message: Message) -> None:
        for row in (message, message.conversation):
            assert admin_client.post(page(row), {"content": "forged", "title": "forged"}).status_code == 403
            for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
                assert admin_client.generic(method, page(row), "{}").status_code == 405

        message.refresh_from_db()
        assert (message.content, message.redacted_at) == ("Buy milk, please.", None)
        assert not Conversation.objects.filter(title="forged").exists()

    def test_nothing_is_deleted(self, admin_client: Client, message: Message) -> None:
        for row in (message, message.conversation):
            assert admin_client.post(page(row, "delete"), {"post": "yes"}).status_code == 403
        for path, row in ((MESSAGES, message), (CONVERSATIONS, message.conversation)):
            form = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
            assert b"delete_selected" not in admin_client.post(path, form).content

        assert (Conversation.objects.count(), Message.objects.count()) == (1, 1)

    def test_no_page_has_a_form_to_send(self, admin_client: Client, message: Message) -> None:
        assert not admin_client.get(page(message)).context["adminform"].form.fields
        for row in (message, message.conversation):
            assert "_save" not in admin_client.get(page(row)).text

    def test_the_permission_to_view_is_enough_to_read_and_to_no_more(self, client: Client, message: Message) -> None:
        reader = UserFactory.create(is_staff=True)
        reader.user_permissions.set(Permission.objects.filter(content_type__app_label="conversations"))
        client.force_login(reader)

        assert "Buy milk, please." in client.get(page(message)).text
        assert client.get(CONVERSATIONS).status_code == 200
        assert client.post(page(message), {"content": "forged"}).status_code == 403


class TestConversationList:
    def test_the_latest_activity_comes_first(self, admin_client: Client) -> None:
        now = timezone.now()
        old = ConversationFactory.create(updated_at=now - timedelta(hours=2))
        new = ConversationFactory.create(updated_at=now)
        middle = ConversationFactory.create(updated_at=now - timedelta(hours=1))

        assert found(admin_client, CONVERSATIONS) == [new.pk, middle.pk, old.pk]

    def test_shows_what_is_kept(self, admin_client: Client, ann: User) -> None:
        conversation = ConversationFactory.create(
            user=ann,
            title="",
            beginning="x" * 100,
            message_count=1234,
            last_role="user",
            tool_call_count=56,
            error_count=7,
        )
        ConversationFactory.create(user=ann, title="")

        response = admin_client.get(CONVERSATIONS)

        cells = re.findall(r'<td class="field-(\w+)">(.*?)</td>', response.text)
        assert [text for name, text in cells if name == "messages"] == ["0", "1234"]
        assert [text for name, text in cells if name == "tool_calls"] == ["0", "56"]
        assert [text for name, text in cells if name == "errors"] == ["0", "7"]
        assert f'<a href="{page(ann)}">ann</a>' in response.text
        assert f">{'x' * 59}…</a>" in response.text
        assert ">(nothing said yet)</a>" in response.text
        assert f'<a href="{page(conversation)}">{conversation.pk}</a>' in response.text

    def test_a_title_is_text(self, admin_client: Client) -> None:
        ConversationFactory.create(title="<script>alert(1)</script>")

        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in admin_client.get(CONVERSATIONS).text

    def test_a_page_is_four_statements_however_much_there_is(self, admin_client: Client) -> None:
        """Who is logged in (session, person), and the rows. Neither counted nor asked for one by one."""
        MessageFactory.create_batch(30)

        with CaptureQueriesContext(connection) as captured:
            admin_client.get(CONVERSATIONS)

        assert len([query for query in captured if "conversations" in query["sql"]]) == 1
        assert len(captured) <= 4


class TestConversationFilters:
    @pytest.fixture
    def several(self) -> dict[str, int]:
        now = timezone.now()
        kinds: dict[str, dict[str, Any]] = {
            "plain": {"updated_at": now},
            "erring": {"error_count": 2, "updated_at": now - timedelta(days=3)},
            "noted": {"note_count": 1, "updated_at": now - timedelta(days=5)},
            "old": {"error_count": 1, "note_count": 1, "updated_at": now - timedelta(days=400)},
            "answered": {"last_role": "assistant", "message_count": 2, "updated_at": now - timedelta(days=401)},
            "asked": {"last_role": "user", "message_count": 1, "updated_at": now - timedelta(days=402)},
        }
        return {name: ConversationFactory.create(**fields).pk for name, fields in kinds.items()}

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({"errors": "yes"}, ["erring", "old"]),
            ({"errors": "no"}, ["plain", "noted", "answered", "asked"]),
            ({"notes": "yes"}, ["noted", "old"]),
            ({"notes": "no"}, ["plain", "erring", "answered", "asked"]),
            ({"errors": "yes", "notes": "yes"}, ["old"]),
            ({"last_role__exact": "assistant"}, ["answered"]),
            ({"last_role__exact": "user"}, ["asked"]),
        ],
        ids=str,
    )
    def test_narrow_the_list_down(
        self, admin_client: Client, several: dict[str, int], params: dict[str, str], expected: list[str]
    ) -> None:
        assert found(admin_client, CONVERSATIONS, **params) == [several[name] for name in expected]

    @pytest.mark.parametrize(
        "query",
        [
            *("errors=nonsense", "errors=", "notes=Yes", "errors=nonsense&errors=yes", "errors=yes&errors=no"),
            *("last_role__exact=nonsense", "last_role__exact=user&last_role__exact=nonsense"),
            *("last_role__isnull=nonsense", "last_role__isnull=0"),
        ],
    )
    def test_take_only_what_they_offer(self, admin_client: Client, query: str) -> None:
        assert admin_client.get(f"{CONVERSATIONS}?{query}")["Location"] == f"{CONVERSATIONS}?e=1"

    def test_by_date_and_by_person(self, admin_client: Client, several: dict[str, int], ann: User) -> None:
        mine = ConversationFactory.create(user=ann, updated_at=timezone.now() - timedelta(days=500))
        week = (timezone.now() - timedelta(days=7)).isoformat(" ")

        assert found(admin_client, CONVERSATIONS, updated_at__gte=week) == [
            several[name] for name in ["plain", "erring", "noted"]
        ]
        assert found(admin_client, CONVERSATIONS, user__id__exact="ann") == [mine.pk]

    def test_are_all_offered(self, admin_client: Client, several: dict[str, int]) -> None:
        shown = admin_client.get(CONVERSATIONS).text

        for link in ["?errors=yes", "?notes=yes", "?last_role__exact=user", "?last_role__exact=assistant"]:
            assert f'href="{link}"' in shown

    @pytest.mark.parametrize(
        ("params", "index"),
        [
            ({}, "idx_conversations_updated"),
            ({"errors": "yes"}, "idx_conversations_errors_updated"),
            ({"notes": "yes"}, "idx_conversations_notes_updated"),
            ({"last_role__exact": "user"}, "idx_conversations_role_updated"),
        ],
        ids=str,
    )
    def test_are_served_in_order_by_an_index(self, admin_client: Client, params: dict[str, str], index: str) -> None:
        ConversationFactory.create_batch(3, error_count=1, note_count=1, message_count=1, last_role="user")
        ConversationFactory.create_batch(300)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            if connection.vendor == "postgresql":
                # So few rows would fit into one block, which is read at once.
                cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        later = {"p": json.dumps(["after", timezone.now().isoformat(), "1000000"])}

        for wanted in [params, params | later]:
            with CaptureQueriesContext(connection) as captured:
                admin_client.get(CONVERSATIONS, wanted)

            [rows] = [query["sql"] for query in captured if 'FROM "conversations"' in query["sql"]]
            plan = plan_of(rows)
            assert index in plan, plan
            assert "Sort" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan


class TestConversationSearch:
    @pytest.fixture
    def mine(self, ann: User) -> Conversation:
        """Where somebody said something about milk."""
        return MessageFactory.create(conversation__user=ann, content="Buy oat milk, 牛奶, please.").conversation

    @pytest.fixture
    def other(self, bob: User) -> Conversation:
        return MessageFactory.create(conversation__user=bob, conversation__title="Bread", content="Milk?").conversation

    @pytest.mark.parametrize(
        "term", ["ann@example.com", "ANN@example.com", " ann ", "oat", "OAT milk", "牛奶", "please buy"]
    )
    def test_finds_one(self, admin_client: Client, mine: Conversation, other: Conversation, term: str) -> None:
        assert found(admin_client, CONVERSATIONS, q=term) == [mine.pk]

    def test_finds_by_number(self, admin_client: Client, mine: Conversation, other: Conversation) -> None:
        for term in [str(other.pk), f"#{other.pk}"]:
            assert found(admin_client, CONVERSATIONS, q=term) == [other.pk]

    def test_a_number_can_be_said(self, admin_client: Client, mine: Conversation, other: Conversation) -> None:
        MessageFactory.create(conversation=other, content=f"Call {mine.pk}!")

        assert set(found(admin_client, CONVERSATIONS, q=str(mine.pk))) == {mine.pk, other.pk}

    def test_finds_by_titles(self, admin_client: Client, mine: Conversation, other: Conversation) -> None:
        assert found(admin_client, CONVERSATIONS, q="bread") == [other.pk]

    def test_finds_all_with_the_newest_activity_first(
        self, admin_client: Client, mine: Conversation, other: Conversation
    ) -> None:
        assert found(admin_client, CONVERSATIONS, q="milk") == [other.pk, mine.pk]

    def test_goes_together_with_filters(self, admin_client: Client, mine: Conversation, other: Conversation) -> None:
        assert found(admin_client, CONVERSATIONS, q="milk", user__id__exact="ann") == [mine.pk]
        assert found(admin_client, CONVERSATIONS, q="milk", user__id__exact="nobody") == []
        assert found(admin_client, CONVERSATIONS, q="milk", errors="yes") == []

    def test_for_a_person_who_can_not_be_finds_nothing(self, admin_client: Client, mine: Conversation) -> None:
        assert admin_client.get(CONVERSATIONS, {"q": "milk", "user__id__exact": "\0"}).status_code in {200, 302}

    @pytest.mark.parametrize("term", ["zebra", "milk zebra", "!!!", "9" * 19, "9" * 30, "' OR 1=1 --", "&|!:*()"])
    def test_finds_nothing(self, admin_client: Client, mine: Conversation, other: Conversation, term: str) -> None:
        assert found(admin_client, CONVERSATIONS, q=term) == []

    @pytest.mark.parametrize("term", ["牛" * 240, "milk " * 60])
    def test_refuses_what_is_too_long(self, admin_client: Client, mine: Conversation, term: str) -> None:
        page = admin_client.get(CONVERSATIONS, {"q": term})

        assert "Search for at most 200 characters." in page.text
        assert list(page.context["cl"].result_list) == []

    def test_of_one_person_is_not_crowded_out_by_others(
        self, admin_client: Client, mine: Conversation, bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversations.models, "SEARCH_LIMIT", 1)
        MessageFactory.create_batch(3, conversation__user=bob, content="milk")

        assert found(admin_client, CONVERSATIONS, q="milk", user__id__exact="ann") == [mine.pk]

    def test_is_paged_through(
        self, admin_client: Client, mine: Conversation, other: Conversation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(conversations.admin.ConversationAdmin, "list_per_page", 1)

        first = admin_client.get(CONVERSATIONS, {"q": "milk"}).context["cl"]
        second = admin_client.get(CONVERSATIONS + first.later).context["cl"]

        assert (first.result_list, second.result_list) == ([other], [mine])
        assert second.later is None

    def test_asks_the_same_for_many(
        self, admin_client: Client, mine: Conversation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(accesses, "RELOAD", timedelta(0))
        with CaptureQueriesContext(connection) as few:
            admin_client.get(CONVERSATIONS, {"q": "milk"})
        MessageFactory.create_batch(40, content="milk")

        with CaptureQueriesContext(connection) as many:
            admin_client.get(CONVERSATIONS, {"q": "milk"})

        assert len(many) == len(few)

    def test_says_how_far_it_goes(self, admin_client: Client) -> None:
        assert "find the 100 conversations in which they were said last" in admin_client.get(CONVERSATIONS).text


class TestMessageList:
    def test_shows_the_beginning_of_each(self, admin_client: Client) -> None:
        MessageFactory.create(content="x" * 500)

        shown = admin_client.get(MESSAGES).text

        assert "x" * 99 + "…" in shown
        assert "x" * 101 not in shown

    def test_reads_no_more_than_the_beginning(self, admin_client: Client) -> None:
        MessageFactory.create_batch(3)

        with CaptureQueriesContext(connection) as captured:
            admin_client.get(MESSAGES)

        [rows] = [query["sql"] for query in captured if 'AS "beginning"' in query["sql"]]
        assert rows.count('"messages"."content"') == 1

    def test_is_filtered_by_role(self, admin_client: Client) -> None:
        asked, answered = MessageFactory.create(), MessageFactory.create(role=Role.ASSISTANT)

        assert found(admin_client, MESSAGES, role__exact="user") == [asked.pk]
        assert found(admin_client, MESSAGES, role__exact="assistant") == [answered.pk]

    def test_a_filter_by_conversation_shows_and_can_be_lifted(self, admin_client: Client) -> None:
        message = MessageFactory.create()

        chosen = {"conversation__id__exact": str(message.conversation_id), "role__exact": "user"}
        shown = admin_client.get(MESSAGES, chosen)

        spec = next(spec for spec in shown.context["cl"].filter_specs if spec.title == "conversation")
        everything, this = spec.choices(shown.context["cl"])
        assert (everything["query_string"], everything["selected"]) == ("?role__exact=user", False)
        assert (this["display"], this["selected"]) == (str(message.conversation_id), True)

    def test_a_filter_that_names_no_conversation_leads_back_to_the_list(self, admin_client: Client) -> None:
        assert admin_client.get(MESSAGES, {"conversation__id__exact": "x"}).status_code == 302

    def test_a_page_shows_the_whole_message(self, admin_client: Client) -> None:
        message = MessageFactory.create(content="x" * 5000 + "\n  <indented>")

        assert "x" * 5000 + "\n  &lt;indented&gt;" in admin_client.get(page(message)).text
