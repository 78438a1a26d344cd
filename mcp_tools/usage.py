"""How often each tool is called, how it ends and how long it takes: counted here, and now and then added to ToolUse.

A write for each read would cost more than the read. So a process counts by itself, and the call that finds the last
addition some seconds old adds what came together since.
"""

from __future__ import annotations

import logging
import os
from multiprocessing.util import Finalize
from threading import Lock
from time import monotonic

from django.db import DatabaseError
from django.utils import timezone

from todoproj.statements import execute

logger = logging.getLogger(__name__)

# Seconds between two additions.
INTERVAL = 10.0

_ADD = """INSERT INTO tool_uses (day, tool, error_code, calls, total_ms, slowest_ms) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (day, tool, error_code) DO UPDATE SET calls = tool_uses.calls + excluded.calls,
    total_ms = tool_uses.total_ms + excluded.total_ms,
    slowest_ms = CASE WHEN excluded.slowest_ms > tool_uses.slowest_ms
        THEN excluded.slowest_ms ELSE tool_uses.slowest_ms END
RETURNING id"""

_lock = Lock()
# Calls, milliseconds that they took together, and those of the slowest, by tool and error code (0 for a success).
_counted: dict[tuple[str, int], tuple[int, float, float]] = {}
_added_at: float | None = None


def _begin() -> None:
    """Count from nothing in a new process: what its parent has counted, the parent adds."""
    global _lock, _added_at
    # Another thread of the parent may have held it.
    _lock = Lock()
    _counted.clear()
    _added_at = None


os.register_at_fork(after_in_child=_begin)


def count(tool: str, error_code: int, milliseconds: float) -> None:
    """Count a call. error_code: that of the reply; 0 for a success."""
    global _added_at
    now = monotonic()
    with _lock:
        _sum_up((tool, error_code), 1, milliseconds, milliseconds)
        if _added_at is None:
            _added_at = now
            # What is not added by then, the end of this process adds.
            Finalize(None, add, exitpriority=1)
        due = now - _added_at > INTERVAL
        if due:
            _added_at = now
    if due:
        add()


def _sum_up(key: tuple[str, int], calls: int, total: float, slowest: float) -> None:
    so_far = _counted.get(key, (0, 0.0, 0.0))
    _counted[key] = (so_far[0] + calls, so_far[1] + total, max(so_far[2], slowest))


def add() -> None:
    """Add what was counted to the database. What can't be added is kept for the next time."""
    with _lock:
        counted = dict(_counted)
        _counted.clear()
    day = timezone.now().date()
    while counted:
        key, use = counted.popitem()
        try:
            execute(_ADD, [day, *key, *use])
        except DatabaseError:
            logger.warning("the use of tools could not be added", exc_info=True)
            counted[key] = use
            break
    with _lock:
        for key, use in counted.items():
            _sum_up(key, *use)
