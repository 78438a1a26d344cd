"""The transcript in the admin: what it shows in which order, to whom, and that whoever opens it is seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from conftest import accesses_made
from conversations import accesses, transcript, transcript_admin
from conversations.admin import MessageAdmin
from conversations.markdown import Steps, to_html
from conversations.models import CONTENT_MAX_LENGTH, ChatAccess, Conversation, Message, Note
from conversations.services import REDACTED
from conversations.tests.factories import ConversationFactory, MessageFactory, NoteFactory
from todoproj.users.models import User

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
READ = ["view_conversation"]


def url(conversation: Conversation) -> str:
    return reverse("admin:conversations_conversation_change", args=[conversation.pk])


def call(conversation: Conversation, at: datetime = START, **fields: Any) -> Any:
    made = {"tool": "add_task", "arguments": {"title": "Milk"}, "duration_ms": 2.54, "principal": "backend"} | fields
    return conversation.tool_calls.create(user=conversation.user, created_at=at, **made)


def anchors(text: str) -> list[str]:
    """The entries that a page shows, in order."""
    return re.findall(r'<article id="([a-z]+-[0-9]+)"', text)


def link(text: str, name: str) -> str | None:
    """Where a link of the paging leads."""
    found = re.search(rf'<a href="([^"]*)">[^<]*{name}[^<]*</a>', text)
    return found[1] if found else None


@pytest.fixture
def conversation(ann: User) -> Conversation:
    return ConversationFactory.create(user=ann, title="Shopping", updated_at=START)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "PAGE_SIZE", 5)
    monkeypatch.setattr(transcript, "CONTEXT", 2)


@pytest.fixture
def deleted_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done to a conversation from here comes after somebody else has deleted it."""

    def late(service: Callable[..., Any]) -> Callable[..., Any]:
        def delete_first(**arguments: Any) -> Any:
            Conversation.objects.all().delete()
            return service(**arguments)

        return delete_first

    for name in ["add_note", "redact_message"]:
        monkeypatch.setattr(transcript_admin, name, late(getattr(transcript_admin, name)))


class TestAddress:
    def test_is_the_conversations_own_page(self, admin_client: Client, conversation: Conversation) -> None:
        assert url(conversation) == f"/admin/conversations/conversation/{conversation.pk}/"
        assert admin_client.get(url(conversation)).status_code == 200

    def test_that_of_djangos_own_page_leads_there(self, admin_client: Client, conversation: Conversation) -> None:
        response = admin_client.get(f"{url(conversation)}change/?message=7")

        assert (response.status_code, response["Location"]) == (302, f"{url(conversation)}?message=7")

    @pytest.mark.parametrize("number", ["999999", "9" * 30, "x", "1/2", "_00", "é"])
    def test_of_none_leads_to_the_list(self, admin_client: Client, number: str) -> None:
        response = admin_client.get(f"/admin/conversations/conversation/{number}/", follow=True)

        assert response.redirect_chain == [("/admin/conversations/conversation/", 302)]
        assert "There is no such conversation." in response.text
        assert not ChatAccess.objects.exists()

    @pytest.mark.parametrize(("method", "status"), [("POST", 403), ("PUT", 405), ("PATCH", 405), ("DELETE", 405)])
    def test_takes_no_write(self, admin_client: Client, conversation: Conversation, method: str, status: int) -> None:
        assert admin_client.generic(method, url(conversation), "{}").status_code == status


