"""Who is calling, and whose data a statement is about.

Every kind of credential resolves to a Principal. A Person is how a statement finds the person that it is for: a query
that finds nobody unless everything is as it must be, so that looking the token up, asking whether its person is active
and doing the work are one statement and one round trip. What was wrong is asked only when nothing came back.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import cached_property  # the one in functools locks all threads before Python 3.12

from todoproj import throttling
from todoproj.statements import execute
from todoproj.text import header_value, is_storable
from todoproj.users import events, issuers, jwts
from todoproj.users.models import PersonalToken, Scope, User
from todoproj.users.refusals import MissingScope
from todoproj.users.services import OAUTH_TOKEN_PREFIX, TOKEN_PREFIX, add_outside_person, token_digest


class Unauthenticated(Exception):
    """The token is unknown, expired or revoked, or its person deactivated."""


class OnBehalfOfMissing(Exception):
    """A service account must say in the On-Behalf-Of header whom the call is for."""

    def __init__(self) -> None:
        super().__init__("Name the person that the call is for in the header On-Behalf-Of.")


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    user_id: the person that the credential belongs to, who was active when it was read.
    scopes: what the credential allows, such as `tasks:read`.
    acts_for_any_user: a service account, which names the person in every call.
    on_behalf_of: the one person that this call may be for, as the program that sends it has named them; None for
        whomever the caller may act for.
    """

    user_id: str
    scopes: frozenset[str]
    acts_for_any_user: bool
    on_behalf_of: str | None = None

    def may_act_for(self, user_id: str) -> bool:
        """Whether this caller may act for that person, if there is one: the exact id counts, and no query is made."""
        if self.on_behalf_of not in (None, user_id) or not is_storable(user_id):
            return False
        return self.acts_for_any_user or user_id == self.user_id

    def person_named(self, user_id: str) -> Person:
        """The person with this id, if the caller may act for them.

        Raises User.DoesNotExist for anybody else, and OnBehalfOfMissing for a service account that sent no such header
        to a server that wants one.
        """
        if self.acts_for_any_user and self.on_behalf_of is None and settings.ON_BEHALF_OF_REQUIRED:
            raise OnBehalfOfMissing
        if not self.may_act_for(user_id):
            # Whoever it is, and whether or not there is one, the same is done.
            events.record_refusal(user_id=self.user_id, detail=events.other_person(user_id))
            raise User.DoesNotExist
        return ActivePerson(user_id)


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
        rows = execute(_with_person(self.query, sql), [*self.params, *params])
        if rows:
            self.found(*rows[0][-2:])
            return rows
        closer = self.explain()
        return rows if closer is None else closer.execute(sql, params)

    def change(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """As `execute`, for a statement that changes rows and returns them, the `id` first.

        Whoever must write down what was changed does so here, in the same transaction.
        """
        return self.execute(sql, params)

    def found(self, user_id: str, unused: int | None) -> None:
        """What is to be done once there is such a person."""

    def explain(self) -> Person | None:
        """What is to be said of the person when there are no rows.

        Raises what is wrong with them, if anything is: User.DoesNotExist. Else there is nothing wrong, or the query
        passes over some that are right: then this is the same person by one that finds them.
        """
        if not execute(self.query, self.params):
            raise User.DoesNotExist
        return None


@lru_cache(maxsize=256)
def _with_person(query: str, sql: str) -> str:
    return f"WITH person AS ({query}) {sql}"


# The columns that every statement with `person` ends with.
FOUND = "(SELECT id FROM person) AS person_id, (SELECT unused FROM person) AS unused"


class ActivePerson(Person):
    """Someone who has access."""

    query = f"{Person.query} AND is_active"


# A service account. Being a superuser is not enough: whoever administers the site does not, by that, write to
# everybody's list.
_MAY_ACT_FOR_ANY_USER = """(
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
# Whether that is worth asking. To look which permissions somebody has takes the database as long as a call's own work,
# and few have any.
_HAS_PERMISSIONS = """(
    EXISTS (SELECT 1 FROM users_user_permissions held WHERE held.user_id = owner.id)
    OR EXISTS (SELECT 1 FROM users_groups member WHERE member.user_id = owner.id)
)"""


class CredentialKind:
    """How the database tells whether a credential of one kind is good, and what it allows.

    Made of SQL, in which `owner` is the person that it belongs to, and `token` the credential's own row.

    good: FROM and WHERE, with parameters; finds the two, or nothing. What was issued before the person's
        tokens_valid_from, and whatever belongs to somebody deactivated, is not found.
    scopes: what it allows, separated by spaces.
    for_many: whether a service account acts for many by it.
    unused: the row's id if its use is to be written down, with one time as parameter; else NULL.
    """

    def __init__(
        self, *, good: str, scopes: str = "token.scopes", for_many: str = "true", unused: str | None = None
    ) -> None:
        unused = f"{unused or 'CAST(NULL AS bigint)'} AS unused"
        good = f"{good} AND owner.is_active"
        has_permissions = f"({for_many} AND {_HAS_PERMISSIONS})"
        acts_for_any_user = f"({for_many} AND {_MAY_ACT_FOR_ANY_USER})"
        self.look_up = f"SELECT {unused}, owner.id, {scopes}, {has_permissions}, {acts_for_any_user} {good}"
        # The owner, if the credential allows a scope and is nobody's who may act for many.
        self.owner = f"""SELECT owner.id, {unused} {good}
    AND ' ' || {scopes} || ' ' LIKE %s AND NOT {has_permissions}"""


# As PersonalTokenQuerySet.usable() has it, by when a use is no news, the token's digest and the time.
PERSONAL_TOKEN = CredentialKind(
    good="""FROM personal_tokens token JOIN users owner ON owner.id = token.user_id
WHERE token.digest = %s AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > %s)
    AND (owner.tokens_valid_from IS NULL OR token.created_at >= owner.tokens_valid_from)""",
    unused="CASE WHEN token.last_used_at > %s THEN NULL ELSE token.id END",
)
# By the login's id and the person's, as a token says them that this server has signed.
LOGIN = CredentialKind(
    good="""FROM logins token JOIN users owner ON owner.id = token.user_id
