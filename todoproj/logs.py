"""Logs: one JSON object a line on stderr, each naming the request that it belongs to."""

import json
import logging
import os
import random
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse

_STDERR = 2

REQUEST_ID_HEADER = "X-Request-ID"

# What a caller may choose: enough for a UUID or a trace id, nothing that could forge a second log line.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")

# The id of what this thread works on, and the request, if it came by HTTP.
_served: ContextVar[tuple[str | None, HttpRequest | None]] = ContextVar("served", default=(None, None))


def current_request_id() -> str | None:
    """The id of the request being served; None outside of one."""
    return _served.get()[0]


def current_request() -> HttpRequest | None:
    """The request being served over HTTP; None outside of one."""
    return _served.get()[1]


# Nobody gains by guessing one: no reason to ask the system for a secret, and wait. A worker process, which is a fork,
# must not go on with the numbers of its parent.
_random = random.Random()  # noqa: S311 (no secret)
os.register_at_fork(after_in_child=_random.seed)


def _new_request_id() -> str:
    return f"{_random.getrandbits(128):032x}"


def identify_request() -> None:
    """Give an id to the request that this thread works on now, until it takes up another one."""
    _served.set((_new_request_id(), None))


def apology() -> str:
    """What a caller is told of a failure that nobody expected: nothing but what to find it by in the logs."""
    return f"Something went wrong here. Try again, or report {current_request_id()}."


def request_id_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give every request an id: the caller's `X-Request-ID` if it is well formed, else a new one; and return it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID")
        request_id = given if given and _ACCEPTABLE.fullmatch(given) else _new_request_id()
        request.id = request_id  # type: ignore[attr-defined]
        reset = _served.set((request_id, request))
        try:
            response = get_response(request)
        finally:
            _served.reset(reset)
        response.headers[REQUEST_ID_HEADER] = request_id
        return response

    return middleware


_encode = msgspec.json.Encoder(enc_hook=str).encode

# What a record would collect about its place in the source, its thread and its process, which no line says; see
# "Optimization" in Python's logging HOWTO.
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class LineHandler(logging.Handler):
    """Writes each line to stderr in one piece: those of several processes don't mix."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
            while line:
                line = line[os.write(_STDERR, line) :]
        except Exception:
            self.handleError(record)


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `message` and `request_id`, then whatever the record's `extra` holds."""

    # How much each record holds of its own: what `extra` adds comes after it.
    OWN = len(vars(logging.makeLogRecord({})))
    # Django attaches objects to some records; what they say is in the message.
    LEFT_OUT = ("request", "server_time")

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            # Django's own lines about a request come after its end, and bring it along.
            "request_id": current_request_id() or getattr(getattr(record, "request", None), "id", None),
        }
        line |= islice(vars(record).items(), self.OWN, None)
        for name in self.LEFT_OUT:
            line.pop(name, None)
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        try:
            return _encode(line).decode()
        except UnicodeEncodeError:
            # Half of a UTF-16 pair, in what somebody sent.
            return json.dumps(line | {"time": line["time"].isoformat()}, default=str)
