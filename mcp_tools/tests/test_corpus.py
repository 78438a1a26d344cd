"""Inputs that broke something once, or are known to break servers, each with the reply that it must get.

A file of `corpus/` is one request to /mcp: `why` it is there; the `headers` that it has besides a token and those that
say that it is JSON; its `body`, one character a byte, and how often to `repeat` it, if more than once; and the `status`
of the reply, the `code` of its error, if it is one, and its `id`, null for none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from conftest import Caller
from mcp_tools.tests.replying import check_reply
from tasks.models import Task
from todoproj.users.models import User

pytestmark = pytest.mark.django_db

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.json"))


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_reply(path: Path, ann: User, caller_for: Callable[..., Caller]) -> None:
    case = json.loads(path.read_text())
    token = caller_for(ann).token
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    body = case["body"].encode("latin-1") * case.get("repeat", 1)
    client = Client(raise_request_exception=False)
    response = client.generic("POST", "/mcp", body, headers=headers | case["headers"])
    reply = check_reply(response.status_code, response.headers.get("Content-Type"), response.content, body)
    assert response.status_code == case["status"], response.content
    if reply is not None:
        assert (reply.get("error", {}).get("code"), reply.get("id")) == (case["code"], case["id"])
    if case["status"] != 200:
        assert not Task.objects.exists()