WHERE token.id = %s AND owner.id = %s AND token.revoked_at IS NULL
    AND (owner.tokens_valid_from IS NULL OR token.created_at >= owner.tokens_valid_from)""",
    for_many="false",
)

# By the token's digest, the time and the resource (RFC 8707) that it must be for, and no other. One that a client holds
# for itself, by its own credentials, is its owner's.
OAUTH_TOKEN = CredentialKind(
    good="""FROM oauth2_provider_accesstoken token
    JOIN oauth2_provider_application client ON client.id = token.application_id
    JOIN users owner ON owner.id = COALESCE(token.user_id, client.user_id)
WHERE token.token_checksum = %s AND token.expires > %s AND CAST(token.resource AS text) = %s
    AND (owner.tokens_valid_from IS NULL OR token.created >= owner.tokens_valid_from)""",
    scopes="token.scope",
    for_many="token.user_id IS NULL",
)
# By the person's id, and when the token was issued.
_OUTSIDE = f"""{ActivePerson.query} AND NOT is_staff AND NOT is_superuser
AND (tokens_valid_from IS NULL OR tokens_valid_from <= %s)"""
# Nothing else of the token: a revocation made meanwhile must stand.
_USE = "UPDATE personal_tokens SET last_used_at = %s WHERE id = %s RETURNING id"


class Caller(ABC):
    """Whoever calls, by a credential that is looked at when the answer is first needed, or by a statement on its way.

    on_behalf_of: see Principal.
    client_name: what the program that calls says it is, if it does.
    authenticated: whether the credential was found good. Nothing may be answered before that.
    user_id: the person that it belongs to, from then on.
    """

    on_behalf_of: str | None = None
    client_name = ""
    authenticated = False
    user_id: str | None = None

    @cached_property
    @abstractmethod
    def principal(self) -> Principal:
        """Raises Unauthenticated."""

    @abstractmethod
    def person(self, scope: str) -> Person:
        """The caller's own person, for a statement that takes this scope."""

    @abstractmethod
    def charge(self) -> None:
        """Count a call. Raises Throttled if it is one too many."""

    def authenticate(self) -> None:
        """Look the credential up, unless that was done. Raises Unauthenticated."""
        _ = self.principal

    def require(self, scope: str) -> None:
        """Raise Unauthenticated, or MissingScope if the credential does not allow it."""
        if scope not in self.principal.scopes:
            raise MissingScope(scope)


