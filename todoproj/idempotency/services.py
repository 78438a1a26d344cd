"""The rules for requests that come twice (draft-ietf-httpapi-idempotency-key-header).

The first two are called in the transaction in which the request does its work.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from todoproj.idempotency.models import IdempotencyKey
from todoproj.statements import execute

# How long a key is good, at least.
LIFETIME = timedelta(hours=24)
# How many that are older each new key takes away: more than one, so that the table shrinks to what is in use.
REMOVED_AT_ONCE = 10
# How many one transaction takes away where all that are older go.
BATCH = 1_000

# user_id, key, digest, created_at, and the time before which a key is as if it had never been. Gives a row if the key
# was free. Where another transaction has the key and is not done, the database lets this one wait for its end.
_CLAIM = """INSERT INTO idempotency_keys (user_id, "key", digest, status, ids, created_at)
VALUES (%s, %s, %s, 0, '[]', %s)
ON CONFLICT (user_id, "key") DO UPDATE
SET digest = excluded.digest, status = 0, ids = '[]', created_at = excluded.created_at
WHERE idempotency_keys.created_at < %s
RETURNING id"""


class KeyReused(Exception):
    """The key was given to another request before."""


class Reply(NamedTuple):
    """What a request was answered. ids: of what it told of, in its order; none for a reply without a body."""

    status: int
    ids: list[int]


def claim_key(*, user_id: str, key: str, digest: str) -> Reply | None:
    """The reply to this request if it was made before. Else None: it is to be done now, and `keep_reply` to be called.

    digest: what two requests have in common only if they are the same. Raises KeyReused.
    """
    now = timezone.now()
    if execute(_CLAIM, [user_id, key, digest, now, now - LIFETIME]):
        _remove_expired(REMOVED_AT_ONCE)
        return None
    kept = IdempotencyKey.objects.get(user_id=user_id, key=key)
    if kept.digest != digest:
        raise KeyReused
    return Reply(kept.status, kept.ids)


def keep_reply(*, user_id: str, key: str, reply: Reply) -> None:
    """Keep what the request was answered."""
    IdempotencyKey.objects.filter(user_id=user_id, key=key).update(status=reply.status, ids=reply.ids)


def remove_expired_keys() -> int:
    """Remove all keys that are good no more, some at a time; the number of them."""
    removed = 0
    while some := _remove_expired(BATCH):
        removed += some
    return removed


@transaction.atomic
def _remove_expired(limit: int) -> int:
    # Those that somebody else is removing, or taking over, are left to them.
    old = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - LIFETIME).order_by("created_at")
    chosen = old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit]
    return IdempotencyKey.objects.filter(pk__in=list(chosen)).delete()[0]
