"""What the messages that there are come to is kept on their conversations, some at a time."""

from typing import Any

from django.db import migrations, transaction
from django.db.models import Count, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, Substr

AT_ONCE = 1_000


def fill(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    conversations = apps.get_model("conversations", "Conversation").objects.using(alias)
    messages = apps.get_model("conversations", "Message").objects.using(alias).filter(conversation=OuterRef("pk"))
    first, last = messages.order_by("created_at", "pk"), messages.order_by("-created_at", "-pk")
    number = messages.order_by().values("conversation").annotate(number=Count("pk")).values("number")
    latest = 0
    while True:
        with transaction.atomic(using=alias):
            # Locked before they are counted: a message that comes meanwhile is counted here or when it was added.
            rows = conversations.select_for_update().filter(pk__gt=latest).order_by("pk")
            pks = list(rows.values_list("pk", flat=True)[:AT_ONCE])
            if not pks:
                return
            conversations.filter(pk__in=pks).update(
                message_count=Coalesce(Subquery(number), 0),
                last_role=Coalesce(Subquery(last.values("role")[:1]), Value("")),
                beginning=Coalesce(Subquery(first.values(part=Substr("content", 1, 100))[:1]), Value("")),
            )
        latest = pks[-1]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("conversations", "0003_kept_on_conversations")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
