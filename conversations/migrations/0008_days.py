"""What was said on days that are over."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0007_staff_lists")]

    operations = [
        migrations.CreateModel(
            name="ChatDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("messages", models.BigIntegerField()),
                ("people", models.BigIntegerField(help_text="How many people's conversations they were in.")),
            ],
            options={"db_table": "chat_days"},
        ),
    ]
