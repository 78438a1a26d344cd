"""Log lines are JSON, whatever they hold."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime
from typing import Any

import pytest

from todoproj.logs import JsonFormatter


def line_of(**attributes: Any) -> dict[str, Any]:
    record = logging.LogRecord("tasks", logging.INFO, "path", 1, "hello %s", ("you",), attributes.pop("exc_info", None))
    vars(record).update(attributes)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    parsed = json.loads(line)
    assert isinstance(parsed, dict)
    return parsed


def test_what_a_line_holds() -> None:
    line = line_of(tool="add_task", milliseconds=1.5)
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "INFO",
        "logger": "tasks",
        "message": "hello you",
        "request_id": None,
        "tool": "add_task",
        "milliseconds": 1.5,
    }


@pytest.mark.parametrize("value", ["a\nb", 'quote"', "é 🥛", "\ud800", "\0", 10**40, {"a": object()}, {1, 2}])
def test_any_value(value: Any) -> None:
    assert "value" in line_of(value=value)


def test_an_exception() -> None:
    try:
        raise RuntimeError("what failed")
    except RuntimeError:
        line = line_of(exc_info=sys.exc_info())
    assert "what failed" in line["exc_info"]
