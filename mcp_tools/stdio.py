"""MCP over stdio: one JSON-RPC message a line in, one a line out, until the input ends.

What is stdio's own is decided here (lines, threads, cancellation, which revision the handshake agreed on); the rest, in
`protocol.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Condition, Lock
from typing import BinaryIO, Final

from django.db import close_old_connections

from mcp_tools.protocol import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    MAX_MESSAGE_SIZE,
    Answer,
    Message,
    ProtocolError,
    Revision,
    UnaskedResponse,
    decode,
    negotiated_revision,
    revision_of,
)
from mcp_tools.server import SERVER
from todoproj.connections import close_unusable_connection
from todoproj.logs import apology, identify_request
from todoproj.users.principals import Caller, Unauthenticated

logger = logging.getLogger(__name__)

# How many calls that change something are worked on at once, and how many other requests; more wait their turn. Apart,
# since a change may have to wait for whoever else writes: so many slow ones hold up each other, but nothing else.
THREADS: Final = 8
# How many requests may be open.
MAX_OPEN: Final = 1000


class StdioTransport:
    """One client at the other end. make_caller: whoever it is, asked anew for each request."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, make_caller: Callable[[], Caller]) -> None:
        self._source = source
        self._sink = sink
        self._make_caller = make_caller
        self._agreed: str | None = None
        self._client_name = ""
        self._writers = ThreadPoolExecutor(THREADS, thread_name_prefix="stdio writer")
        self._readers = ThreadPoolExecutor(THREADS, thread_name_prefix="stdio reader")
        # Held while a line is written, which takes as long as the client likes; so nothing else waits for it.
        self._sending = Lock()
        # Held while what follows is looked at or changed. Told whenever the work on a request ends.
        self._state = Condition()
        # Requests that were neither answered nor cancelled yet, by id.
        self._open: dict[str | int, Message] = {}
        # How many are waiting or worked on, also of those that were cancelled.
        self._unfinished = 0
        self._ending = False

    def run(self) -> None:
        """Serve until the input ends."""
        for line in self._lines():
            self._take(line)

    def finish(self, patience: float) -> bool:
        """Begin nothing that is asked from now on, and wait until all that was asked before is done.

        False as soon as nothing was done for so many seconds: the rest may never be.
        """
        with self._state:
            self._ending = True
            while self._unfinished:
                if not self._state.wait(patience):
                    return False
        return True

    def _lines(self) -> Iterator[bytes]:
        """The lines that hold anything, without their ends; of one that is too long, no more than shows that."""
        while line := self._source.readline(MAX_MESSAGE_SIZE + 1):
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = self._source.readline(MAX_MESSAGE_SIZE)
            if line.strip():
                yield line.removesuffix(b"\n")

    def _take(self, line: bytes) -> None:
        message = None
        try:
            if len(line) > MAX_MESSAGE_SIZE:
                raise ProtocolError(INVALID_REQUEST, f"A message must be at most {MAX_MESSAGE_SIZE} bytes.")
            message = decode(line)
            if message.id is not None:
                self._begin(message.id, message)
            elif message.method == "notifications/cancelled":
                self._cancel(message.params.get("requestId"))
        except UnaskedResponse:
            # Nor may it be answered (JSON-RPC 2.0, section 5).
            logger.warning("a response came, though nothing was asked")
        except ProtocolError as error:
            with self._sending:
                self._write(error.answer(message.id if message else None))

    def _begin(self, id: str | int, message: Message) -> None:
        """Have a request answered by another thread. Raises ProtocolError for one that can't be."""
        revision = revision_of(message, agreed=self._agreed)
        with self._state:
            if self._ending:
                return
            if id in self._open:
                raise ProtocolError(INVALID_REQUEST, "Invalid request: another one with this id is still open.")
            if self._unfinished >= MAX_OPEN:
                raise ProtocolError(
                    INVALID_REQUEST, f"Too many requests are open: {MAX_OPEN}. Try again once some are answered."
                )
            self._open[id] = message
            self._unfinished += 1
        if message.method == "initialize" and revision.handshake:
            # Here, since the next line counts on it. What is wrong with it, the server says.
            with suppress(ProtocolError):
                self._agreed = negotiated_revision(message)
                self._client_name = _client_name(message)
        pool = self._writers if SERVER.changes_something(message) else self._readers
        pool.submit(self._serve, id, message, revision)

    def _cancel(self, id: object) -> None:
        """Forget a request: one that waits is never begun, and one that is worked on gets no answer."""
        if isinstance(id, str | int) and not isinstance(id, bool):
            with self._state:
                self._open.pop(id, None)

    def _serve(self, id: str | int, message: Message, revision: Revision) -> None:
        """Answer a request, unless it is cancelled meanwhile."""
        try:
            # By itself, not by its id, which another request may have by now.
            if self._open.get(id) is not message:
                return
            identify_request()
            # As around a request over HTTP.
            close_unusable_connection()
            answer = self._answer(message, revision)
            close_old_connections()
            with self._sending:
                with self._state:
                    is_open = self._open.get(id) is message
                    if is_open:
                        del self._open[id]
                if is_open:
                    self._write(answer)
        finally:
            with self._state:
                self._unfinished -= 1
                self._state.notify_all()

    def _answer(self, message: Message, revision: Revision) -> Answer:
        try:
            caller = self._make_caller()
            caller.client_name = self._client_name
            answer = SERVER.answer(message, revision, caller)
            if not caller.authenticated:
                caller.authenticate()
        except Unauthenticated:
            return ProtocolError(INVALID_REQUEST, "This person has no access, or no longer.").answer(message.id)
        except Exception:
            logger.exception("MCP request failed")
            return ProtocolError(INTERNAL_ERROR, apology()).answer(message.id)
        return answer

    def _write(self, answer: Answer) -> None:
        try:
            self._sink.write(answer.body + b"\n")
            self._sink.flush()
        except BrokenPipeError:
            # Nobody reads any more: the input ends, too.
            logger.warning("the client is gone")


def _client_name(initialize: Message) -> str:
    """What the client calls itself in the handshake; empty if it says nothing."""
    info = initialize.params.get("clientInfo")
    name = info.get("name") if isinstance(info, dict) else None
    return name if isinstance(name, str) else ""
