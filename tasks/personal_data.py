"""A person's tasks, among their data."""

from tasks.models import Task
from todoproj.keyset import all_pages
from todoproj.users.models import User
from todoproj.users.personal_data import ROWS_AT_ONCE, Lines, fields_of, source


@source
def _tasks(user: User) -> Lines:
    for task in all_pages(Task.objects.filter(user=user), "created_at", limit=ROWS_AT_ONCE):
        yield fields_of(
            task, "task", "id", "title", "description", "completed", "completed_at", "created_at", "updated_at"
        )
