"""An index of completed tasks by when that was, by which those of the last days are found."""

from django.conf import settings
from django.db import migrations, models

import todoproj.indexes
from todoproj.operations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("tasks", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="task",
            index=todoproj.indexes.Index(
                condition=models.Q(("completed_at__isnull", False)),
                fields=["user", "-completed_at", "-id"],
                name="idx_tasks_user_completed",
            ),
        ),
    ]
