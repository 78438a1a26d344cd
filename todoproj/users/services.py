"""The rules for every write to people's tokens."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from todoproj.users.models import PersonalToken, Scope, User

TOKEN_PREFIX = "todo_"  # noqa: S105 (lets scanners for leaked secrets find a token)


def token_digest(token: str) -> str:
    """What the database knows a token by."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@transaction.atomic
def issue_token(
    *, user_id: str, scopes: Iterable[str] = Scope.values, name: str = "", expires_at: datetime | None = None
) -> tuple[PersonalToken, str]:
    """Make a token for an active person; the record of it, and the token itself, which can't be had again.

    Raises User.DoesNotExist for someone unknown or deactivated, ValidationError for a scope that does not exist, no
    scope at all, a time of expiry that has passed, or a name over 100 characters.
    """
    user = User.objects.active().get(pk=user_id)
    wanted = set(scopes)
    if not wanted or not wanted <= set(Scope.values):
        raise ValidationError({"scopes": f"Use one or both of {' and '.join(Scope.values)}."})
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
    return record, token
