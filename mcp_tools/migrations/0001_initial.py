"""What agents did with the tools."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import todoproj.indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("conversations", "0006_what_staff_do"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ToolUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("tool", models.CharField(max_length=64)),
                ("error_code", models.SmallIntegerField(default=0, help_text="That of the reply; 0 for a success.")),
                ("calls", models.BigIntegerField(default=0)),
                ("total_ms", models.FloatField(default=0, help_text="Milliseconds that all of them took together.")),
                ("slowest_ms", models.FloatField(default=0, help_text="Milliseconds that the slowest of them took.")),
            ],
            options={
                "db_table": "tool_uses",
                "constraints": [
                    models.UniqueConstraint(fields=("day", "tool", "error_code"), name="uq_tool_uses_day_tool")
                ],
            },
        ),
        migrations.CreateModel(
            name="ToolCall",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "principal",
                    models.CharField(
                        help_text="Whose credential it was: the person's own id, or that of a service account.",
                        max_length=255,
                    ),
                ),
                (
                    "client_name",
                    models.CharField(blank=True, default="", help_text="What the client calls itself.", max_length=100),
                ),
                ("tool", models.CharField(max_length=64)),
                ("arguments", models.JSONField(help_text="As they were given; long texts shortened.")),
                (
                    "outcome",
                    models.CharField(
                        choices=[("success", "Success"), ("error", "Error")], default="success", max_length=10
                    ),
                ),
                ("error_code", models.SmallIntegerField(help_text="That of the reply; null for a success.", null=True)),
                ("duration_ms", models.FloatField(help_text="Milliseconds from the call's arrival to its change.")),
                ("task_id", models.BigIntegerField(help_text="The task that it was about; it may be gone.", null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "conversation",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Where, if known.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="tool_calls",
                        to="conversations.conversation",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tool_calls",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="person",
                    ),
                ),
            ],
            options={
                "db_table": "tool_calls",
                "indexes": [
                    todoproj.indexes.Index(fields=["user", "-created_at", "-id"], name="idx_tool_calls_user_created"),
                    todoproj.indexes.Index(
                        fields=["conversation", "created_at", "id"], name="idx_tool_calls_conversation_created"
                    ),
                    todoproj.indexes.Index(fields=["-created_at", "-id"], name="idx_tool_calls_created"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("error_code", None), ("outcome", "success")),
                            models.Q(("error_code__isnull", False), ("outcome", "error")),
                            _connector="OR",
                        ),
                        name="ck_tool_calls_outcome",
                    )
                ],
            },
        ),
    ]
