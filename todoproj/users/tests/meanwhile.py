"""What others do while a request is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models.signals import post_init

from todoproj.users.models import User


@contextmanager
def right_after_reading(user_id: str, happen: Callable[[], object]) -> Iterator[None]:
    """Has something happen as soon as this person was read from the database, once."""

    def read(instance: User, **_: Any) -> None:
        if instance.pk == user_id:
            post_init.disconnect(read, sender=User)
            happen()

    post_init.connect(read, sender=User)
    try:
        yield
    finally:
        assert not post_init.disconnect(read, sender=User), "Nobody has read them."
