"""A person's tasks as resources: what an application may show, or put before a model, without calling a tool.

Like the tools, each is about the caller's own person, found by the same services. A service account, which acts for
many, has none, but the person that its On-Behalf-Of header names.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from django.core.exceptions import ValidationError
from django.utils import timezone

from mcp_tools.identity import Call, charge
from mcp_tools.protocol import INVALID_PARAMS, JSON, ProtocolError, Resources, encode
from mcp_tools.replies import listed
from tasks import services
from tasks.models import Status, Task
from todoproj.keyset import PAGE_SIZE_MAX
from todoproj.users.models import Scope, User
from todoproj.users.principals import Caller, Person

logger = logging.getLogger(__name__)

MIME_TYPE: Final = "application/json"
PENDING: Final = "todo://tasks/pending"
COMPLETED: Final = "todo://tasks/completed"
COMPLETED_LATELY: Final = "todo://tasks/completed/week"
TASK: Final = "todo://tasks/{task_id}"

LATELY: Final = timedelta(days=7)

_STATUS: Final = {PENDING: Status.PENDING, COMPLETED: Status.COMPLETED}
_LISTS: Final = {*_STATUS, COMPLETED_LATELY}
# As many digits as the largest id has.
TASK_ID: Final = re.compile("[1-9][0-9]{0,18}")
_TASK_URI = re.compile(f"todo://tasks/({TASK_ID.pattern})")


@contextmanager
def own_person(caller: Caller) -> Iterator[Person]:
    """The caller's. Raises ProtocolError for a service account that names nobody, or somebody it may not act for,
    MissingScope, Throttled and Unauthenticated."""
    try:
        charge(caller, user_id=None)
        yield Call(caller, Scope.TASKS_READ).person(None)
        logger.info("tasks read", extra={"principal": caller.user_id})
    except ValidationError:
        raise ProtocolError(
            INVALID_PARAMS, "A service account has no tasks of its own. Name the person in the header On-Behalf-Of."
        ) from None
    except User.DoesNotExist:
        raise ProtocolError(INVALID_PARAMS, "There is no such person for this caller.") from None


def read_list(uri: str, caller: Caller) -> dict[str, JSON]:
    """The list at the URI of one, as TextResourceContents. Raises as the tools' services do, and ProtocolError."""
    with own_person(caller) as person:
        if uri == COMPLETED_LATELY:
            found = services.list_completed(person=person, since=timezone.now() - LATELY, limit=PAGE_SIZE_MAX)
        else:
            found, _ = services.list_tasks(person=person, status=_STATUS[uri], limit=PAGE_SIZE_MAX)
    return _contents(uri, {"tasks": [listed(task) for task in found]})


def _contents(uri: str, value: JSON) -> dict[str, JSON]:
    return {"uri": uri, "mimeType": MIME_TYPE, "text": encode(value).decode()}


def _read(uri: str, caller: Caller) -> list[dict[str, JSON]] | None:
    if uri in _LISTS:
        return [read_list(uri, caller)]
    match = _TASK_URI.fullmatch(uri)
    if match is None:
        return None
    with own_person(caller) as person:
        try:
            task = services.get_task(person=person, task_id=int(match[1]))
        except Task.DoesNotExist:
            return None
    return [_contents(uri, listed(task))]


RESOURCES: Final = Resources(
    resources=[
        {
            "uri": PENDING,
            "name": "pending_tasks",
            "title": "Tasks to do",
            "description": f"The newest tasks still to be done, at most {PAGE_SIZE_MAX}, as list_tasks has them.",
            "mimeType": MIME_TYPE,
        },
        {
            "uri": COMPLETED,
            "name": "completed_tasks",
            "title": "Tasks done",
            "description": f"The newest tasks that are done, at most {PAGE_SIZE_MAX}, as list_tasks has them.",
            "mimeType": MIME_TYPE,
        },
        {
            "uri": COMPLETED_LATELY,
            "name": "lately_completed_tasks",
            "title": "Tasks done in the last seven days",
            "description": f"Tasks completed in the last {LATELY.days} days, the last one first, at most "
            f"{PAGE_SIZE_MAX}, as list_tasks has them.",
            "mimeType": MIME_TYPE,
        },
    ],
    templates=[
        {
            "uriTemplate": TASK,
            "name": "task",
            "title": "A task",
            "description": "One task by its task_id, as list_tasks has it.",
            "mimeType": MIME_TYPE,
        }
    ],
    read=_read,
)
