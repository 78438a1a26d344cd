"""FastAPI with FastMCP mounted (stateless, JSON replies), SQLModel on asyncpg."""

import os
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from fastmcp import FastMCP
from models import Task, now
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

Title = Annotated[str, Field(description="What is to be done.", min_length=1, max_length=200)]
Description = Annotated[str, Field(description="More about it.", max_length=1000)]
TaskId = Annotated[int, Field(description="The task, as list_tasks names it.", ge=1)]

scheme, _, address = os.environ["DATABASE_URL"].partition("://")
engine = create_async_engine(f"postgresql+asyncpg://{address}", pool_size=10, max_overflow=22)
new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)

mcp = FastMCP("todo", instructions="A person's todo list.")


class Reply(BaseModel):
    """What every tool answers."""

    status: Literal["success", "error"]
    data: dict[str, Any]
    message: str


def success(data: dict[str, Any], message: str) -> Reply:
    return Reply(status="success", data=data, message=message)


def not_found() -> Reply:
    return Reply(status="error", data={"error_code": 404}, message="This person has no such task.")


async def find(session: AsyncSession, user_id: str, task_id: int) -> Task | None:
    """The person's task, locked until the transaction ends."""
    query = select(Task).where(Task.id == task_id, Task.user_id == user_id).with_for_update()
    return (await session.exec(query)).first()


@mcp.tool
async def add_task(user_id: str, title: Title, description: Description = "") -> Reply:
    """Add a task to the person's todo list."""
    async with new_session() as session:
        task = Task(user_id=user_id, title=title.strip(), description=description)
        session.add(task)
        await session.commit()
    data = {"task_id": task.id} | task.model_dump(include={"title", "description", "completed", "created_at"})
    return success(data, f"Task {task.id} was added.")


@mcp.tool
async def list_tasks(
    user_id: str,
    status: Literal["all", "pending", "completed"] = "all",
    limit: Annotated[int, Field(ge=1, le=100)] = 50,
) -> Reply:
    """List the person's tasks, the newest first."""
    query = select(Task).where(Task.user_id == user_id)
    if status != "all":
        query = query.where(Task.completed == (status == "completed"))
    async with new_session() as session:
        tasks = (await session.exec(query.order_by(Task.created_at.desc(), Task.id.desc()).limit(limit))).all()
    kept = {"title", "description", "completed", "created_at", "updated_at"}
    page = [{"task_id": task.id} | task.model_dump(include=kept) for task in tasks]
    return success({"tasks": page, "next_cursor": None}, f"Tasks in this page: {len(page)}.")


@mcp.tool
async def complete_task(user_id: str, task_id: TaskId) -> Reply:
    """Mark a task as done."""
    async with new_session() as session:
        task = await find(session, user_id, task_id)
        if task is None:
            return not_found()
        already_completed = task.completed
        if not already_completed:
            task.completed = True
            task.completed_at = task.updated_at = now()
            await session.commit()
    data = {"task_id": task.id} | task.model_dump(include={"title", "completed", "updated_at"})
    return success(data | {"already_completed": already_completed}, f"Task {task_id} is completed.")


@mcp.tool
async def delete_task(user_id: str, task_id: TaskId) -> Reply:
    """Delete a task for good."""
    async with new_session() as session:
        task = await find(session, user_id, task_id)
        if task is None:
            return not_found()
        await session.delete(task)
        await session.commit()
    return success({"task_id": task_id, "title": task.title}, f"Task {task_id} was deleted.")


@mcp.tool
async def update_task(
    user_id: str, task_id: TaskId, title: Title | None = None, description: Description | None = None
) -> Reply:
    """Change a task's title, its description, or both."""
    given = {name: value for name, value in [("title", title), ("description", description)] if value is not None}
    async with new_session() as session:
        task = await find(session, user_id, task_id)
        if task is None:
            return not_found()
        task.sqlmodel_update(given | {"updated_at": now()})
        await session.commit()
    data = {"task_id": task.id} | task.model_dump(include={"title", "description", "updated_at"})
    return success(data | {"updated_fields": list(given)}, f"Task {task_id} was changed.")


mcp_app = mcp.http_app(path="/mcp", stateless_http=True, json_response=True)
app = FastAPI(lifespan=mcp_app.lifespan)
app.mount("/", mcp_app)
