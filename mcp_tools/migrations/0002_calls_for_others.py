"""An index of the calls that service accounts made, by which they are found when one is erased."""

from django.conf import settings
from django.db import migrations, models

import todoproj.indexes
from todoproj.operations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("mcp_tools", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="toolcall",
            index=todoproj.indexes.Index(
                condition=models.Q(("principal", models.F("user")), _negated=True),
                fields=["principal"],
                name="idx_tool_calls_principal",
            ),
        ),
    ]
