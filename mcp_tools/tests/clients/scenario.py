"""What every MCP client is put through, whatever its own interface: it is given `list_tools` and `call`."""

from collections.abc import Awaitable, Callable
from typing import Any

TOOLS = ["add_task", "list_tasks", "complete_task", "delete_task", "update_task"]


async def run(list_tools: Callable[[], Awaitable[list[str]]], call: Callable[..., Awaitable[dict[str, Any]]]) -> None:
    """Add, list, page, complete, update and delete; good arguments and bad. `call` returns the structured content."""
    names = await list_tools()
    assert names == TOOLS, names

    ids = []
    for title in ["Buy milk", "日本語 🥛", 'a "quoted" title']:
        added = await call("add_task", title=title, description="Two litres")
        assert (added["status"], added["data"]["title"]) == ("success", title), added
        ids.append(added["data"]["task_id"])

    listed = await call("list_tasks")
    assert [task["task_id"] for task in listed["data"]["tasks"]] == ids[::-1], listed

    paged, cursor = [], None
    while True:
        page = await call("list_tasks", limit=2, **({"cursor": cursor} if cursor else {}))
        paged += [task["task_id"] for task in page["data"]["tasks"]]
        cursor = page["data"]["next_cursor"]
        if cursor is None:
            break
    assert paged == ids[::-1], paged

    for already in [False, True]:
        completed = await call("complete_task", task_id=ids[0])
        assert completed["data"]["already_completed"] is already, completed
    pending = await call("list_tasks", status="pending")
    assert [task["task_id"] for task in pending["data"]["tasks"]] == [ids[2], ids[1]], pending

    updated = await call("update_task", task_id=ids[1], title="New", description="")
    assert updated["data"]["updated_fields"] == ["title", "description"], updated
    for task_id in ids:
        deleted = await call("delete_task", task_id=task_id)
        assert deleted["status"] == "success", deleted

    refusals: list[tuple[str, dict[str, Any], int]] = [
        ("add_task", {}, 400),
        ("add_task", {"title": "x", "nonsense": 1}, 400),
        ("list_tasks", {"status": "done"}, 400),
        ("complete_task", {"task_id": ids[0]}, 404),
        ("delete_task", {"task_id": ids[0]}, 404),
        ("update_task", {"task_id": ids[0], "title": "x"}, 404),
        ("list_tasks", {"user_id": "somebody-else"}, 404),
    ]
    for tool, arguments, code in refusals:
        refused = await call(tool, **arguments)
        assert (refused["status"], refused["data"]["error_code"]) == ("error", code), refused
    left = await call("list_tasks")
    assert left["data"]["tasks"] == [], left
