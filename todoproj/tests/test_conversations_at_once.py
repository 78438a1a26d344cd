"""Many who write to one conversation at once, on the production server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conversations.models import Conversation, Message
from conversations.tests.factories import ConversationFactory
from mcp_tools.tests.running import RunningServer, at_once
from todoproj.users.services import issue_token

THREADS = 50

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conversation() -> Conversation:
    return ConversationFactory.create()


@pytest.fixture
def post(tmp_path: Path, conversation: Conversation) -> Iterator[Callable[..., Any]]:
    """Sends to the conversation, as its person: where under its address, and what."""
    _, token = issue_token(user_id=conversation.user_id)

    def send(to: str, body: Any, **headers: str) -> Any:
        response = server.http.post(
            f"{server.site}/api/conversations/{conversation.pk}/{to}/",
            json=body,
            headers={"Authorization": f"Bearer {token}"} | headers,
        )
        assert response.status_code == 201, response.text
        return response.json()

    with RunningServer(tmp_path / "log") as server:
        yield send


def assert_in_order(conversation: Conversation, contents: set[str]) -> list[Message]:
    """The messages as they were said: all of them, and what is kept on the conversation is what they come to."""
    messages = list(conversation.messages.in_order())
    assert len(messages) == len(contents)
    assert {message.content for message in messages} == contents
    times, ids = [message.created_at for message in messages], [message.pk for message in messages]
    assert (times, ids) == (sorted(set(times)), sorted(ids))
    conversation.refresh_from_db()
    assert conversation.message_count == len(contents)
    assert conversation.updated_at == times[-1]
    assert conversation.last_role == messages[-1].role
    assert conversation.beginning == messages[0].content
    return messages


def test_appends(post: Callable[..., Any], conversation: Conversation) -> None:
    at_once(THREADS, lambda n: post("messages", {"role": ["user", "assistant"][n % 2], "content": str(n)}))

    assert_in_order(conversation, {str(n) for n in range(THREADS)})


def test_turns_do_not_mix(post: Callable[..., Any], conversation: Conversation) -> None:
    at_once(
        THREADS,
        lambda n: post(
            "turns",
            {"messages": [{"role": "user", "content": f"{n} asks"}, {"role": "assistant", "content": f"{n} is told"}]},
        ),
    )

    messages = assert_in_order(conversation, {f"{n} {what}" for n in range(THREADS) for what in ["asks", "is told"]})
    for asked, told in zip(messages[::2], messages[1::2], strict=True):
        assert (asked.content.split()[0], asked.role) == (told.content.split()[0], "user")


def test_the_same_request_is_done_once(post: Callable[..., Any], conversation: Conversation) -> None:
    """Of fifty who send it with one key, one finds it free; the others wait for its end."""
    said = {"role": "user", "content": "once"}

    replies = at_once(THREADS, lambda n: post("messages", said, **{"Idempotency-Key": "the one"}))

    (message,) = assert_in_order(conversation, {"once"})
    assert replies == [replies[0]] * THREADS
    assert replies[0]["id"] == message.pk


def test_five_requests_ten_times_each(post: Callable[..., Any], conversation: Conversation) -> None:
    at_once(
        THREADS,
        lambda n: post("messages", {"role": "user", "content": str(n % 5)}, **{"Idempotency-Key": f"key {n % 5}"}),
    )

    assert_in_order(conversation, {str(n) for n in range(5)})
