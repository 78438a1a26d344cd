"""Logs: one JSON object a line on stderr, each naming the request that it belongs to."""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

REQUEST_ID_HEADER = "X-Request-ID"

# What a caller may choose: enough for a UUID or a trace id, nothing that could forge a second log line.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """The id of the request being served; None outside of one."""
    return _request_id.get()


def request_id_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give every request an id: the caller's `X-Request-ID` if it is well formed, else a new one; and return it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _ACCEPTABLE.fullmatch(given) else uuid4().hex
        reset = _request_id.set(request_id)
        try:
            response = get_response(request)
        finally:
            _request_id.reset(reset)
        response[REQUEST_ID_HEADER] = request_id
        return response

    return middleware


class JsonFormatter(BaseJsonFormatter):
    """`time`, `level`, `logger`, `message` and `request_id`, then whatever the record's `extra` holds."""

    def __init__(self) -> None:
        super().__init__(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            # Django attaches the request and the server's status to some records: objects, and the person's own path.
            reserved_attrs=[*_RECORD_ATTRIBUTES, "request", "server_time"],
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def add_fields(
        self, log_data: dict[str, object], record: logging.LogRecord, message_dict: dict[str, object]
    ) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data.setdefault("request_id", current_request_id())


_RECORD_ATTRIBUTES = [*vars(logging.makeLogRecord({})), "message", "asctime"]
