"""Requests that were made with an Idempotency-Key."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from todoproj.indexes import Index

KEY_MAX_LENGTH = 255


class IdempotencyKey(models.Model):
    """A key that a person's client gave a request, and what the reply told of.

    It is made in the transaction of what the request did, so that there are both or neither. No text is kept here: what
    is deleted or redacted is so for a request that comes again, too.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="idempotency_keys", db_index=False, verbose_name="person"
    )
    key = models.CharField(max_length=KEY_MAX_LENGTH)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the request, by which it is known again.")
    status = models.PositiveSmallIntegerField(default=0, help_text="0 while the request is being done.")
    ids = models.JSONField(default=list, help_text="Of what the reply told of; empty for a reply without a body.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "idempotency_keys"
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="uq_idempotency_keys_user_key"),
            models.CheckConstraint(condition=~models.Q(key=""), name="ck_idempotency_keys_key_not_empty"),
        ]
        indexes = [Index(fields=["created_at"], name="idx_idempotency_keys_created")]

    def __str__(self) -> str:
        return f"#{self.pk}"
