"""Logs: one JSON object a line on stderr, each naming the request that it belongs to."""

import json
import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec
from django.http import HttpRequest, HttpResponse

REQUEST_ID_HEADER = "X-Request-ID"

# What a caller may choose: enough for a UUID or a trace id, nothing that could forge a second log line.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """The id of the request being served; None outside of one."""
    return _request_id.get()


def apology() -> str:
    """What a caller is told of a failure that nobody expected: nothing but what to find it by in the logs."""
    return f"Something went wrong here. Try again, or report {current_request_id()}."


def request_id_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give every request an id: the caller's `X-Request-ID` if it is well formed, else a new one; and return it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID")
        request_id = given if given and _ACCEPTABLE.fullmatch(given) else secrets.token_hex(16)
        reset = _request_id.set(request_id)
        try:
            response = get_response(request)
        finally:
            _request_id.reset(reset)
        response.headers[REQUEST_ID_HEADER] = request_id
        return response

    return middleware


_encode = msgspec.json.Encoder(enc_hook=str).encode

# What a record would collect about its thread and process, which no line says.
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `message` and `request_id`, then whatever the record's `extra` holds."""

    # Django attaches objects to some records; what they say is in the message.
    LEFT_OUT = {*vars(logging.makeLogRecord({})), "message", "request", "server_time"}

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": current_request_id(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in self.LEFT_OUT}
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        try:
            return _encode(line).decode()
        except UnicodeEncodeError:
            # Half of a UTF-16 pair, in what somebody sent.
            return json.dumps(line, default=str)
