"""Erasing a person: what is theirs goes, and so does whatever other rows say of them.

Theirs is what refers to them by a foreign key that cascades. An app that keeps something of people in another way, such
as an id in a text, takes it away when Django says that a person goes: it receives the signal `pre_delete` of User.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import CASCADE, Model, QuerySet
from django.db.models.signals import pre_delete
from django.dispatch import Signal, receiver
from django.utils import timezone

from todoproj.users import events
from todoproj.users.events import Kind
from todoproj.users.models import SecurityEvent, User

# How many rows of a table one transaction takes away: nobody else waits for longer than that takes.
BATCH = 1_000

# Somebody was erased, in the transaction that did it. `actor`: the User who did it, None for a command or the person;
# `means`: in words; `amounts`: as erase_person() gives them. Of the person nothing: nothing is to be left of them.
person_erased = Signal()


def belonging() -> list[tuple[type[Model], str]]:
    """The models whose rows go with a person, and the field that says whose they are; those first that no other refers
    to, so that few rows go with each."""
    relations: list[Any] = [relation for relation in User._meta.related_objects if relation.on_delete is CASCADE]
    relations.sort(key=lambda relation: len(relation.related_model._meta.related_objects))
    return [(relation.related_model, relation.field.name) for relation in relations]


def amounts_of(user: User) -> Counter[str]:
    """How many rows would go with the person, by what they are called."""
    counts = {_name(model): _rows(user, model, field).count() for model, field in belonging()}
    return Counter({name: count for name, count in counts.items() if count})


def erase_person(
    *,
    user: User,
    means: str,
    actor: User | None = None,
    on_progress: Callable[[Counter[str]], None] = lambda amounts: None,
) -> Counter[str]:
    """Take a person away for good, with all that is theirs and all that tells of them; how many rows went, by what they
    are called.

    Where there is much, the person is cut off first, and the rows go some at a time, each in a transaction of its own.
    Where that is interrupted, the person is left deactivated, with a security event that says why; doing it again does
    the rest. Raises User.DoesNotExist for somebody who is gone already.

    means: how it came about, in words without a name. on_progress: told what went so far, after each of the batches.
    """
    gone: Counter[str] = Counter()
    theirs = [_rows(user, model, field) for model, field in belonging()]
    if any(rows[BATCH : BATCH + 1].exists() for rows in theirs):
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(is_active=False, tokens_valid_from=timezone.now())
            events.record(Kind.ERASURE_BEGUN, user_id=user.pk, detail=means)
        for rows in theirs:
            while some := list(rows.order_by().values_list("pk", flat=True)[:BATCH]):
                gone += _by_name(rows.model._base_manager.filter(pk__in=some).delete()[1])
                on_progress(gone)
    with transaction.atomic():
        person = User.objects.select_for_update().get(pk=user.pk)
        gone += _by_name(person.delete()[1])
        person_erased.send(sender=User, actor=actor, means=means, amounts=gone)
    return gone


def _rows(user: User, model: type[Model], field: str) -> QuerySet[Any]:
    return model._base_manager.filter(**{field: user.pk})


def _by_name(counts: dict[str, int]) -> Counter[str]:
    """What Django says of rows that it deleted, without its own tables of who is in which group."""
    deleted = Counter({label: count for label, count in counts.items() if count})
    models = {label: apps.get_model(label) for label in deleted}
    return Counter({_name(models[label]): n for label, n in deleted.items() if not models[label]._meta.auto_created})


def _name(model: type[Model]) -> str:
    return str(model._meta.verbose_name_plural)


@receiver(pre_delete, sender=User)
def _leave_no_text(instance: User, **_: Any) -> None:
    """Take away what the tables of access and of the admin say of a person."""
    names = {instance.pk, instance.username, instance.email} - {""}
    SecurityEvent.objects.filter(user=instance).update(client="", detail="", address="", request_id="")
    SecurityEvent.objects.filter(by=instance).update(address="", request_id="")
    refusals = SecurityEvent.objects.filter(kind=Kind.PERMISSION_REFUSED)
    refusals.filter(detail__in=[events.other_person(name) for name in names]).update(detail=events.other_person())
    about = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=instance.pk)
    about.update(object_id=None, object_repr="", change_message="")
    for kept in (AccessAttempt, AccessFailureLog, AccessLog):
        kept.objects.filter(username__in={name.lower()[:255] for name in names}).delete()
    if instance.last_login is not None:
        _end_sessions(instance.pk)


def _end_sessions(user_id: str) -> None:
    # Whose a session is, only its signed content says.
    sessions = Session.objects.iterator()
    theirs = [session.pk for session in sessions if session.get_decoded().get(SESSION_KEY) == user_id]
    Session.objects.filter(pk__in=theirs).delete()
