"""The toolset."""

from typing import Annotated, Any, Literal

from mcp_server import MCPToolset
from pydantic import Field
from todo_orm import services

Title = Annotated[str, Field(description="What is to be done.", min_length=1, max_length=200)]
Description = Annotated[str, Field(description="More about it.", max_length=1000)]
TaskId = Annotated[int, Field(description="The task, as list_tasks names it.", ge=1)]


class TodoTools(MCPToolset):
    """What an agent can do with a person's tasks."""

    def add_task(self, user_id: str, title: Title, description: Description = "") -> dict[str, Any]:
        """Add a task to the person's todo list."""
        return services.add_task(user_id, title, description)

    def list_tasks(
        self,
        user_id: str,
        status: Literal["all", "pending", "completed"] = "all",
        limit: Annotated[int, Field(ge=1, le=100)] = 50,
    ) -> dict[str, Any]:
        """List the person's tasks, the newest first."""
        return services.list_tasks(user_id, status, limit)

    def complete_task(self, user_id: str, task_id: TaskId) -> dict[str, Any]:
        """Mark a task as done."""
        return services.complete_task(user_id, task_id)

    def delete_task(self, user_id: str, task_id: TaskId) -> dict[str, Any]:
        """Delete a task for good."""
        return services.delete_task(user_id, task_id)

    def update_task(
        self, user_id: str, task_id: TaskId, title: Title | None = None, description: Description | None = None
    ) -> dict[str, Any]:
        """Change a task's title, its description, or both."""
        return services.update_task(user_id, task_id, title, description)
