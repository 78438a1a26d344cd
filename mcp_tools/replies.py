"""What every tool answers: `{status, data, message}`, on success and on failure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar

import pydantic
from django.core.exceptions import ValidationError
from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads the one in typing only from Python 3.12 on

from conversations.models import Conversation
from mcp_tools.recording import META_CONVERSATION
from tasks.models import Task
from tasks.services import TaskRow
from todoproj.text import is_storable
from todoproj.throttling import Throttled
from todoproj.users.models import User
from todoproj.users.principals import OnBehalfOfMissing

Data = TypeVar("Data")

TaskId = Annotated[int, Field(description="What the other tools know this task by.")]
Time = Annotated[datetime, Field(description="ISO 8601, UTC.")]


class TaskAdded(TypedDict):
    """The new task."""

    task_id: TaskId
    title: str
    description: str
    completed: bool
    created_at: Time


class TaskListed(TypedDict):
    """A task."""

    task_id: TaskId
    title: str
    description: str
    completed: bool
    created_at: Time
    updated_at: Time


def listed(task: TaskRow) -> TaskListed:
    """The task as lists have it."""
    # A literal: TaskListed(...) takes twice as long, and there are as many as a page holds.
    return {
        "task_id": task.id,
        "title": task.title,
        "description": task.description,
        "completed": task.completed,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
    }


class TasksListed(TypedDict):
    """A page of tasks, newest first."""

    tasks: list[TaskListed]
    next_cursor: Annotated[str | None, Field(description="Give it as `cursor` for the next page; null on the last.")]


class TaskCompleted(TypedDict):
    """The completed task."""

    task_id: TaskId
    title: str
    completed: bool
    updated_at: Time
    already_completed: Annotated[bool, Field(description="Whether it was complete before: then nothing changed.")]


class TaskDeleted(TypedDict):
    """The task that is gone."""

    task_id: TaskId
    title: str


class TaskUpdated(TypedDict):
    """The changed task."""

    task_id: TaskId
    title: str
    description: str
    updated_fields: Annotated[list[str], Field(description="The arguments that were given.")]
    updated_at: Time


class ErrorData(TypedDict):
    """What went wrong, for a program; the message says it for a reader."""

    error_code: Annotated[
        Literal[400, 403, 404, 409, 429, 500], Field(description="As the HTTP status of that number.")
    ]
    field: NotRequired[Annotated[str, Field(description="The argument at fault.")]]
    problem: NotRequired[Annotated[str, Field(description="What is wrong with it, in one word.")]]
    allowed: NotRequired[Annotated[list[str], Field(description="What it may be.")]]
    example: NotRequired[Annotated[str | int, Field(description="A value that would do.")]]
    retryable: Annotated[bool, Field(description="Whether the same call may succeed later.")]


class Reply(TypedDict, Generic[Data]):
    """What every tool answers, on success and on failure."""

    status: Literal["success", "error"]
    data: Data | ErrorData
    message: Annotated[str, Field(description="What happened; after an error, how to put it right.")]


def success(data: Data, message: str) -> Reply[Data]:
    return {"status": "success", "data": data, "message": message}


def error(code: Literal[400, 403, 404, 409, 429, 500], message: str, **details: Any) -> Reply[ErrorData]:
    data: Any = {"error_code": code, **details, "retryable": code in (429, 500)}
    return {"status": "error", "data": data, "message": message}


def refusal(fault: Exception, schema: dict[str, Any]) -> Reply[ErrorData] | None:
    """The reply to an error that is to be expected; None for any other.

    schema: the tool's input schema, which says what each argument may be.
    """
    match fault:
        case pydantic.ValidationError():
            return _bad_argument(fault, schema)
        case ValidationError():
            return _bad_value(fault, schema)
        case Throttled():
            return error(429, f"Too many calls. Try again in {fault.wait} seconds.", problem="throttled")
        case OnBehalfOfMissing():
            return error(400, str(fault), problem="header_missing")
        case User.DoesNotExist():
            return error(
                404,
                "There is no such person for this caller. Leave `user_id` out for the token's own person.",
                field="user_id",
                problem="not_found",
            )
        case Conversation.DoesNotExist():
            return error(
                404,
                f"This person has no such conversation. Leave `{META_CONVERSATION}` out of `_meta`, or name another.",
                field=META_CONVERSATION,
                problem="not_found",
            )
        case Task.DoesNotExist():
            return error(
                404,
                "This person has no such task. Call list_tasks for the tasks there are.",
                field="task_id",
                problem="not_found",
            )
        case _:
            return None


# What pydantic calls a fault, and what a client is told.
_PROBLEMS = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    "literal_error": "not_allowed",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "greater_than_equal": "too_small",
    "less_than_equal": "too_large",
    "string_unicode": "unstorable",
}
# Sentences of a message: enough for all that a tool knows, and no more for a thousand that it does not.
_FAULTS_TOLD = 6


def _bad_argument(fault: pydantic.ValidationError, schema: dict[str, Any]) -> Reply[ErrorData]:
    """The first faults are in the message; `data` is about the very first."""
    faults = fault.errors(include_url=False, include_context=False)
    sentences = []
    for item in faults[:_FAULTS_TOLD]:
        if not item["loc"]:
            # A name that UTF-8 can't hold: pydantic says of it no more than that it is no text.
            item["loc"], item["type"] = (item["input"],), "extra_forbidden"
        name = str(item["loc"][0])
        if item["type"] == "extra_forbidden":
            sentences.append(f"There is no argument {_shown(name)}. Use {_either(list(schema['properties']))}.")
        elif item["type"] == "missing":
            sentences.append(f"`{name}` is missing. Give {_expected(schema['properties'][name])}.")
        else:
            expected = _expected(schema["properties"][name])
            sentences.append(f"`{name}` was {_shown(item['input'])}. Use {expected}.")
    if len(faults) > _FAULTS_TOLD:
        sentences.append(f"And {len(faults) - _FAULTS_TOLD} more.")
    first = str(faults[0]["loc"][0])
    problem = _PROBLEMS.get(faults[0]["type"], "wrong_type")
    if problem == "unknown":
        return error(400, " ".join(sentences), problem=problem, allowed=list(schema["properties"]))
    return error(400, " ".join(sentences), field=first, problem=problem, **_hints(schema["properties"][first]))


def _bad_value(fault: ValidationError, schema: dict[str, Any]) -> Reply[ErrorData]:
    if not hasattr(fault, "error_dict"):
        return error(400, " ".join(fault.messages), problem=fault.code or "invalid")
    sentences = [f"`{field}`: {' '.join(messages)}" for field, messages in fault.message_dict.items()]
    field, faults = next(iter(fault.error_dict.items()))
    problem = faults[0].code or "invalid"
    return error(400, " ".join(sentences), field=field, problem=problem, **_hints(schema["properties"].get(field, {})))


def _hints(schema: dict[str, Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    if "enum" in schema:
        hints["allowed"] = schema["enum"]
    if "examples" in schema:
        hints["example"] = schema["examples"][0]
    return hints


def _expected(schema: dict[str, Any]) -> str:
    """In words what a property's schema allows."""
    if "enum" in schema:
        return _either(schema["enum"])
    if schema["type"] == "integer":
        least, most = schema.get("minimum"), schema.get("maximum")
        return f"a whole number from {least} to {most}" if most else f"a whole number from {least} on"
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if most is None:
        return "a text"
    return f"a text of {least} to {most} characters" if least else f"a text of at most {most} characters"


def _either(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _shown(value: Any) -> str:
    """A value as a message may repeat it: only what is short and printable, so that nobody writes our messages."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value) if abs(value) < 1e15 else "a huge number"
        case str() if not is_storable(value):
            return "a text with a NUL or a lone surrogate in it"
        case str():
            return f"'{value}'" if len(value) <= 40 and value.isprintable() else f"a text of {len(value)} characters"
        case list():
            return "a list"
        case _:
            return "an object"
