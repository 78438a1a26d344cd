"""The five tools on Django's ORM, as one usually writes them. Each answers `{status, data, message}`."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from todo_orm.models import Task


def success(data: dict[str, Any], message: str) -> dict[str, Any]:
    return {"status": "success", "data": data, "message": message}


def not_found() -> dict[str, Any]:
    return {"status": "error", "data": {"error_code": 404}, "message": "This person has no such task."}


def add_task(user_id: str, title: str, description: str = "") -> dict[str, Any]:
    task = Task.objects.create(user_id=user_id, title=title.strip(), description=description)
    data = {
        "task_id": task.pk,
        "title": task.title,
        "description": task.description,
        "completed": task.completed,
        "created_at": task.created_at,
    }
    return success(data, f"Task {task.pk} was added.")


def list_tasks(user_id: str, status: str = "all", limit: int = 50) -> dict[str, Any]:
    tasks = Task.objects.filter(user_id=user_id)
    if status != "all":
        tasks = tasks.filter(completed=status == "completed")
    page = [
        {
            "task_id": task.pk,
            "title": task.title,
            "description": task.description,
            "completed": task.completed,
            "created_at": task.created_at,
            "updated_at": task.updated_at,
        }
        for task in tasks.order_by("-created_at", "-pk")[:limit]
    ]
    return success({"tasks": page, "next_cursor": None}, f"Tasks in this page: {len(page)}.")


@transaction.atomic
def complete_task(user_id: str, task_id: int) -> dict[str, Any]:
    task = Task.objects.select_for_update().filter(pk=task_id, user_id=user_id).first()
    if task is None:
        return not_found()
    already_completed = task.completed
    if not already_completed:
        task.completed = True
        task.completed_at = task.updated_at = timezone.now()
        task.save(update_fields=["completed", "completed_at", "updated_at"])
    data = {
        "task_id": task.pk,
        "title": task.title,
        "completed": task.completed,
        "updated_at": task.updated_at,
        "already_completed": already_completed,
    }
    return success(data, f"Task {task.pk} is completed.")


@transaction.atomic
def delete_task(user_id: str, task_id: int) -> dict[str, Any]:
    task = Task.objects.select_for_update().filter(pk=task_id, user_id=user_id).first()
    if task is None:
        return not_found()
    task.delete()
    return success({"task_id": task_id, "title": task.title}, f"Task {task_id} was deleted.")


@transaction.atomic
def update_task(user_id: str, task_id: int, title: str | None = None, description: str | None = None) -> dict[str, Any]:
    task = Task.objects.select_for_update().filter(pk=task_id, user_id=user_id).first()
    if task is None:
        return not_found()
    given = {name: value for name, value in [("title", title), ("description", description)] if value is not None}
    for name, value in given.items():
        setattr(task, name, value)
    task.updated_at = timezone.now()
    task.save(update_fields=[*given, "updated_at"])
    data = {
        "task_id": task.pk,
        "title": task.title,
        "description": task.description,
        "updated_fields": list(given),
        "updated_at": task.updated_at,
    }
    return success(data, f"Task {task.pk} was changed.")
