"""The rules for every write to tasks, whoever asks: an agent, an app or a member of staff.

Raises, besides what each says: django.core.exceptions.ValidationError with the field's name for a value that can't be
kept, and Task.DoesNotExist for a task that is not this person's, whether or not it is somebody else's.
"""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from tasks.models import Task


@transaction.atomic
def add_task(*, user_id: str, title: str, description: str = "") -> Task:
    """A new pending task. The title is stripped of white space around it, and must not be blank."""
    task = Task(user_id=user_id, title=title.strip(), description=description)
    task.updated_at = task.created_at
    _validate(task)
    task.save(force_insert=True)
    return task


@transaction.atomic
def complete_task(*, user_id: str, task_id: int) -> tuple[Task, bool]:
    """The completed task, and whether this call completed it: doing it again changes nothing, not even a time."""
    task = _for_update(user_id, task_id)
    if task.completed:
        return task, False
    task.completed = True
    task.completed_at = task.updated_at = timezone.now()
    task.save(update_fields=["completed", "completed_at", "updated_at"])
    return task, True


@transaction.atomic
def delete_task(*, user_id: str, task_id: int) -> Task:
    """The task as it was: it is gone for good."""
    task = _for_update(user_id, task_id)
    Task.objects.filter(pk=task.pk).delete()
    return task


@transaction.atomic
def update_task(
    *, user_id: str, task_id: int, title: str | None = None, description: str | None = None
) -> tuple[Task, list[str]]:
    """The changed task, and the names of the fields that were given. None leaves a field alone; "" clears the
    description. Raises ValidationError if nothing was given to change."""
    given = [name for name, value in [("title", title), ("description", description)] if value is not None]
    if not given:
        raise ValidationError("Nothing to change. Give `title`, `description` or both.", "nothing_to_change")
    task = _for_update(user_id, task_id)
    if title is not None:
        task.title = title.strip()
    if description is not None:
        task.description = description
    task.updated_at = timezone.now()
    _validate(task)
    task.save(update_fields=[*given, "updated_at"])
    return task, given


def _for_update(user_id: str, task_id: int) -> Task:
    """The person's task, locked until the transaction ends."""
    return Task.objects.owned_by(user_id).select_for_update().get(pk=task_id)


def _validate(task: Task) -> None:
    # The write itself asks the database whether the person exists and the constraints hold: asking first would be a
    # query for each.
    task.full_clean(exclude={"user"}, validate_unique=False, validate_constraints=False)
