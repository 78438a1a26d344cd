"""What a conversation's messages come to is kept on it, and a message's length is bounded."""

from importlib import import_module
from typing import Any

import django.core.validators
import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models

import todoproj.text
from todoproj.operations import AddConstraintNotValid

owner: Any = import_module("conversations.migrations.0002_message_owner")


def drop_triggers(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "sqlite":
        owner.back(apps, schema_editor)


def make_triggers(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "sqlite":
        owner.forward(apps, schema_editor)


class Migration(migrations.Migration):
    dependencies = [("conversations", "0002_message_owner")]

    operations = [
        # SQLite makes both tables anew, and its triggers would go with them.
        migrations.RunPython(drop_triggers, make_triggers),
        # The database knows the defaults, too, so the release before this one can go on writing.
        migrations.AddField(
            model_name="conversation",
            name="message_count",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="conversation",
            name="last_role",
            field=models.CharField(
                blank=True,
                choices=[("user", "User"), ("assistant", "Assistant")],
                db_default="",
                default="",
                help_text="Who said the last message; empty without one.",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="conversation",
            name="beginning",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="How the first message begins.", max_length=100
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="content",
            field=models.TextField(
                validators=[django.core.validators.MaxLengthValidator(100000), todoproj.text.validate_storable]
            ),
        ),
        AddConstraintNotValid(
            model_name="conversation",
            constraint=models.CheckConstraint(
                condition=models.Q(("last_role__in", ["", "user", "assistant"])), name="ck_conversations_last_role"
            ),
        ),
        AddConstraintNotValid(
            model_name="conversation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("last_role", ""), ("message_count", 0)),
                    models.Q(("message_count__gt", 0), models.Q(("last_role", ""), _negated=True)),
                    _connector="OR",
                ),
                name="ck_conversations_message_count",
            ),
        ),
        AddConstraintNotValid(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.LessThanOrEqual(django.db.models.functions.text.Length("content"), 100000)
                ),
                name="ck_messages_content_length",
            ),
        ),
        migrations.RunPython(make_triggers, drop_triggers),
    ]
