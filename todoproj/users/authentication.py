"""Who is calling the REST API, and whether the token's scopes allow it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from todoproj import throttling
from todoproj.addresses import resource
from todoproj.users import events, jwts
from todoproj.users.models import Scope
from todoproj.users.principals import (
    Person,
    Principal,
    Unauthenticated,
    bearer_token,
    caller_of,
)
from todoproj.users.services import OAUTH_TOKEN_PREFIX

if TYPE_CHECKING:
    from rest_framework.views import APIView


def principal_of(request: Request) -> Principal:
    """Who is calling. Raises rest_framework's NotAuthenticated if the request has no token."""
    principal = request.auth
    if not isinstance(principal, Principal):
        raise NotAuthenticated("Send a token: Authorization: Bearer ….")
    return principal


def person_of(request: Request) -> Person:
    """Whose data the request is about: the person that the On-Behalf-Of header names, or else the caller's own, who was
    active when the token was read.

    Raises User.DoesNotExist for a person that the caller may not act for, and ValidationError for a service account
    that names nobody.
    """
    principal = principal_of(request)
    if principal.on_behalf_of is not None:
        return principal.person_named(principal.on_behalf_of)
    if principal.acts_for_any_user:
        missing = ValidationError("A service account acts for many. Name the person's id in this header.", "missing")
        raise ValidationError({"On-Behalf-Of": missing})
    return Person(principal.user_id)


def user_id_of(request: Request) -> str:
    """The id of that person, who has access. Raises as person_of() does."""
    principal, person = principal_of(request), person_of(request)
    if principal.on_behalf_of is None:
        return principal.user_id
    person.explain()
    return principal.on_behalf_of


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`, with a token of any kind.

    The request's `auth` is the Principal; its `user` is not loaded.
    """

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser | None, Principal] | None:
        token = bearer_token(request.META.get("HTTP_AUTHORIZATION"))
        if token is None:
            return None
        try:
            caller = caller_of(
                token, partial(resource, request._request), on_behalf_of=request.META.get("HTTP_ON_BEHALF_OF")
            )
            principal = caller.principal
        except Unauthenticated:
            throttling.ADDRESS.require(throttling.client_address(request._request))
            raise AuthenticationFailed("The token is unknown, expired or revoked. Get a new one.") from None

        limit = throttling.SERVICE_ACCOUNTS if principal.acts_for_any_user else throttling.API
        limit.require(principal.user_id)
        return None, principal

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasOwnToken(BasePermission):
    """A token of the caller's own, whatever it allows, and a call for themselves.

    An app that the person has connected has another: they agreed to its scopes, of which none is about their account.
    """

    message = "This is about the caller's own account: send a token that is not an app's, and no On-Behalf-Of."
    refusal = "without a token of their own"

    def takes(self, token: str) -> bool:
        return not token.startswith(OAUTH_TOKEN_PREFIX)

    def has_permission(self, request: Request, view: APIView) -> bool:
        principal = principal_of(request)
        token = bearer_token(request.META.get("HTTP_AUTHORIZATION")) or ""
        if self.takes(token) and principal.on_behalf_of in {None, principal.user_id}:
            return True
        events.record_refusal(user_id=principal.user_id, detail=self.refusal)
        return False


class HasLogin(HasOwnToken):
    """The access token of a login: whoever has it gave the person's password, and got it for themselves alone."""

    message = "This is for people who logged in by /api/auth/login/: send the access token that it gives."
    refusal = "without a login"

    def takes(self, token: str) -> bool:
        # One that another system has signed, or that a program was given, is good for less.
        return jwts.is_ours(token)


class HasScope(BasePermission):
    """A token, with the scope that the view names: its `read_scope` for GET, HEAD and OPTIONS, else its `write_scope`.

    A view that names none can't be called.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        principal = principal_of(request)
        needed: Scope = view.read_scope if request.method in SAFE_METHODS else view.write_scope
        self.message = f"The token lacks the scope {needed.value}. Use one that has it."
        if needed in principal.scopes:
            return True
        events.record_refusal(user_id=principal.user_id, detail=f"without the scope {needed.value}")
        return False
