"""The table as the project's migrations make it."""

from django.db import models
from django.utils import timezone


class Task(models.Model):
    user_id = models.CharField(max_length=255)
    title = models.CharField(max_length=200)
    description = models.TextField(default="")
    completed = models.BooleanField(default=False)
    completed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "tasks"
        managed = False

    def __str__(self) -> str:
        return f"#{self.pk} {self.title}"
