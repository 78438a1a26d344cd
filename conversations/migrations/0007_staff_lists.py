"""Staff find conversations with errors or notes by indexes."""

import django.db.models
from django.db import migrations

import todoproj.indexes
from todoproj.operations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("conversations", "0006_what_staff_do")]

    operations = [
        AddIndexConcurrently(
            model_name="conversation",
            index=todoproj.indexes.Index(
                condition=django.db.models.Q(("error_count__gt", 0)),
                fields=["-updated_at", "-id"],
                name="idx_conversations_errors_updated",
            ),
        ),
        AddIndexConcurrently(
            model_name="conversation",
            index=todoproj.indexes.Index(
                condition=django.db.models.Q(("note_count__gt", 0)),
                fields=["-updated_at", "-id"],
                name="idx_conversations_notes_updated",
            ),
        ),
    ]
