"""Who is calling, and whose data a statement is about.

A bearer token resolves to a Principal. A Person is how a statement finds the person that it is for: a query that finds
nobody unless everything is as it must be, so that looking the token up, asking whether its person is active and doing
the work are one statement and one round trip. What was wrong is asked only when nothing came back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import cached_property  # the one in functools locks all threads before Python 3.12

from todoproj.statements import execute
from todoproj.users.models import PersonalToken, User
from todoproj.users.services import TOKEN_PREFIX, token_digest


class Unauthenticated(Exception):
    """The token is unknown, expired or revoked, or its person deactivated."""


class MissingScope(Exception):
    """The token does not allow this; `scope` would."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    user_id: the person that the credential belongs to, who was active when it was read.
    scopes: what the credential allows, such as `tasks:read`.
    acts_for_any_user: a service account, which names the person in every call.
    """

    user_id: str
    scopes: frozenset[str]
    acts_for_any_user: bool

    def may_act_for(self, user_id: str) -> bool:
        """Whether this caller may act for that person, if there is one: the exact id counts, and no query is made."""
        return self.acts_for_any_user or user_id == self.user_id


class Person:
    """How a statement finds the person that it is for.

    query: selects their `id`, and as `unused` the token whose use is to be written down, if there is one.
    """

    query = "SELECT id, CAST(NULL AS bigint) AS unused FROM users WHERE id = %s"

    def __init__(self, user_id: str) -> None:
        self.params: list[Any] = [user_id]

    def execute(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement in which `person` is this query; each row ends with FOUND.

        Raises the reason when there are none and the person is why.
        """
        rows = execute(f"WITH person AS ({self.query}) {sql}", [*self.params, *params])
        if rows:
            self.found(*rows[0][-2:])
        else:
            self.explain()
        return rows

    def found(self, user_id: str, unused: int | None) -> None:
        """What is to be done once there is such a person."""

    def explain(self) -> None:
        """Raise what is wrong with the person, if anything is: User.DoesNotExist."""
        if not execute(self.query, self.params):
            raise User.DoesNotExist


# The columns that every statement with `person` ends with.
FOUND = "(SELECT id FROM person) AS person_id, (SELECT unused FROM person) AS unused"


class ActivePerson(Person):
    """Someone who has access."""

    query = f"{Person.query} AND is_active"


# A service account. Being a superuser is not enough: whoever administers the site does not, by that, write to
# everybody's list.
_ACTS_FOR_ANY_USER = """(
    EXISTS (
        SELECT 1 FROM users_user_permissions held JOIN auth_permission granted ON granted.id = held.permission_id
        JOIN django_content_type about ON about.id = granted.content_type_id
        WHERE held.user_id = owner.id AND about.app_label = 'users' AND granted.codename = 'act_for_any_user'
    ) OR EXISTS (
        SELECT 1 FROM users_groups member JOIN auth_group_permissions held ON held.group_id = member.group_id
        JOIN auth_permission granted ON granted.id = held.permission_id
        JOIN django_content_type about ON about.id = granted.content_type_id
        WHERE member.user_id = owner.id AND about.app_label = 'users' AND granted.codename = 'act_for_any_user'
    )
)"""
# As PersonalTokenQuerySet.usable() has it, by the token's digest.
_OWNED = """
FROM personal_tokens token JOIN users owner ON owner.id = token.user_id
WHERE token.digest = %s AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > %s)
    AND owner.is_active"""
# The token, if its use is to be written down.
_UNUSED = "CASE WHEN token.last_used_at > %s THEN NULL ELSE token.id END AS unused"
_LOOK_UP = f"SELECT {_UNUSED}, owner.id, token.scopes, {_ACTS_FOR_ANY_USER} {_OWNED}"


def _look_up_params(digest: str) -> list[Any]:
    """What _UNUSED and then _OWNED ask for."""
    now = timezone.now()
    return [now - PersonalToken.LAST_USED_RESOLUTION, digest, now]


class Caller:
    """Whoever sent a bearer token, which is looked up when the answer is first needed, or by a statement on its way.

    authenticated: whether it was found good. Nothing may be answered before that.
    user_id: the token's person, from then on.
    """

    def __init__(self, token: str) -> None:
        self.digest = token_digest(token)
        self.authenticated = False
        self.user_id: str | None = None
        self._known_kind = token.startswith(TOKEN_PREFIX)

    def authenticate(self) -> None:
        """Look the token up, unless that was done. Raises Unauthenticated."""
        _ = self.principal

    @cached_property
    def principal(self) -> Principal:
        """Raises Unauthenticated."""
        rows = execute(_LOOK_UP, _look_up_params(self.digest)) if self._known_kind else []
        if not rows:
            raise Unauthenticated
        unused, user_id, scopes, acts_for_any_user = rows[0]
        self.found(user_id, unused)
        return Principal(user_id, frozenset(scopes.split()), bool(acts_for_any_user))

    def require(self, scope: str) -> None:
        """Raise Unauthenticated, or MissingScope if the token does not allow it."""
        if scope not in self.principal.scopes:
            raise MissingScope(scope)

    def found(self, user_id: str, unused: int | None) -> None:
        """The token is good; `unused` is its id if its use is to be written down."""
        self.authenticated = True
        self.user_id = user_id
        if unused is not None:
            # Not save(): a revocation made meanwhile must stand.
            PersonalToken.objects.filter(pk=unused).update(last_used_at=timezone.now())


class TokenOwner(Person):
    """The person that a token belongs to, if it allows the scope and is nobody's who acts for many."""

    query = f"""SELECT owner.id, {_UNUSED} {_OWNED}
    AND ' ' || token.scopes || ' ' LIKE %s AND NOT {_ACTS_FOR_ANY_USER}"""

    def __init__(self, caller: Caller, scope: str) -> None:
        self.caller = caller
        self.scope = scope
        self.params = [*_look_up_params(caller.digest), f"% {scope} %"]

    def found(self, user_id: str, unused: int | None) -> None:
        self.caller.found(user_id, unused)

    def explain(self) -> None:
        """Raise Unauthenticated, MissingScope, or ValidationError for a service account, which must name somebody."""
        self.caller.require(self.scope)
        if self.caller.principal.acts_for_any_user:
            missing = ValidationError("A service account acts for many. Say for whom, such as 'demo'.", "missing")
            raise ValidationError({"user_id": missing})


def bearer_token(authorization: str | None) -> str | None:
    """The token in an Authorization header (RFC 6750 section 2.1); None for no header or another scheme."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
