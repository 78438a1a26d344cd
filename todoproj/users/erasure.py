"""Erasing a person: what is theirs goes, and so does whatever other rows say of them.

Theirs is what refers to them by a foreign key that cascades. An app that keeps something of people in another way, such
as an id in a text, says where, by a function that is decorated with `traces`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

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


class Trace(NamedTuple):
    """Rows that tell of a person and stay. instead: what they say from then on, by which `rows` finds them no more."""

    rows: QuerySet[Any]
    instead: dict[str, Any]


_traces: list[Callable[[User], list[Trace]]] = []

# Somebody was erased, in the transaction that did it. `actor`: the User who did it, None for a command or the person;
# `means`: in words; `amounts`: as erase_person() gives them. Of the person nothing: nothing is to be left of them.
person_erased = Signal()


def traces(function: Callable[[User], list[Trace]]) -> Callable[[User], list[Trace]]:
    """Have what this function finds of a person taken away when they are erased."""
    _traces.append(function)
    return function


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
    told = _traces_of(user)
    if any(rows[BATCH : BATCH + 1].exists() for rows in [*theirs, *(trace.rows for trace in told)]):
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(is_active=False, tokens_valid_from=timezone.now())
            events.record(Kind.ERASURE_BEGUN, user_id=user.pk, detail=means)
        for rows in theirs:
            while some := _some(rows):
                batch = rows.model._base_manager.filter(pk__in=some)
                with transaction.atomic():
                    _hold(batch)
                    gone += _by_name(batch.delete()[1])
                on_progress(gone)
        for trace in told:
            while some := _some(trace.rows):
                trace.rows.filter(pk__in=some).update(**trace.instead)
    with transaction.atomic():
        # Who writes something of theirs holds a row, such as a conversation, and at the end needs the person, whom the
        # foreign key asks for: each would wait for the other if the person was kept from that before their rows are
        # had. Whoever else locks the person does so first, and waits here.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        for rows in theirs:
            _hold(rows)
        for rows in theirs:
            gone += _by_name(rows.delete()[1])
        # From here on nothing new can be theirs; what came meanwhile goes with them.
        person = User.objects.select_for_update().get(pk=user.pk)
        gone += _by_name(person.delete()[1])
        person_erased.send(sender=User, actor=actor, means=means, amounts=gone)
    return gone


def _rows(user: User, model: type[Model], field: str) -> QuerySet[Any]:
    return model._base_manager.filter(**{field: user.pk})


def _some(rows: QuerySet[Any]) -> list[Any]:
    """The keys of as many as one transaction takes."""
    return list(rows.order_by().values_list("pk", flat=True)[:BATCH])


def _hold(rows: QuerySet[Any]) -> None:
    """Lock those to which other rows belong, as messages do to a conversation, in the order of their keys: whoever
    changes what belongs to them does so first, and in this order."""
    if rows.model._meta.related_objects:
        list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))


def _by_name(counts: dict[str, int]) -> Counter[str]:
    """What Django says of rows that it deleted, without its own tables of who is in which group."""
    deleted = Counter({label: count for label, count in counts.items() if count})
    models = {label: apps.get_model(label) for label in deleted}
    return Counter({_name(models[label]): n for label, n in deleted.items() if not models[label]._meta.auto_created})


def _name(model: type[Model]) -> str:
    return str(model._meta.verbose_name_plural)


def _traces_of(user: User) -> list[Trace]:
    return [trace for function in _traces for trace in function(user)]


def _forget(told: list[Trace]) -> None:
    for rows, instead in told:
        rows.update(**instead)


def _names(user: User) -> set[str]:
    """What others may have written that means this person."""
    return {user.pk, user.username, user.email} - {""}


@traces
def _in_access_and_admin(user: User) -> list[Trace]:
    refused = [events.other_person(name) for name in _names(user)]
    of_people = ContentType.objects.get_for_model(User)
    return [
        # That the erasure has begun is to be seen until its end.
        Trace(
            SecurityEvent.objects.filter(user=user.pk).exclude(kind=Kind.ERASURE_BEGUN),
            {"user": None, "client": "", "detail": "", "address": "", "request_id": ""},
        ),
        Trace(SecurityEvent.objects.filter(by=user.pk), {"by": None, "address": "", "request_id": ""}),
        Trace(
            SecurityEvent.objects.filter(kind=Kind.PERMISSION_REFUSED, detail__in=refused),
            {"detail": events.other_person()},
        ),
        Trace(
            LogEntry.objects.filter(content_type=of_people, object_id=user.pk),
            {"object_id": None, "object_repr": "a person", "change_message": ""},
        ),
    ]


@receiver(pre_delete, sender=User)
def _leave_no_text(instance: User, **_: Any) -> None:
    """Take away what the tables say of a person."""
    told = _traces_of(instance)
    _forget(told)
    # Once more, for what a transaction wrote that was not at its end yet.
    transaction.on_commit(partial(_forget, told), robust=True)
    begun = SecurityEvent.objects.filter(user=instance.pk, kind=Kind.ERASURE_BEGUN)
    begun.update(client="", detail="", address="", request_id="")
    names = {name.lower()[:255] for name in _names(instance)}
    for kept in (AccessAttempt, AccessFailureLog, AccessLog):
        kept.objects.filter(username__in=names).delete()
    if instance.last_login is not None:
        _end_sessions(instance.pk)


def _end_sessions(user_id: str) -> None:
    # Whose a session is, only its signed content says.
    sessions = Session.objects.iterator()
    theirs = [session.pk for session in sessions if session.get_decoded().get(SESSION_KEY) == user_id]
    Session.objects.filter(pk__in=theirs).delete()
