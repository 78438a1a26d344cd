"""The five tools in raw SQL on an asyncpg pool, for the peers that use no ORM: one statement a call where one will do.

Each answers `{status, data, message}`, with times as datetime.
"""

from __future__ import annotations

import os
from typing import Any

import asyncpg

_ADD = """
    INSERT INTO tasks (user_id, title, description, completed, created_at, updated_at)
    VALUES ($1, $2, $3, false, now(), now())
    RETURNING id AS task_id, title, description, completed, created_at"""
_LIST = """
    SELECT id AS task_id, title, description, completed, created_at, updated_at FROM tasks
    WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2"""
_LIST_BY_STATUS = """
    SELECT id AS task_id, title, description, completed, created_at, updated_at FROM tasks
    WHERE user_id = $1 AND completed = $3 ORDER BY created_at DESC, id DESC LIMIT $2"""
_COMPLETE = """
    UPDATE tasks SET completed = true, completed_at = now(), updated_at = now()
    WHERE id = $2 AND user_id = $1 AND NOT completed
    RETURNING id AS task_id, title, completed, updated_at"""
_FIND = "SELECT id AS task_id, title, completed, updated_at FROM tasks WHERE id = $2 AND user_id = $1"
_DELETE = "DELETE FROM tasks WHERE id = $2 AND user_id = $1 RETURNING id AS task_id, title"
_UPDATE = """
    UPDATE tasks SET title = coalesce($3, title), description = coalesce($4, description), updated_at = now()
    WHERE id = $2 AND user_id = $1
    RETURNING id AS task_id, title, description, updated_at"""


async def open_pool() -> asyncpg.Pool:
    """Ten connections, asyncpg's own default, opened before the first request."""
    return await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10)


def success(data: dict[str, Any], message: str) -> dict[str, Any]:
    return {"status": "success", "data": data, "message": message}


def not_found() -> dict[str, Any]:
    return {"status": "error", "data": {"error_code": 404}, "message": "This person has no such task."}


async def add_task(pool: asyncpg.Pool, user_id: str, title: str, description: str = "") -> dict[str, Any]:
    row = await pool.fetchrow(_ADD, user_id, title.strip(), description)
    return success(dict(row), f"Task {row['task_id']} was added.")


async def list_tasks(pool: asyncpg.Pool, user_id: str, status: str = "all", limit: int = 50) -> dict[str, Any]:
    if status == "all":
        rows = await pool.fetch(_LIST, user_id, limit)
    else:
        rows = await pool.fetch(_LIST_BY_STATUS, user_id, limit, status == "completed")
    return success({"tasks": [dict(row) for row in rows], "next_cursor": None}, f"Tasks in this page: {len(rows)}.")


async def complete_task(pool: asyncpg.Pool, user_id: str, task_id: int) -> dict[str, Any]:
    row = await pool.fetchrow(_COMPLETE, user_id, task_id)
    if row is not None:
        return success(dict(row) | {"already_completed": False}, f"Task {task_id} is completed.")
    row = await pool.fetchrow(_FIND, user_id, task_id)
    if row is None:
        return not_found()
    return success(dict(row) | {"already_completed": True}, f"Task {task_id} was completed already.")


async def delete_task(pool: asyncpg.Pool, user_id: str, task_id: int) -> dict[str, Any]:
    row = await pool.fetchrow(_DELETE, user_id, task_id)
    return not_found() if row is None else success(dict(row), f"Task {task_id} was deleted.")


async def update_task(
    pool: asyncpg.Pool, user_id: str, task_id: int, title: str | None = None, description: str | None = None
) -> dict[str, Any]:
    row = await pool.fetchrow(_UPDATE, user_id, task_id, title, description)
    if row is None:
        return not_found()
    given = [name for name, value in [("title", title), ("description", description)] if value is not None]
    return success(dict(row) | {"updated_fields": given}, f"Task {task_id} was changed.")
