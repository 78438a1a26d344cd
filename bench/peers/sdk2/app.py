"""The official Python SDK 2 (MCPServer, stateless, JSON replies) with raw SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import asyncpg
import todo_sql
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel, Field

Title = Annotated[str, Field(description="What is to be done.", min_length=1, max_length=200)]
Description = Annotated[str, Field(description="More about it.", max_length=1000)]
TaskId = Annotated[int, Field(description="The task, as list_tasks names it.", ge=1)]


class Reply(BaseModel):
    """What every tool answers."""

    status: Literal["success", "error"]
    data: dict[str, Any]
    message: str


@asynccontextmanager
async def lifespan(server: MCPServer) -> AsyncIterator[asyncpg.Pool]:
    pool = await todo_sql.open_pool()
    try:
        yield pool
    finally:
        pool.terminate()


mcp = MCPServer("todo", instructions="A person's todo list.", log_level="WARNING", lifespan=lifespan)


@mcp.tool()
async def add_task(ctx: Context, user_id: str, title: Title, description: Description = "") -> Reply:
    """Add a task to the person's todo list."""
    return Reply(**await todo_sql.add_task(ctx.request_context.lifespan_context, user_id, title, description))


@mcp.tool()
async def list_tasks(
    ctx: Context,
    user_id: str,
    status: Literal["all", "pending", "completed"] = "all",
    limit: Annotated[int, Field(ge=1, le=100)] = 50,
) -> Reply:
    """List the person's tasks, the newest first."""
    return Reply(**await todo_sql.list_tasks(ctx.request_context.lifespan_context, user_id, status, limit))


@mcp.tool()
async def complete_task(ctx: Context, user_id: str, task_id: TaskId) -> Reply:
    """Mark a task as done."""
    return Reply(**await todo_sql.complete_task(ctx.request_context.lifespan_context, user_id, task_id))


@mcp.tool()
async def delete_task(ctx: Context, user_id: str, task_id: TaskId) -> Reply:
    """Delete a task for good."""
    return Reply(**await todo_sql.delete_task(ctx.request_context.lifespan_context, user_id, task_id))


@mcp.tool()
async def update_task(
    ctx: Context, user_id: str, task_id: TaskId, title: Title | None = None, description: Description | None = None
) -> Reply:
    """Change a task's title, its description, or both."""
    pool = ctx.request_context.lifespan_context
    return Reply(**await todo_sql.update_task(pool, user_id, task_id, title, description))


app = mcp.streamable_http_app(stateless_http=True, json_response=True)
