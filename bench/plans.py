"""`python -m bench.plans NUMBER`: how PostgreSQL runs the statements of the tools, for the person of that number.

For the database of DATABASE_URL, which is left as it was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import django
from django.db import connection, transaction

from bench.dataset import token


def plans(number: int) -> Iterator[tuple[str, list[str]]]:
    """What is asked, and the lines of EXPLAIN (ANALYZE, BUFFERS) of its statements, for one tool after another."""
    # Django's models can be imported only now.
    from mcp_tools.recording import Record, RecordedPerson
    from tasks import services
    from tasks.models import Status
    from todoproj.users.models import Scope
    from todoproj.users.principals import caller_of

    caller = caller_of(token(number))

    def call(service: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        if service is services.list_tasks:
            return service(person=caller.person(Scope.TASKS_READ), **arguments)
        record = Record(service.__name__, arguments, caller, {}, None, perf_counter())
        return service(person=RecordedPerson(caller.person(Scope.TASKS_WRITE), record), **arguments)

    pending, cursor = call(services.list_tasks, {"status": Status.PENDING, "limit": 5})
    task_id = pending[-1].id
    asked: list[tuple[str, Callable[..., Any], dict[str, Any]]] = [
        ("list_tasks", services.list_tasks, {"limit": 10}),
        ("list_tasks, the page after a cursor", services.list_tasks, {"limit": 10, "cursor": cursor}),
        ("list_tasks, pending", services.list_tasks, {"status": Status.PENDING, "limit": 10}),
        ("list_tasks, completed", services.list_tasks, {"status": Status.COMPLETED, "limit": 10}),
        ("add_task", services.add_task, {"title": "Buy milk"}),
        ("complete_task", services.complete_task, {"task_id": task_id}),
        ("update_task", services.update_task, {"task_id": task_id, "title": "Get milk"}),
        ("delete_task", services.delete_task, {"task_id": task_id}),
    ]
    for what, service, arguments in asked:
        lines: list[str] = []
        with transaction.atomic(), connection.execute_wrapper(_explaining(lines)):
            call(service, arguments)
            transaction.set_rollback(True)
        yield what, lines


def _explaining(lines: list[str]) -> Callable[..., Any]:
    """Asks how each statement is run before it is, and adds the answer to `lines`."""

    def explain(run: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        psycopg = connection.connection
        with psycopg.transaction(force_rollback=True):
            told = psycopg.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {sql}", params)
            lines.extend(line for (line,) in told)
        return run(sql, params, many, context)

    return explain


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproj.settings")
    django.setup()
    for what, lines in plans(int(sys.argv[1])):
        sys.stdout.write("\n".join([f"-- {what}", *lines, "", ""]))


if __name__ == "__main__":
    main()
