"""What is left of a service account that was erased in the calls that it made for others: not its id."""

from typing import Any

from django.db.models import F
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from mcp_tools.models import ToolCall
from todoproj.users.models import User


@receiver(pre_delete, sender=User)
def _forget(instance: User, **_: Any) -> None:
    ToolCall.objects.filter(principal=instance.pk).exclude(principal=F("user")).update(principal="")
