"""What agents and staff did is kept on conversations; notes, redaction, and who looked at whose chats."""

from importlib import import_module
from typing import Any

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import todoproj.indexes
import todoproj.text

kept: Any = import_module("conversations.migrations.0003_kept_on_conversations")


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0005_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="conversation",
            options={
                "permissions": [
                    ("export_chats", "Can export chats"),
                    ("redact_chats", "Can redact chats"),
                    ("delete_old_chats", "Can delete old chats"),
                ]
            },
        ),
        # SQLite makes the table anew, and the triggers that know it would go with it.
        migrations.RunPython(kept.drop_triggers, kept.make_triggers),
        migrations.AddField(
            model_name="conversation",
            name="error_count",
            field=models.IntegerField(db_default=0, default=0, help_text="Calls of tools that were refused or failed."),
        ),
        migrations.AddField(
            model_name="conversation",
            name="note_count",
            field=models.IntegerField(db_default=0, default=0, help_text="Notes of staff."),
        ),
        migrations.AddField(
            model_name="conversation",
            name="tool_call_count",
            field=models.IntegerField(db_default=0, default=0, help_text="Calls of tools that changed something."),
        ),
        migrations.AddField(
            model_name="message",
            name="redacted_at",
            field=models.DateTimeField(blank=True, help_text="When the content was taken out; null if not.", null=True),
        ),
        migrations.RunPython(kept.make_triggers, kept.drop_triggers),
        migrations.CreateModel(
            name="ChatAccess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("viewed", "Viewed"),
                            ("exported", "Exported"),
                            ("redacted", "Redacted"),
                            ("erased", "Erased"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "person_id",
                    models.CharField(
                        blank=True, default="", help_text="Whose chats; empty for several.", max_length=255
                    ),
                ),
                (
                    "conversation_id",
                    models.BigIntegerField(help_text="Which conversation; null for several.", null=True),
                ),
                (
                    "detail",
                    models.CharField(
                        blank=True, default="", help_text="How much of them, and by what means.", max_length=500
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "actor",
                    models.ForeignKey(
                        help_text="Who did it; null for a command, or once they are gone.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "chat access",
                "verbose_name_plural": "chat accesses",
                "db_table": "chat_accesses",
                "indexes": [
                    todoproj.indexes.Index(fields=["-created_at", "-id"], name="idx_chat_accesses_created"),
                    todoproj.indexes.Index(
                        fields=["conversation_id", "-created_at", "-id"], name="idx_chat_accesses_conversation"
                    ),
                    todoproj.indexes.Index(fields=["person_id", "-created_at", "-id"], name="idx_chat_accesses_person"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Note",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "text",
                    models.TextField(
                        validators=[django.core.validators.MaxLengthValidator(10000), todoproj.text.validate_storable]
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "author",
                    models.ForeignKey(
                        help_text="Null once they are gone.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "conversation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notes",
                        to="conversations.conversation",
                    ),
                ),
            ],
            options={
                "db_table": "conversation_notes",
                "indexes": [
                    todoproj.indexes.Index(
                        fields=["conversation", "created_at", "id"], name="idx_conversation_notes_conversation"
                    )
                ],
            },
        ),
    ]
