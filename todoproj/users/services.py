"""The rules for every write to people's tokens."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.dispatch import Signal
from django.utils import timezone

from todoproj.users import events
from todoproj.users.events import Kind
from todoproj.users.models import CHAT_SCOPES, PersonalToken, Scope, User, new_user_id

TOKEN_PREFIX = "todo_"  # noqa: S105 (lets scanners for leaked secrets find a token)

OAUTH_TOKEN_PREFIX = "todoa_"  # noqa: S105

# A member of staff issued a token for somebody else's chats, in the transaction that did it. `issuer`: the User;
# `token`: the PersonalToken.
chats_opened = Signal()


def token_digest(token: str) -> str:
    """What the database knows a token by."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def add_outside_person(*, user_id: str) -> None:
    """Make a person whom another system vouches for, unless somebody has that id, or nobody can."""
    user = User(id=user_id, username=new_user_id())
    user.set_unusable_password()
    user.tokens_valid_from = None
    try:
        user.full_clean()
        with transaction.atomic():
            user.save(force_insert=True)
            events.record(Kind.ACCOUNT_CREATED, user_id=user_id, detail="by an outside issuer")
    except (ValidationError, IntegrityError):
        return


def scopes_for_others(*, issuer: User) -> list[str]:
    """What a token may allow that a member of staff issues for somebody else: their chats only to whoever may view
    conversations."""
    may_view = issuer.has_perm("conversations.view_conversation")
    return [scope for scope in Scope.values if may_view or scope not in CHAT_SCOPES]


@transaction.atomic
def issue_token(
    *,
    user_id: str,
    scopes: Iterable[str] = Scope.values,
    name: str = "",
    expires_at: datetime | None = None,
    issuer: User | None = None,
) -> tuple[PersonalToken, str]:
    """Make a token for an active person; the record of it, and the token itself, which can't be had again.

    issuer: the member of staff who does it; None for a command. Raises User.DoesNotExist for someone unknown or
    deactivated, ValidationError for a scope that does not exist or that the issuer may not give, no scope at all, a
    time of expiry that has passed, or a name over 100 characters.
    """
    user = User.objects.active().select_for_update(no_key=True).get(pk=user_id)
    wanted = set(scopes)
    if not wanted or not wanted <= set(Scope.values):
        raise ValidationError({"scopes": f"Use some of {', '.join(Scope.values)}."})
    by_other = issuer if issuer is not None and issuer != user else None
    if by_other and not wanted <= set(may := scopes_for_others(issuer=by_other)):
        raise ValidationError(
            {"scopes": f"Without the permission to view conversations, use some of {', '.join(may)} for somebody else."}
        )
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": "This time has passed. Name one in the future, or none."})
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    record = PersonalToken(
        user=user,
        name=name.strip(),
        digest=token_digest(token),
        scopes=" ".join(scope for scope in Scope.values if scope in wanted),
        expires_at=expires_at,
    )
    record.full_clean()
    record.save()
    events.record(Kind.TOKEN_ISSUED, user_id=user_id, detail=f"personal token {record.pk}, {record.scopes}")
    if by_other and not wanted.isdisjoint(CHAT_SCOPES):
        chats_opened.send(sender=PersonalToken, issuer=by_other, token=record)
    return record, token


@transaction.atomic
def revoke_tokens(*, tokens: Iterable[PersonalToken]) -> int:
    """Revoke those that are not yet, each from the next call on; the number of them."""
    revoked = 0
    for token in tokens:
        if PersonalToken.objects.filter(pk=token.pk).revoke():
            events.record(Kind.TOKEN_REVOKED, user_id=token.user_id, detail=f"personal token {token.pk}")
            revoked += 1
    return revoked
