"""What an OAuth client and the test that started it tell each other: JSON objects, one a line, by stdin and stdout.

The client asks two things. {"visit": URL} sends its person there; it is told the URL that they are sent back to, as
"back". {"reply": REPLY, "token": TOKEN} says what the last call of a tool came to, and what access token it holds now;
it is told the next "tool", its "arguments", and how many "seconds" have passed. It ends when it is told nothing more.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Memory:
    """Where the SDK, of either generation, keeps what it is given."""

    tokens: Any = None
    client_info: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client_info

    async def set_client_info(self, client_info: Any) -> None:
        self.client_info = client_info


async def ask(**question: Any) -> dict[str, Any]:
    sys.stdout.write(json.dumps(question) + "\n")
    sys.stdout.flush()
    told = await asyncio.to_thread(sys.stdin.readline)
    return json.loads(told) if told else {}


async def visit(url: str) -> dict[str, str]:
    """What the person brings back."""
    told = await ask(visit=url)
    return dict(parse_qsl(urlsplit(told["back"]).query))


async def run(call: Callable[..., Awaitable[Any]], token: Callable[[], str]) -> None:
    reply = None
    while wanted := await ask(reply=reply, token=token()):
        pass_time(wanted["seconds"])
        reply = await call(wanted["tool"], **wanted["arguments"])


def pass_time(seconds: float) -> None:
    """Set the clock of this program forward."""
    now = time.time
    time.time = lambda: now() + seconds
