"""The five tools on django-mcpz: msgspec structs say what each takes and answers."""

from typing import Annotated, Any, Literal

import msgspec
from django.http import HttpRequest
from django_mcpz.server import MCPServer, public
from todo_orm import services

Title = Annotated[str, msgspec.Meta(description="What is to be done.", min_length=1, max_length=200)]
Description = Annotated[str, msgspec.Meta(description="More about it.", max_length=1000)]
TaskId = Annotated[int, msgspec.Meta(description="The task, as list_tasks names it.", ge=1)]

server = MCPServer(name="todo", version="1", instructions="A person's todo list.", auth=public)


class Reply(msgspec.Struct):
    """What every tool answers."""

    status: Literal["success", "error"]
    data: dict[str, Any]
    message: str


class AddTask(msgspec.Struct):
    user_id: str
    title: Title
    description: Description = ""


class ListTasks(msgspec.Struct):
    user_id: str
    status: Literal["all", "pending", "completed"] = "all"
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50


class OneTask(msgspec.Struct):
    user_id: str
    task_id: TaskId


class UpdateTask(msgspec.Struct):
    user_id: str
    task_id: TaskId
    title: Title | None = None
    description: Description | None = None


@server.tool(description="Add a task to the person's todo list.", destructive=False)
def add_task(request: HttpRequest, params: AddTask) -> Reply:
    return Reply(**services.add_task(params.user_id, params.title, params.description))


@server.tool(description="List the person's tasks, the newest first.", read_only=True)
def list_tasks(request: HttpRequest, params: ListTasks) -> Reply:
    return Reply(**services.list_tasks(params.user_id, params.status, params.limit))


@server.tool(description="Mark a task as done.", idempotent=True)
def complete_task(request: HttpRequest, params: OneTask) -> Reply:
    return Reply(**services.complete_task(params.user_id, params.task_id))


@server.tool(description="Delete a task for good.", destructive=True)
def delete_task(request: HttpRequest, params: OneTask) -> Reply:
    return Reply(**services.delete_task(params.user_id, params.task_id))


@server.tool(description="Change a task's title, its description, or both.", destructive=True)
def update_task(request: HttpRequest, params: UpdateTask) -> Reply:
    return Reply(**services.update_task(params.user_id, params.task_id, params.title, params.description))
