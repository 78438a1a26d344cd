"""Who is calling: every credential resolves to a Principal here, and MCP and REST ask it the same questions."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import Permission
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from todoproj.users.models import PersonalToken
from todoproj.users.services import TOKEN_PREFIX, token_digest


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    user_id: the person that the credential belongs to, who was active when it was read.
    scopes: what the credential allows, such as `tasks:read`.
    acts_for_any_user: a service account, which names the person in every call.
    credential: names the credential in logs without giving it away, such as `token:7`.
    """

    user_id: str
    scopes: frozenset[str]
    acts_for_any_user: bool
    credential: str

    def may_act_for(self, user_id: str) -> bool:
        """Whether this caller may act for that person, if there is one: the exact id counts, and no query is made."""
        return self.acts_for_any_user or user_id == self.user_id


def bearer_token(authorization: str | None) -> str | None:
    """The token in an Authorization header (RFC 6750 section 2.1); None for no header or another scheme."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def authenticate(token: str) -> Principal | None:
    """The caller that a bearer token belongs to; None if it is unknown, expired, revoked, or its person deactivated."""
    if not token.startswith(TOKEN_PREFIX):
        return None
    row = (
        PersonalToken.objects.usable()
        .filter(digest=token_digest(token))
        .values_list("pk", "user_id", "scopes", "last_used_at", Exists(_grants_of_act_for_any_user()))
        .first()
    )
    if row is None:
        return None
    pk, user_id, scopes, last_used_at, acts_for_any_user = row
    now = timezone.now()
    if last_used_at is None or now - last_used_at >= PersonalToken.LAST_USED_RESOLUTION:
        # Not save(): a revocation made meanwhile must stand.
        PersonalToken.objects.filter(pk=pk).update(last_used_at=now)
    return Principal(user_id, frozenset(scopes.split()), acts_for_any_user, f"token:{pk}")


def _grants_of_act_for_any_user() -> QuerySet[Permission]:
    """The permission, if the token's person has it, themselves or by a group.

    Being a superuser is not enough: whoever administers the site does not, by that, write to everybody's list.
    """
    holder = OuterRef("user_id")
    return Permission.objects.filter(
        Q(user=holder) | Q(group__user=holder),
        codename="act_for_any_user",
        content_type__app_label="users",
    )
