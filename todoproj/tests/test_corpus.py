"""Inputs that broke something once, or are known to break servers, each with the response that the REST API must give.

A file of `corpus/` is one request by a person who has the task 1 and the conversation 1: `why` it is there; its
`method` and `path`; the `headers` that it has besides a token and those that say that it is JSON; its `body`, one
character a byte, and how often to `repeat` it, if more than once; and the `status` of the response, with the fields at
fault and their codes, if it is a problem: `errors`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.test import Client

from conversations.models import Conversation, Message
from conversations.tests.factories import ConversationFactory
from mcp_tools.tests.replying import tells_nothing
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users.models import User
from todoproj.users.services import issue_token

pytestmark = pytest.mark.django_db

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.json"))


@pytest.fixture
def kept(ann: User) -> list[object]:
    """What is kept of the person's before the request."""
    TaskFactory.create(user=ann, id=1)
    ConversationFactory.create(user=ann, id=1)
    return rows()


def rows() -> list[object]:
    return [row for model in [Task, Conversation, Message] for row in model._default_manager.order_by("pk").values()]


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_response(path: Path, ann: User, kept: list[object]) -> None:
    case = json.loads(path.read_text())
    scopes = ["tasks:read", "tasks:write", "chats:read", "chats:write"]
    _, token = issue_token(user_id=ann.pk, scopes=scopes)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = case["body"].encode("latin-1") * case.get("repeat", 1)
    client = Client(raise_request_exception=False)
    response = client.generic(case["method"], case["path"], body, headers=headers | case["headers"])
    assert response.status_code == case["status"], response.content
    tells_nothing(response.content, body)
    if response.status_code >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"
        problem = json.loads(response.content)
        assert [[fault["field"], fault["code"]] for fault in problem.get("errors", [])] == case["errors"]
        assert rows() == kept