class TestEntries:
    def test_stand_in_the_order_of_time(self, admin_client: Client, conversation: Conversation) -> None:
        asked = MessageFactory.create(conversation=conversation, content="Buy milk", created_at=START)
        did = call(conversation, START + timedelta(seconds=1))
        noted = NoteFactory.create(conversation=conversation, text="Odd", created_at=START + timedelta(seconds=3))
        said = MessageFactory.create(
            conversation=conversation, role="assistant", content="Done", created_at=START + timedelta(seconds=2)
        )
        MessageFactory.create(content="of another")

        shown = admin_client.get(url(conversation)).text

        assert anchors(shown) == [f"message-{asked.pk}", f"call-{did.pk}", f"message-{said.pk}", f"note-{noted.pk}"]
        assert "of another" not in shown

    def test_a_call_says_what_was_done(self, admin_client: Client, conversation: Conversation) -> None:
        call(conversation, client_name="<Claude>", task_id=7, arguments={"title": "<b>é"})
        call(conversation, tool="delete_task", outcome="error", error_code=404)

        shown = admin_client.get(url(conversation)).text

        for said in [
            "add_task",
            "Success",
            "2.5 ms",
            "&lt;Claude&gt;",
            "backend",
            "&lt;b&gt;é",
            "task #7",
            "Error 404",
        ]:
            assert said in shown
        assert reverse("admin:tasks_task_change", args=[7]) in shown

    def test_a_note_says_by_whom(self, admin_client: Client, conversation: Conversation) -> None:
        NoteFactory.create(conversation=conversation, author__username="bea", text="<b>first\nsecond")
        NoteFactory.create(conversation=conversation, author=None)

        shown = admin_client.get(url(conversation)).text

        assert "Note by <bdi>bea</bdi>" in shown
        assert "&lt;b&gt;first\nsecond" in shown
        assert "somebody who is gone" in shown

    def test_a_message_is_shown_as_markdown(self, admin_client: Client, conversation: Conversation) -> None:
        MessageFactory.create(conversation=conversation, content="**bold** <b>")

        assert "<strong>bold</strong> &lt;b&gt;" in admin_client.get(url(conversation)).text

    def test_a_long_message_is_folded(self, admin_client: Client, conversation: Conversation) -> None:
        MessageFactory.create(conversation=conversation, content="short")
        MessageFactory.create(conversation=conversation, content="x" * (transcript.FOLDED_LENGTH + 1))
        MessageFactory.create(conversation=conversation, content="x\n" * transcript.FOLDED_LINES)

        assert admin_client.get(url(conversation)).text.count('class="beginning"') == 2

    def test_of_the_longest_ones_a_page_shows_a_part(self, admin_client: Client, conversation: Conversation) -> None:
        longest = "".join(f"{number:09}\n" for number in range(CONTENT_MAX_LENGTH // 10))
        messages = MessageFactory.create_batch(3, conversation=conversation, content=longest)

        shown = admin_client.get(url(conversation)).text

        assert len(shown) < 3 * transcript.SHOWN_LENGTH + 50_000
        assert "100000 characters" in shown
        whole = reverse("admin:conversations_message_change", args=[messages[0].pk])
        assert f'This is not all of it. <a href="{whole}">' in shown

    def test_lays_out_so_much_markdown_only(
        self, admin_client: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps = Steps(1_000)
        to_html("**first**", steps)
        monkeypatch.setattr(transcript, "STEPS_OF_A_PAGE", 1_000 - steps.left)
        for content in ["**first**", "**second**", "**b**", "**c**"]:
            MessageFactory.create(conversation=conversation, content=content)

        shown = admin_client.get(url(conversation)).text

        assert re.findall(r"<strong>(\w+)</strong></p>", shown) == ["first"]
        assert "**second**" in shown

    def test_an_empty_conversation(self, admin_client: Client, conversation: Conversation) -> None:
        assert "Nothing was said here." in admin_client.get(url(conversation)).text


class TestPages:
    @pytest.fixture
    def entries(self, conversation: Conversation) -> list[str]:
        """The anchors of entries of every kind, several of them at the same times."""
        made = []
        for second in [0, 0, 0, 1, 2, 2, 3]:
            at = START + timedelta(seconds=second)
            message = MessageFactory.create(conversation=conversation, created_at=at)
            note = NoteFactory.create(conversation=conversation, created_at=at)
            did = call(conversation, at)
            made += [(at, "message", message.pk), (at, "note", note.pk), (at, "call", did.pk)]
        return [f"{kind}-{pk}" for _, kind, pk in sorted(made)]

    @pytest.mark.usefixtures("small_pages")
    @pytest.mark.parametrize(("first", "way"), [("", "Earlier"), ("?oldest=", "Later")])
    def test_lead_through_all_of_it_both_ways(
        self, admin_client: Client, conversation: Conversation, entries: list[str], first: str, way: str
    ) -> None:
        address: str | None = f"{url(conversation)}{first}"
        pages = []
        while address:
            shown = admin_client.get(address).text
            pages.append(anchors(shown))
            address = link(shown, way)

        assert [len(page) for page in pages] == [5, 5, 5, 5, 1]
        in_order = pages if way == "Later" else pages[::-1]
        assert [anchor for page in in_order for anchor in page] == entries

    @pytest.mark.usefixtures("small_pages")
    def test_lead_there_and_back(self, admin_client: Client, conversation: Conversation, entries: list[str]) -> None:
        second = str(link(admin_client.get(url(conversation)).text, "Earlier"))
        third = str(link(admin_client.get(second).text, "Earlier"))
        back = str(link(admin_client.get(third).text, "Later"))

        assert anchors(admin_client.get(back).text) == anchors(admin_client.get(second).text) == entries[-10:-5]

    @pytest.mark.usefixtures("small_pages")
    def test_the_first_and_the_last_are_a_step_away(
        self, admin_client: Client, conversation: Conversation, entries: list[str]
    ) -> None:
        newest = admin_client.get(url(conversation)).text
        oldest = admin_client.get(str(link(newest, "Oldest"))).text

        assert (anchors(newest), anchors(oldest)) == (entries[-5:], entries[:5])
        assert (link(newest, "Later"), link(newest, "Newest")) == (None, None)
        assert (link(oldest, "Earlier"), link(oldest, "Oldest")) == (None, None)
        assert link(oldest, "Newest") == url(conversation)

    @pytest.mark.usefixtures("small_pages")
    def test_one_shows_a_message_with_what_is_around_it(
        self, admin_client: Client, conversation: Conversation, entries: list[str]
    ) -> None:
        for number, anchor in enumerate(entries):
            kind, pk = anchor.split("-")
            if kind != "message":
                continue
            shown = admin_client.get(url(conversation), {"message": pk}).text
            assert anchors(shown) == entries[max(0, number - 2) : number + 3]
            assert (link(shown, "Earlier") is None) == (number <= 2)
            assert (link(shown, "Later") is None) == (number + 3 >= len(entries))

    def test_there_are_no_more_of_a_short_conversation(
        self, admin_client: Client, conversation: Conversation, entries: list[str]
    ) -> None:
        shown = admin_client.get(url(conversation)).text

        assert anchors(shown) == entries
        assert "Earlier" not in shown
        assert 'id="newest"' in shown

    @pytest.mark.parametrize(
        "wanted",
        [
            {"after": "x"},
            {"before": ""},
            {"after": "message."},
            {"before": "task.MC4x"},
            {"after": "message.OTk5OTk5OTk5OTk5OTk5OTk5OS4x"},
            {"message": "x"},
            {"message": "9" * 30},
            {"message": "999999"},
            {"message": "٣"},
            {"message": ""},
        ],
    )
    def test_there_is_none_at_a_place_that_is_none(
        self, admin_client: Client, conversation: Conversation, wanted: dict[str, str]
    ) -> None:
        response = admin_client.get(url(conversation), wanted, follow=True)

        assert response.redirect_chain == [(url(conversation), 302)]
        assert "There is no such place in this conversation." in response.text

    def test_there_is_none_at_a_message_of_another_conversation(
        self, admin_client: Client, conversation: Conversation
    ) -> None:
        other = MessageFactory.create()

        assert admin_client.get(url(conversation), {"message": other.pk}).status_code == 302

    @pytest.mark.parametrize("wanted", ["", "?oldest=", "?message={}"])
    def test_cost_the_same_in_a_long_conversation(
        self, admin_client: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch, wanted: str
    ) -> None:
        monkeypatch.setattr(accesses, "OPENING", timedelta(0))
        monkeypatch.setattr(accesses, "RELOAD", timedelta(0))

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert admin_client.get(address).status_code == 200
            for query in captured:
                assert "COUNT(" not in query["sql"]
                assert "OFFSET" not in query["sql"]
            return len(captured)

        def grow(many: int) -> None:
            MessageFactory.create_batch(many, conversation=conversation)
            NoteFactory.create_batch(many, conversation=conversation)
            ConversationFactory.create_batch(many)
            for _ in range(many):
                call(conversation)

        grow(2)
        message = MessageFactory.create(conversation=conversation)
        address = f"{url(conversation)}{wanted.format(message.pk)}"
        admin_client.get(address)
        few = queries()
        grow(60)

        assert queries() == few

    def test_read_no_more_of_messages_than_they_show(self, admin_client: Client, conversation: Conversation) -> None:
        MessageFactory.create(conversation=conversation)

        with CaptureQueriesContext(connection) as captured:
            admin_client.get(url(conversation))

        [rows] = [query["sql"] for query in captured if 'AS "shown"' in query["sql"]]
        assert '"messages"."content",' not in rows.replace('("messages"."content"', "")
        assert "LIMIT 51" in rows


class TestTimes:
    @pytest.fixture
    def midnight(self, conversation: Conversation) -> Conversation:
        """Said on one day in UTC, on two in Berlin."""
        for hour in (22, 23):
            MessageFactory.create(conversation=conversation, created_at=datetime(2026, 1, 5, hour, 30, tzinfo=UTC))
        return conversation

    @pytest.mark.parametrize(
        ("zone", "days", "times"),
        [
            ("Europe/Berlin", ["Monday, 5 January 2026", "Tuesday, 6 January 2026"], ["23:30:00", "00:30:00"]),
            ("America/New_York", ["Monday, 5 January 2026"], ["17:30:00", "18:30:00"]),
        ],
    )
    def test_are_those_of_the_readers_zone(
        self, admin_client: Client, midnight: Conversation, zone: str, days: list[str], times: list[str]
    ) -> None:
        admin_client.cookies["timezone"] = zone

        assert self.shown(admin_client, midnight) == (zone, days, times)

    @pytest.mark.parametrize(
        "zone", [None, "", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "America", "x" * 3000]
    )
    def test_are_in_utc_as_long_as_it_is_unknown(
        self, admin_client: Client, midnight: Conversation, zone: str | None
    ) -> None:
        if zone is not None:
            admin_client.cookies["timezone"] = zone

        utc = ("UTC", ["Monday, 5 January 2026"], ["22:30:00", "23:30:00"])
        assert self.shown(admin_client, midnight) == utc

    def shown(self, client: Client, conversation: Conversation) -> tuple[str, list[str], list[str]]:
        """The zone, the days and the times that the page shows."""
        page = client.get(url(conversation)).text
        [zone] = re.findall(r'data-zone="([^"]*)"', page)
        days = re.findall(r"<h2><time[^>]*>([^<]*)</time></h2>", page)
        return zone, days, re.findall(r"<time[^>]*>(\d\d:\d\d:\d\d)</time>", page)


class TestNeighbours:
    def test_are_those_before_and_after_it_in_the_list(self, admin_client: Client) -> None:
        newest, second, third, oldest = (
            ConversationFactory.create(updated_at=START - timedelta(seconds=seconds), pk=pk)
            for seconds, pk in [(0, 1), (1, 9), (1, 8), (2, 20)]
        )

        def around(conversation: Conversation) -> tuple[str | None, str | None]:
            shown = admin_client.get(url(conversation)).text
            newer, older = (re.search(rf'<a rel="{rel}" href="([^"]*)"', shown) for rel in ("prev", "next"))
            return newer and newer[1], older and older[1]

        assert around(newest) == (None, url(second))
        assert around(second) == (url(newest), url(third))
        assert around(third) == (url(second), url(oldest))
        assert around(oldest) == (url(third), None)


class TestSafety:
    @pytest.mark.parametrize("path", ["transcript", "message", "redact"])
    def test_the_policy_lets_nothing_in(self, admin_client: Client, conversation: Conversation, path: str) -> None:
        message = MessageFactory.create(conversation=conversation)
        pages = {
            "transcript": url(conversation),
            "message": reverse("admin:conversations_message_change", args=[message.pk]),
            "redact": reverse("admin:conversations_message_redact", args=[message.pk]),
        }

        response = admin_client.get(pages[path])

        policy = response["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
        assert "unsafe" not in policy
        # What it forbids, the page does not need.
        assert not re.search(r"<style| style=|<script(?![^>]* src=)| on[a-z]+=", response.text)

    @pytest.mark.parametrize("place", ["title", "beginning", "content", "note", "arguments", "person"])
    def test_hostile_text_is_text_wherever_it_stands(
        self, admin_client: Client, conversation: Conversation, place: str
    ) -> None:
        hostile = "</title></bdi></article><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 }}"
        match place:
            case "title":
                Conversation.objects.update(title=hostile)
            case "beginning":
                Conversation.objects.update(title="", beginning=hostile)
            case "content":
                MessageFactory.create(conversation=conversation, content=hostile)
            case "note":
                NoteFactory.create(conversation=conversation, text=hostile)
            case "arguments":
                call(conversation, arguments={hostile: hostile}, tool=hostile[:64], client_name=hostile[:100])
            case "person":
                User.objects.filter(pk="ann").update(username=hostile)

        shown = admin_client.get(url(conversation)).text

        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "<script>" not in shown
        assert "<img" not in shown


class TestPermissions:
    def test_whoever_may_view_conversations_may_read(
        self, client: Client, staff: Callable[..., User], conversation: Conversation
    ) -> None:
        staff(*READ)
        message = MessageFactory.create(conversation=conversation, content="Buy milk")

        shown = client.get(url(conversation)).text

        assert "Buy milk" in shown
        for more in ["Internal note", "Who looked", "redact", "as written", "/admin/tasks/"]:
            assert more not in shown
        assert client.post(f"{url(conversation)}notes/", {"text": "x"}).status_code == 403
        redact = reverse("admin:conversations_message_redact", args=[message.pk])
        assert [client.get(redact).status_code, client.post(redact).status_code] == [403, 403]

    def test_others_may_not(self, client: Client, staff: Callable[..., User], conversation: Conversation) -> None:
        staff("add_note", "redact_chats", "view_chataccess", "view_message")

        assert client.get(url(conversation)).status_code == 403
        assert client.post(f"{url(conversation)}notes/", {"text": "x"}).status_code == 403
        # Nor do they learn whether it is there.
        assert client.get("/admin/conversations/conversation/999999/").status_code == 403
        assert not ChatAccess.objects.exists()

    def test_whoever_is_not_staff_is_sent_to_the_login(self, client: Client, conversation: Conversation) -> None:
        client.force_login(conversation.user)
        message = MessageFactory.create(conversation=conversation)

        for address in [url(conversation), reverse("admin:conversations_message_redact", args=[message.pk])]:
            assert client.get(address)["Location"].startswith(reverse("admin:login"))


class TestNotes:
    def test_are_left(self, client: Client, staff: Callable[..., User], conversation: Conversation) -> None:
        author = staff(*READ, "add_note")

        response = client.post(f"{url(conversation)}notes/", {"text": " Was <angry>.\n "})

        note = Note.objects.get()
        assert response["Location"] == f"{url(conversation)}#note-{note.pk}"
        assert (note.text, note.author, note.conversation) == ("Was <angry>.", author, conversation)
        conversation.refresh_from_db()
        assert (conversation.note_count, conversation.updated_at) == (1, START)
        assert "Was &lt;angry&gt;." in client.get(url(conversation)).text

    @pytest.mark.parametrize("text", ["", " \n", "x" * 10_001, "\0"])
    def test_that_can_not_be_kept_are_refused(
        self, admin_client: Client, conversation: Conversation, text: str
    ) -> None:
        response = admin_client.post(f"{url(conversation)}notes/", {"text": text})

        assert response.status_code == 200
        assert 'class="errorlist"' in response.text
        assert not Note.objects.exists()

    def test_are_as_long_as_a_browser_counts_them(self, admin_client: Client, conversation: Conversation) -> None:
        """It counts a line break as one character, and sends two."""
        text = "x" + "\n" * 9_998 + "x"

        admin_client.post(f"{url(conversation)}notes/", {"text": text.replace("\n", "\r\n")})

        assert Note.objects.get().text == text

    @pytest.mark.usefixtures("small_pages")
    def test_that_are_refused_are_shown_with_links_that_work(
        self, admin_client: Client, conversation: Conversation
    ) -> None:
        for number in range(9):
            MessageFactory.create(conversation=conversation, created_at=START + timedelta(seconds=number))
        usual = admin_client.get(url(conversation)).text

        refused = admin_client.post(f"{url(conversation)}notes/", {"text": ""}).text

        for name in ["Oldest", "Earlier"]:
            address = link(refused, name)
            assert address == link(usual, name)
            assert admin_client.get(str(address)).status_code == 200
        message = re.search(r'href="([^"]*)" aria-label="Message', refused)
        assert message
        assert admin_client.get(message[1]).status_code == 200

    def test_can_not_be_left_by_a_link(self, admin_client: Client, conversation: Conversation) -> None:
        led_back = admin_client.get(f"{url(conversation)}notes/", {"text": "x"}, follow=True)
        assert led_back.redirect_chain == [(url(conversation), 302)]
        assert "No note was left." in led_back.text
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = admin_client.cookies
        assert strict.post(f"{url(conversation)}notes/", {"text": "x"}).status_code == 403
        assert not Note.objects.exists()

    def test_are_left_where_there_is_a_conversation(self, admin_client: Client) -> None:
        response = admin_client.post("/admin/conversations/conversation/999999/notes/", {"text": "x"}, follow=True)

        assert "There is no such conversation." in response.text

    def test_of_one_that_is_deleted_at_that_moment(
        self, admin_client: Client, conversation: Conversation, deleted_meanwhile: None
    ) -> None:
        response = admin_client.post(f"{url(conversation)}notes/", {"text": "x"}, follow=True)

        assert "There is no such conversation." in response.text


class TestRedaction:
    def test_asks_once_more(self, admin_client: Client, conversation: Conversation) -> None:
        message = MessageFactory.create(conversation=conversation, content="secret <b> " + "x" * 2000)
        path = reverse("admin:conversations_message_redact", args=[message.pk])
        assert path in admin_client.get(url(conversation)).text

        asked = admin_client.get(path)

        assert "secret &lt;b&gt;" in asked.text
        assert "This is how it begins." in asked.text
        message.refresh_from_db()
        assert message.redacted_at is None

    def test_takes_it_out(self, client: Client, staff: Callable[..., User], conversation: Conversation) -> None:
        actor = staff(*READ, "view_message", "redact_chats")
        message = MessageFactory.create(conversation=conversation, content="secret")
        path = reverse("admin:conversations_message_redact", args=[message.pk])

        response = client.post(path, follow=True)

        assert response.redirect_chain == [(f"{url(conversation)}?message={message.pk}#message-{message.pk}", 302)]
        assert "secret" not in response.text
        assert "This message was redacted on" in response.text
        assert path not in response.text
        access = ChatAccess.objects.get(action=ChatAccess.Action.REDACTED)
        assert (access.actor, access.person_id, access.conversation_id) == (actor, "ann", conversation.pk)
        assert access.detail == f"message {message.pk}"

    def test_is_for_who_reads_transcripts(
        self, client: Client, staff: Callable[..., User], conversation: Conversation
    ) -> None:
        staff("view_message", "redact_chats")
        message = MessageFactory.create(conversation=conversation, content="secret")
        page = client.get(reverse("admin:conversations_message_change", args=[message.pk])).text

        assert "secret" in page
        assert "In the transcript" not in page
        redact = reverse("admin:conversations_message_redact", args=[message.pk])
        assert redact not in page
        assert client.post(redact).status_code == 403
        assert not Message.objects.exclude(redacted_at=None).exists()

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_of_what_was_redacted_before_does_nothing(
        self, admin_client: Client, conversation: Conversation, method: str
    ) -> None:
        message = MessageFactory.create(conversation=conversation, content=REDACTED, redacted_at=START)

        path = reverse("admin:conversations_message_redact", args=[message.pk])
        response = getattr(admin_client, method)(path, follow=True)

        assert "was redacted before" in response.text
        message.refresh_from_db()
        assert message.redacted_at == START
        assert not ChatAccess.objects.filter(action=ChatAccess.Action.REDACTED).exists()

    def test_of_none_leads_to_the_list(self, admin_client: Client) -> None:
        response = admin_client.post(reverse("admin:conversations_message_redact", args=[999999]), follow=True)

        assert "There is no such message." in response.text

    def test_of_one_that_is_deleted_at_that_moment(
        self, admin_client: Client, conversation: Conversation, deleted_meanwhile: None
    ) -> None:
        message = MessageFactory.create(conversation=conversation)

        response = admin_client.post(reverse("admin:conversations_message_redact", args=[message.pk]), follow=True)

        assert "There is no such message." in response.text

    def test_of_one_that_is_deleted_before_it_is_read(
        self, admin_client: Client, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        message = MessageFactory.create(conversation=conversation)
        get_object = MessageAdmin.get_object

        def delete_after(*args: Any) -> Any:
            found = get_object(*args)
            Message.objects.all().delete()
            return found

        monkeypatch.setattr(MessageAdmin, "get_object", delete_after)

        response = admin_client.get(reverse("admin:conversations_message_redact", args=[message.pk]), follow=True)

        assert "There is no such message." in response.text

    @pytest.mark.parametrize("missing", ["view_message", "redact_chats"])
    def test_needs_both_permissions(
        self, client: Client, staff: Callable[..., User], conversation: Conversation, missing: str
    ) -> None:
        staff(*({"view_conversation", "view_message", "redact_chats"} - {missing}))
        message = MessageFactory.create(conversation=conversation, content="secret")
        path = reverse("admin:conversations_message_redact", args=[message.pk])

        assert client.post(path).status_code == 403
        assert path not in client.get(url(conversation)).text
        assert Message.objects.get().content == "secret"


class TestWhoLooked:
    def test_an_opening_is_kept_once_with_all_its_pages(
        self, client: Client, staff: Callable[..., User], conversation: Conversation
    ) -> None:
        reader = staff(*READ)
        MessageFactory.create_batch(51, conversation=conversation)

        first = client.get(url(conversation))
        for page in ["?oldest=", "?" + urlencode(first.context["page"].earlier)]:
            assert client.get(url(conversation) + page).status_code == 200

        assert accesses_made() == [("viewed", reader.pk, "ann", conversation.pk, "transcript")]

    def test_another_opening_is_kept_too(
        self, client: Client, staff: Callable[..., User], conversation: Conversation
    ) -> None:
        staff(*READ)
        message = MessageFactory.create(conversation=conversation)
        client.get(url(conversation))
        client.get(url(conversation))
        ChatAccess.objects.update(created_at=timezone.now() - accesses.RELOAD)
        client.get(f"{url(conversation)}?message={message.pk}")
        ChatAccess.objects.update(created_at=timezone.now() - accesses.OPENING)
        client.get(f"{url(conversation)}?oldest=")
        client.get(url(ConversationFactory.create()))
        staff(*READ)
        client.get(f"{url(conversation)}?oldest=")

        assert ChatAccess.objects.count() == 5

    def test_nobody_reads_unseen(
        self, client: Client, staff: Callable[..., User], conversation: Conversation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        staff(*READ, "view_message")
        message = MessageFactory.create(conversation=conversation, content="Buy milk")
        client.raise_request_exception = False

        def fail(**_: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr(accesses, "record_access", fail)
        for address in [
            url(conversation),
            reverse("admin:conversations_message_change", args=[message.pk]),
            reverse("admin:conversations_message_changelist"),
        ]:
            response = client.get(address)
            assert response.status_code == 500
            assert "Buy milk" not in response.text

    def test_the_page_of_a_message_is_kept_by_its_number(
        self, client: Client, staff: Callable[..., User], conversation: Conversation
    ) -> None:
        reader = staff("view_conversation", "view_message", "redact_chats")
        message = MessageFactory.create(conversation=conversation)

        for page in ["change", "redact", "change"]:
            client.get(reverse(f"admin:conversations_message_{page}", args=[message.pk]))
            ChatAccess.objects.update(created_at=timezone.now() - accesses.RELOAD)

        assert accesses_made() == [("viewed", reader.pk, "ann", conversation.pk, f"message {message.pk}")] * 3

    def test_the_list_of_messages_is_kept_with_what_is_known(
        self, client: Client, staff: Callable[..., User], conversation: Conversation
    ) -> None:
        reader = staff("view_message")
        messages = reverse("admin:conversations_message_changelist")
        client.get(messages)
        assert accesses_made() == []
        MessageFactory.create(conversation=conversation)
        client.get(messages)
        MessageFactory.create(conversation__user=conversation.user)
        client.get(messages)
        MessageFactory.create()
        client.get(messages)

        seen = [("ann", conversation.pk), ("ann", None), ("", None)]
        assert accesses_made() == [("viewed", reader.pk, *whose, "list of messages") for whose in seen]

    def test_a_search_is_kept_without_its_words(self, client: Client, staff: Callable[..., User]) -> None:
        reader = staff(*READ)
        conversations = reverse("admin:conversations_conversation_changelist")

        client.get(conversations)
        client.get(conversations, {"q": " "})
        assert accesses_made() == []
        client.get(conversations, {"q": "secret"})

        assert accesses_made() == [("viewed", reader.pk, "", None, "search in the list of conversations")]

    def test_each_search_is_another(self, client: Client, staff: Callable[..., User]) -> None:
        staff(*READ)
        conversations = reverse("admin:conversations_conversation_changelist")

        for params in [{"q": "milk"}, {"q": "zebra"}, {"q": "milk", "errors": "yes"}]:
            for _ in range(2):
                client.get(conversations, params)

        assert ChatAccess.objects.count() == 3

    @pytest.mark.parametrize("params", [{}, {"role__exact": "user"}])
    def test_each_way_to_narrow_a_list_down_is_another(
        self, client: Client, staff: Callable[..., User], params: dict[str, str]
    ) -> None:
        staff("view_message")
        MessageFactory.create()
        messages = reverse("admin:conversations_message_changelist")
        client.get(messages, {"created_at__gte": "2026-01-01 00:00:00+00:00"})

        client.get(messages, params)

        assert ChatAccess.objects.count() == 2

    def test_a_page_belongs_to_the_search_that_is_on_record(self, client: Client, staff: Callable[..., User]) -> None:
        staff(*READ)
        conversations = reverse("admin:conversations_conversation_changelist")
        made_up = {"p": '["after", "2999-01-01T00:00:00+00:00", "1"]'}
        client.get(conversations, {"q": "milk"})
        ChatAccess.objects.update(created_at=timezone.now() - timedelta(minutes=20))

        client.get(conversations, {"q": "milk"} | made_up)
        assert ChatAccess.objects.count() == 1
        for word in ["zebra", "tea", "salt"]:
            client.get(conversations, {"q": word} | made_up)

        assert ChatAccess.objects.count() == 4

    def test_no_words_are_kept_in_the_session(self, client: Client, staff: Callable[..., User]) -> None:
        staff(*READ)
        client.get(reverse("admin:conversations_conversation_changelist"), {"q": "zebra"})

        [digest] = client.session[accesses.OPENINGS]
        assert re.fullmatch("[0-9a-f]{64}", digest)
        assert "zebra" not in repr(dict(client.session.items()))

    def test_a_session_remembers_the_latest_alone(
        self, client: Client, staff: Callable[..., User], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(accesses, "REMEMBERED", 2)
        staff(*READ)
        first, second, third = ConversationFactory.create_batch(3)

        for conversation in [first, second, third, third, second, first]:
            client.get(url(conversation))

        seen = ChatAccess.objects.order_by("pk").values_list("conversation_id", flat=True)
        assert list(seen) == [first.pk, second.pk, third.pk, first.pk]

    def test_is_shown_to_those_who_may_see_it(
        self, client: Client, staff: Callable[..., User], conversation: Conversation
    ) -> None:
        services_access(actor_id="ann", person_id="ann", conversation_id=conversation.pk, detail="transcript")
        services_access(actor_id="ann", person_id="bob", conversation_id=conversation.pk + 1, detail="elsewhere")
        staff(*READ, "view_chataccess")

        shown = client.get(url(conversation)).text

        assert "Who looked at it lately" in shown
        assert "<bdi>ann</bdi>" in shown
        assert "elsewhere" not in shown
        every = f"{reverse('admin:conversations_chataccess_changelist')}?q=%23{conversation.pk}"
        assert every in shown
        assert [row.conversation_id for row in client.get(every).context["cl"].result_list] == [conversation.pk] * 2

    def test_is_searched_by_conversation_person_and_staff(self, admin_client: Client, ann: User, bob: User) -> None:
        by_ann = services_access(actor_id="ann", person_id="gone", conversation_id=7)
        of_bob = services_access(actor_id=None, person_id="bob", conversation_id=8)

        def found(term: str) -> list[int]:
            response = admin_client.get(reverse("admin:conversations_chataccess_changelist"), {"q": term})
            return [row.pk for row in response.context["cl"].result_list]

        assert found("ann@example.com") == [by_ann]
        assert found("gone") == found("#7") == [by_ann]
        assert found("bob@example.com") == found("8") == [of_bob]
        assert found("9") == []


def services_access(**fields: Any) -> int:
    accesses.record_access(action=ChatAccess.Action.EXPORTED, **fields)
    return ChatAccess.objects.latest("pk").pk
