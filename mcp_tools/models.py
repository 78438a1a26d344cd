"""What agents did with the tools."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from conversations.models import Conversation
from todoproj.indexes import Index


class Outcome(models.TextChoices):
    """How a call ended: the `status` of its reply."""

    SUCCESS = "success"
    ERROR = "error"


class ToolCall(models.Model):
    """A call of a tool that changed something. It is written with the change: there is neither without the other.

    Calls that read have no row, nor have those that were refused or failed: they are counted in ToolUse, and errors in
    their conversation. So every outcome here is a success; it is kept so that a row says by itself what came of it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="tool_calls", db_index=False, verbose_name="person"
    )
    principal = models.CharField(
        max_length=255, help_text="Whose credential it was: the person's own id, or that of a service account."
    )
    client_name = models.CharField(max_length=100, blank=True, default="", help_text="What the client calls itself.")
    conversation = models.ForeignKey(
        Conversation,
        models.SET_NULL,
        null=True,
        related_name="tool_calls",
        db_index=False,
        help_text="Where, if known.",
    )
    tool = models.CharField(max_length=64)
    arguments = models.JSONField(help_text="As they were given; long texts shortened.")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.SUCCESS)
    error_code = models.SmallIntegerField(null=True, help_text="That of the reply; null for a success.")
    duration_ms = models.FloatField(help_text="Milliseconds from the call's arrival to its change.")
    task_id = models.BigIntegerField(null=True, help_text="The task that it was about; it may be gone.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "tool_calls"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(outcome=Outcome.SUCCESS, error_code=None)
                | models.Q(outcome=Outcome.ERROR, error_code__isnull=False),
                name="ck_tool_calls_outcome",
            ),
        ]
        indexes = [
            Index(fields=["user", "-created_at", "-id"], name="idx_tool_calls_user_created"),
            Index(fields=["conversation", "created_at", "id"], name="idx_tool_calls_conversation_created"),
            Index(fields=["-created_at", "-id"], name="idx_tool_calls_created"),
            # The calls of service accounts, which are few next to all.
            Index(
                fields=["principal"], condition=~models.Q(principal=models.F("user")), name="idx_tool_calls_principal"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.tool}"


class ToolUse(models.Model):
    """How often a tool was called on one day (UTC), with one outcome, and how long that took: calls of every kind.

    Each process adds what it has counted from time to time; one that is killed takes its last few seconds with it.
    """

    day = models.DateField()
    tool = models.CharField(max_length=64)
    error_code = models.SmallIntegerField(default=0, help_text="That of the reply; 0 for a success.")
    calls = models.BigIntegerField(default=0)
    total_ms = models.FloatField(default=0, help_text="Milliseconds that all of them took together.")
    slowest_ms = models.FloatField(default=0, help_text="Milliseconds that the slowest of them took.")

    class Meta:
        db_table = "tool_uses"
        constraints = [models.UniqueConstraint(fields=["day", "tool", "error_code"], name="uq_tool_uses_day_tool")]

    def __str__(self) -> str:
        return f"{self.day} {self.tool} {self.error_code or Outcome.SUCCESS}"