# Whose a token was found to be, by its digest: so calls are counted by person before the token is looked up. It is no
# more than that; whether the token is good is asked every time. One that is no good any more is forgotten, since its
# calls must not count as its person's.
_owners: dict[str, str] = {}
_OWNERS_KEPT = 10_000


class TokenHolder(Caller):
    """Whoever sent a bearer token of a kind that the database knows.

    params: what finds the token, as its kind has them.
    digest: what it is known by here.
    has_permissions: whether its person has any of Django's permissions; known once the credential was looked up.
    """

    def __init__(self, kind: CredentialKind, params: Sequence[Any], digest: str) -> None:
        self.kind = kind
        self.digest = digest
        self.params = params
        self._owner = _owners.get(digest)
        self._counted_by_token = False
        self.has_permissions = False

    @cached_property
    def principal(self) -> Principal:
        rows = execute(self.kind.look_up, self.params)
        if not rows:
            _owners.pop(self.digest, None)
            raise Unauthenticated
        unused, user_id, scopes, has_permissions, acts_for_any_user = rows[0]
        self.has_permissions = bool(has_permissions)
        self.found(user_id, unused)
        return Principal(user_id, frozenset(scopes.split()), bool(acts_for_any_user), self.on_behalf_of)

    def person(self, scope: str) -> Person:
        return TokenOwner(self, scope)

    def charge(self) -> None:
        if self.user_id is not None:
            limit = throttling.SERVICE_ACCOUNTS if self.principal.acts_for_any_user else throttling.TOOLS
            limit.require(self.user_id)
            return
        self._counted_by_token = self._owner is None
        throttling.TOOLS.require(self._owner or self.digest)

    def found(self, user_id: str, unused: int | None) -> None:
        """The token is good; `unused` is its id if its use is to be written down."""
        self.authenticated = True
        self.user_id = user_id
        if self._owner is None:
            if len(_owners) >= _OWNERS_KEPT:
                _owners.clear()
            _owners[self.digest] = user_id
        if self._counted_by_token:
            # The first call by a token that this process sees: it counts among the person's, though it is done.
            throttling.TOOLS.hit(user_id)
        if unused is not None:
            execute(_USE, [timezone.now(), unused])


class TokenOwner(Person):
    """The person that a token belongs to, if it allows the scope and is nobody's who may act for many."""

    def __init__(self, caller: TokenHolder, scope: str) -> None:
        self.caller = caller
        self.scope = scope
        self.query = caller.kind.owner
        self.params = [*caller.params, f"% {scope} %"]

    def found(self, user_id: str, unused: int | None) -> None:
        self.caller.found(user_id, unused)

    def explain(self) -> Person | None:
        """Raises Unauthenticated, MissingScope, or ValidationError for a service account, which must name somebody."""
        self.caller.require(self.scope)
        principal = self.caller.principal
        if principal.acts_for_any_user:
            missing = ValidationError("A service account acts for many. Say for whom, such as 'demo'.", "missing")
            raise ValidationError({"user_id": missing})
        return ActivePerson(principal.user_id) if self.caller.has_permissions else None


