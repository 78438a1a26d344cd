"""What may be offered to a person who is typing an argument."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from mcp_tools import resources
from mcp_tools.prompts import PROMPTS
from mcp_tools.protocol import JSON, Completion
from tasks import services
from tasks.models import Task
from todoproj.users.principals import Caller

# How many of the newest tasks are looked at. No index finds ids by how they begin, and the person may have far more.
LOOKED_AT: Final = 1000

_PROMPT_ARGUMENTS: Final = {
    (prompt.name, argument["name"]) for prompt in PROMPTS for argument in prompt.definition.get("arguments", [])
}


def complete(ref: dict[str, JSON], argument: str, value: str, caller: Caller) -> Completion | None:
    """See protocol.Complete."""
    if (ref.get("type"), ref.get("uri"), argument) == ("ref/resource", resources.TASK, "task_id"):
        return _task_ids(value, caller)
    name = ref.get("name")
    if ref.get("type") == "ref/prompt" and isinstance(name, str) and (name, argument) in _PROMPT_ARGUMENTS:
        # Anything may be said there.
        return Completion([])
    return None


def _task_ids(begun: str, caller: Caller) -> Completion:
    """The ids that begin so: the one that is just this, then those of the newest tasks."""
    with resources.own_person(caller) as person:
        newest, older = services.newest_task_ids(person=person, limit=LOOKED_AT)
        ids = [id for id in map(str, newest) if id.startswith(begun)]
        is_id = resources.TASK_ID.fullmatch(begun) is not None
        if begun in ids:
            ids.remove(begun)
            ids.insert(0, begun)
        elif older and is_id:
            with suppress(Task.DoesNotExist):
                ids.insert(0, str(services.get_task(person=person, task_id=int(begun)).id))
    return Completion(ids, may_have_more=older and (is_id or not begun))
