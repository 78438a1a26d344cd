"""How long conversations are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from conversations.accesses import record_access
from conversations.models import ChatAccess, Conversation, Message
from todoproj.text import counted

# How many conversations one transaction takes away.
BATCH = 500


def old_conversations(*, before: datetime) -> Counter[str]:
    """How many conversations, and messages in them, had their last activity before that time."""
    old = Conversation.objects.filter(updated_at__lt=before)
    said = Message.objects.filter(conversation__in=old)
    return Counter(conversations=old.count(), messages=said.count())


def in_words(amounts: Counter[str]) -> str:
    """Such an amount, for people."""
    return f"{counted(amounts['conversations'], 'conversation')} with {counted(amounts['messages'], 'message')}"


def delete_old_conversations(
    *,
    before: datetime,
    batch: int = BATCH,
    most: int | None = None,
    actor_id: str | None = None,
    on_progress: Callable[[Counter[str]], None] = lambda gone: None,
) -> Counter[str]:
    """Delete conversations whose last activity was before that time, with their messages, notes and calls of tools; how
    many conversations and messages went.

    Each batch is a transaction of its own, the oldest first, and is on record when it is done, in one row for them all.
    most: how many conversations go at most. actor_id: who has it done; None for a command. on_progress: told what went
    so far, after each batch.
    """
    gone: Counter[str] = Counter(conversations=0, messages=0)
    record: ChatAccess | None = None
    old = Conversation.objects.filter(updated_at__lt=before)
    while most is None or gone["conversations"] < most:
        at_once = batch if most is None else min(batch, most - gone["conversations"])
        with transaction.atomic():
            oldest = list(old.order_by("updated_at", "pk").values_list("pk", flat=True)[:at_once])
            if not oldest:
                break
            # Locked, so that one to which somebody adds a message meanwhile is looked at again, and stays. In the order
            # of ids, as who erases a person does it: else each could wait for the other.
            some = list(old.filter(pk__in=oldest).order_by("pk").select_for_update())
            Conversation.tool_calls.rel.related_model._base_manager.filter(conversation__in=some).delete()
            _, counts = Conversation.objects.filter(pk__in=[conversation.pk for conversation in some]).delete()
            gone["conversations"] += len(some)
            gone["messages"] += counts.get(Message._meta.label, 0)
            detail = f"last active before {before:%Y-%m-%d %H:%M} UTC: "
            detail += ", ".join(f"{count:,} {name}" for name, count in gone.items())
            if record is None:
                record = record_access(actor_id=actor_id, action=ChatAccess.Action.ERASED, detail=detail)
            else:
                ChatAccess.objects.filter(pk=record.pk).update(detail=detail)
        on_progress(gone)
    return gone
