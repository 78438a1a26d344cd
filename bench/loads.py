"""What servers are asked, load by load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.servers import ERAS, Server

TOOLS: Final = ("list_tasks", "add_task", "complete_task", "update_task", "delete_task")


@dataclass(frozen=True, slots=True)
class Load:
    """A stream of requests; load.lua makes them.

    name: what load.lua knows it by. label: what it holds, in a few words. needles: texts that each right reply holds.
    status: the HTTP status of each. rest: whether it goes to the REST API. crowded: whether it needs the person who has
    many tasks.
    """

    name: str
    label: str
    needles: tuple[str, ...]
    status: int = 200
    rest: bool = False
    crowded: bool = False

    def fits(self, server: Server, era: str) -> bool:
        """Whether it can be asked of the server. REST has no eras: it is measured along with the newest."""
        return not self.rest or (server.ours and era == ERAS[0])


# JSON may be spaced; a tool's own reply is compact or not as its library likes, so it is known by one word.
_DONE: Final = ('"isError":false', "success")

LOADS: Final = (
    Load("tools_list", "five tools", ('"update_task"', '"inputSchema"')),
    Load("greeting", "server/discover or initialize", ('"capabilities"', '"tools"')),
    Load("list_tasks", "ten tasks", (*_DONE, "task_id")),
    Load("list_crowd", "ten of one person's 100,000 tasks", (*_DONE, "task_id"), crowded=True),
    Load("rest_list", "GET /api/tasks/, ten tasks", ('"results":[{',), rest=True),
    Load("mixed", "60 % list, 25 % add, 10 % complete, 5 % update", _DONE),
    Load("complete_task", "each a pending one", _DONE),
    Load("update_task", "its title", _DONE),
    Load("delete_task", "each once", _DONE),
    Load("add_task", "with a description", _DONE),
    Load("rest_create", "POST /api/tasks/", ('"id":',), status=201, rest=True),
)
