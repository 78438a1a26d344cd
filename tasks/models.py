"""Tasks."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual
from django.utils import timezone

from todoproj.indexes import Index
from todoproj.text import validate_storable

TITLE_MAX_LENGTH = 200
DESCRIPTION_MAX_LENGTH = 1000


class Status(models.TextChoices):
    """Which tasks to list."""

    ALL = "all"
    PENDING = "pending"
    COMPLETED = "completed"


class Task(models.Model):
    """Something a person means to do. The services are the only door: they reach one person's tasks, no other's."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="tasks", db_index=False, verbose_name="person"
    )
    title = models.CharField(max_length=TITLE_MAX_LENGTH, validators=[validate_storable])
    description = models.TextField(
        blank=True, default="", validators=[MaxLengthValidator(DESCRIPTION_MAX_LENGTH), validate_storable]
    )
    completed = models.BooleanField(default=False)
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "tasks"
        constraints = [
            # SQLite ignores the length of a varchar, so both lengths are spelled out.
            models.CheckConstraint(
                condition=models.Q(GreaterThanOrEqual(Length("title"), 1))
                & models.Q(LessThanOrEqual(Length("title"), TITLE_MAX_LENGTH)),
                name="ck_tasks_title_length",
            ),
            models.CheckConstraint(
                condition=models.Q(LessThanOrEqual(Length("description"), DESCRIPTION_MAX_LENGTH)),
                name="ck_tasks_description_length",
            ),
            models.CheckConstraint(
                condition=models.Q(completed=True, completed_at__isnull=False)
                | models.Q(completed=False, completed_at__isnull=True),
                name="ck_tasks_completed_at",
            ),
        ]
        indexes = [
            Index(fields=["user", "-created_at", "-id"], name="idx_tasks_user_created"),
            Index(fields=["user", "completed", "-created_at", "-id"], name="idx_tasks_user_status_created"),
            # Of completed tasks alone: to add, change or delete one that is pending does not touch it.
            Index(
                fields=["user", "-completed_at", "-id"],
                condition=models.Q(completed_at__isnull=False),
                name="idx_tasks_user_completed",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"
