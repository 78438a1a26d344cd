"""Who is calling the REST API, and whether the token's scopes allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from todoproj.users.models import Scope
from todoproj.users.principals import Caller, Person, Principal, Unauthenticated, bearer_token

if TYPE_CHECKING:
    from rest_framework.views import APIView


def principal_of(request: Request) -> Principal:
    """Who is calling. Raises rest_framework's NotAuthenticated if the request has no token."""
    principal = request.auth
    if not isinstance(principal, Principal):
        raise NotAuthenticated("Send a token: Authorization: Bearer todo_….")
    return principal


def person_of(request: Request) -> Person:
    """Whose data the request is about: the caller's own person, who was active when the token was read."""
    return Person(principal_of(request).user_id)


class PersonalTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer todo_…`. The request's `auth` is the Principal; its `user` is not loaded."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser | None, Principal] | None:
        token = bearer_token(request.META.get("HTTP_AUTHORIZATION"))
        if token is None:
            return None
        try:
            return None, Caller(token).principal
        except Unauthenticated:
            raise AuthenticationFailed("The token is unknown, expired or revoked. Get a new one.") from None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """A token, with the scope that the method needs: `tasks:read` for GET, HEAD and OPTIONS, else `tasks:write`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        principal = principal_of(request)
        needed = Scope.TASKS_READ if request.method in SAFE_METHODS else Scope.TASKS_WRITE
        self.message = f"The token lacks the scope {needed.value}. Use one that has it."
        return needed in principal.scopes
