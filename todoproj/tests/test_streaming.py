"""Exports from the production server: in pieces as they are made, in one thread, with its own connection."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.test import Client

from conversations.models import ChatAccess, Conversation
from conversations.services import Said, add_turn
from conversations.tests.factories import ConversationFactory
from mcp_tools.tests.running import RunningServer
from todoproj.users.logins import log_in
from todoproj.users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

EXPORT = "/admin/conversations/conversation/export/"


@pytest.fixture
def conversation(ann: User) -> Conversation:
    """One whose export is longer than a piece."""
    conversation: Conversation = ConversationFactory.create(user=ann)
    add_turn(user_id=ann.pk, conversation_id=conversation.pk, messages=[Said("user", "é" * 50_000)] * 5)
    return conversation


def test_staff_and_the_person_get_all_of_it(tmp_path: Path, ann: User, conversation: Conversation) -> None:
    admin = User.objects.create_superuser(username="admin", email="admin@example.com", id="admin")
    client = Client()
    client.force_login(admin)
    token = log_in(user=ann).access

    with RunningServer(tmp_path / "log", WEB_CONCURRENCY="1") as server:
        server.http.cookies.set("sessionid", client.cookies["sessionid"].value)
        page = server.http.get(server.site + "/admin/conversations/conversation/")
        form = {"format": "jsonl", "csrfmiddlewaretoken": page.text.partition('csrfmiddlewaretoken" value="')[2][:64]}
        answers = [
            server.http.post(server.site + EXPORT, data=form),
            server.http.get(server.site + "/api/auth/account/data/", headers={"Authorization": f"Bearer {token}"}),
        ]

    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.headers["transfer-encoding"] == "chunked"
        *lines, end = [json.loads(line) for line in answer.text.splitlines()]
        assert [line["content"] for line in lines if line["kind"] == "message"] == ["é" * 50_000] * 5
        assert end == {"kind": "end", "lines": len(lines)}
    assert ChatAccess.objects.get().action == "exported"