class LocalCaller(Caller):
    """Whoever runs a program next to the database, for one person.

    Who can do that needs no token, and may do all that the person may: nothing, if the person has no access.
    """

    def __init__(self, user_id: str) -> None:
        self._named = user_id

    @cached_property
    def principal(self) -> Principal:
        if not (is_storable(self._named) and execute(ActivePerson.query, [self._named])):
            raise Unauthenticated
        self.found(self._named)
        return Principal(self._named, frozenset(Scope.values), acts_for_any_user=False)

    def person(self, scope: str) -> Person:
        return _LocalPerson(self, self._named)

    def charge(self) -> None:
        """Whoever is next to the database may call at will."""

    def found(self, user_id: str) -> None:
        self.authenticated = True
        self.user_id = user_id


class _LocalPerson(ActivePerson):
    def __init__(self, caller: LocalCaller, user_id: str) -> None:
        super().__init__(user_id)
        self.caller = caller

    def found(self, user_id: str, unused: int | None) -> None:
        self.caller.found(user_id)

    def explain(self) -> Person | None:
        """Raises Unauthenticated for a person who has no access."""
        self.caller.authenticate()
        return None


class Outsider(Caller):
    """Whoever sent a token that another system has signed; see OUTSIDE_ISSUERS.

    Its subject is the person's id here. It is never staff's: the other system says who people are, not who runs this.
    """

    def __init__(self, claims: issuers.Claims) -> None:
        self._claims = claims

    @cached_property
    def principal(self) -> Principal:
        claims = self._claims
        asked = [claims.subject, claims.issued_at]
        if not execute(_OUTSIDE, asked):
            if not claims.create_user:
                raise Unauthenticated
            add_outside_person(user_id=claims.subject)
            if not execute(_OUTSIDE, asked):
                raise Unauthenticated
        self.authenticated = True
        self.user_id = claims.subject
        return Principal(claims.subject, claims.scopes, acts_for_any_user=False, on_behalf_of=self.on_behalf_of)

    def person(self, scope: str) -> Person:
        self.require(scope)
        return ActivePerson(self.principal.user_id)

    def charge(self) -> None:
        # One who was cut off since must not take up the person's own calls.
        throttling.TOOLS.require(self.principal.user_id)


def caller_of(token: str, resource: Callable[[], str] | None = None, *, on_behalf_of: str | None = None) -> Caller:
    """Whoever sent this token. Raises Unauthenticated for a text that can be no token.

    resource: tells what this server is called as a resource, where tokens of OAuth clients are good.
    on_behalf_of: the On-Behalf-Of header, if it was sent.
    """
    caller = _caller_of(token, resource)
    if on_behalf_of is not None:
        # One that can't be decoded is nobody's id.
        caller.on_behalf_of = header_value(on_behalf_of) or ""
    return caller


def _caller_of(token: str, resource: Callable[[], str] | None) -> Caller:
    if token.startswith(TOKEN_PREFIX):
        digest = token_digest(token)
        now = timezone.now()
        return TokenHolder(PERSONAL_TOKEN, [now - PersonalToken.LAST_USED_RESOLUTION, digest, now], digest)
    if token.startswith(OAUTH_TOKEN_PREFIX):
        if resource is None:
            raise Unauthenticated
        digest = token_digest(token)
        return TokenHolder(OAUTH_TOKEN, [digest, timezone.now(), json.dumps([resource()])], digest)
    try:
        if jwts.is_ours(token):
            claims = jwts.verify("access", token)
            login = int(claims["login"])
            return TokenHolder(LOGIN, [login, claims["sub"]], f"login {login} {claims['sub']}")
        return Outsider(issuers.verify(token))
    except (jwts.InvalidToken, issuers.InvalidToken, TypeError, ValueError):
        raise Unauthenticated from None


def bearer_token(authorization: str | None) -> str | None:
    """The token in an Authorization header (RFC 6750 section 2.1); None for no header or another scheme."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
