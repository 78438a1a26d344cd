"""The record of who read, took out or changed chats: what is written there, and what an erased person leaves there."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from conversations.models import ChatAccess
from todoproj.text import counted
from todoproj.users.erasure import Trace, person_erased, traces
from todoproj.users.models import PersonalToken, User
from todoproj.users.services import chats_opened

# How long after it was opened somebody who turns the pages of a transcript or a list is taken to go on reading.
OPENING = timedelta(minutes=30)
# How soon the very same is asked for again by one opening: a browser does when it has told its time zone.
RELOAD = timedelta(seconds=10)
# Where a session keeps which openings have which records, and of how many: the latest. One that is not there any more
# is recorded again.
OPENINGS = "chat_openings"
REMEMBERED = 20


def record_access(
    *, actor_id: str | None, action: str, person_id: str = "", conversation_id: int | None = None, detail: str = ""
) -> ChatAccess:
    """Write down that chats were read, taken out or changed: in the transaction that is open, if there is one.

    actor_id: who did it; None for a command. action: of ChatAccess.Action. person_id, conversation_id: whose and
    which, if it is one. detail: how much, and by what means; it names nobody, and quotes nothing that anybody has said.
    """
    longest = ChatAccess._meta.get_field("detail").max_length
    return ChatAccess.objects.create(
        actor_id=actor_id, action=action, person_id=person_id, conversation_id=conversation_id, detail=detail[:longest]
    )


def record_view(
    request: HttpRequest,
    *,
    person_id: str = "",
    conversation_id: int | None = None,
    detail: str,
    narrowed_by: str = "",
    further_page: bool = False,
) -> None:
    """As `record_access`, that whoever is logged in opened chats; once, though the same is asked for again less than
    RELOAD later.

    narrowed_by: what was searched for, or filtered by: another search is another opening. It is not kept, as it may be
    what is to be forgotten; the session has a keyed digest, to know it by. further_page: they turned to another page of
    the very same, which belongs to an opening less than OPENING ago.
    """
    same = json.dumps([person_id, conversation_id, detail, narrowed_by])
    opening = salted_hmac("conversations.accesses.record_view", same, algorithm="sha256").hexdigest()
    openings: dict[str, int] = dict(request.session.get(OPENINGS, {}))
    since = timezone.now() - (OPENING if further_page else RELOAD)
    if ChatAccess.objects.filter(pk=openings.pop(opening, None), created_at__gt=since).exists():
        return
    access = record_access(
        actor_id=str(request.user.pk),
        action=ChatAccess.Action.VIEWED,
        person_id=person_id,
        conversation_id=conversation_id,
        detail=detail,
    )
    latest = [*openings.items(), (opening, access.pk)][-REMEMBERED:]
    request.session[OPENINGS] = dict(latest)


@receiver(chats_opened)
def _opened(issuer: User, token: PersonalToken, **_: Any) -> None:
    """With it, the issuer could read them unseen."""
    detail = f"personal token {token.pk}, {token.scopes}"
    record_access(actor_id=issuer.pk, action=ChatAccess.Action.VIEWED, person_id=token.user_id, detail=detail)


@traces
def _looked_at(user: User) -> list[Trace]:
    """That chats were looked at stays on record; not whose, nor which."""
    theirs = ChatAccess.objects.filter(person_id=user.pk)
    return [Trace(theirs, {"person_id": "", "conversation_id": None, "detail": "of a person who was erased"})]


@receiver(person_erased)
def _erased(actor: User | None, means: str, amounts: Counter[str], **_: Any) -> None:
    chats = ", ".join(counted(amounts[f"{name}s"], name) for name in ("conversation", "message"))
    record_access(
        actor_id=actor.pk if actor else None, action=ChatAccess.Action.ERASED, detail=f"a person, {means}: {chats}"
    )
