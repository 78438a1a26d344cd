"""Signing up, logging in and leaving, by the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth import authenticate, user_logged_in
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, AuthenticationFailed, NotFound, PermissionDenied, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from todoproj import throttling
from todoproj.formats import JSONL_TYPE, to_jsonl, with_end
from todoproj.rest import given
from todoproj.users import accounts, logins, personal_data
from todoproj.users.authentication import HasLogin, HasOwnToken, principal_of
from todoproj.users.models import User
from todoproj.users.serializers import (
    AccountSerializer,
    ChangePasswordSerializer,
    ConfirmSerializer,
    DeleteAccountSerializer,
    LoginSerializer,
    RefreshSerializer,
    RegisterSerializer,
    TokenPairSerializer,
)


class AddressThrottle(BaseThrottle):
    """So many calls by one address."""

    limit: throttling.Limit

    def allow_request(self, request: Request, view: APIView) -> bool:
        self.limit.require(throttling.client_address(request._request))
        return True


class LogInThrottle(AddressThrottle):
    limit = throttling.LOGIN


class RefreshThrottle(AddressThrottle):
    limit = throttling.TOKEN


class RegisterThrottle(AddressThrottle):
    limit = throttling.REGISTER


class MailUnavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "No mail can be sent just now. Try again later."


class Anonymous(APIView):
    """Called without a token."""

    throttle_classes: Sequence[type[AddressThrottle]] = (LogInThrottle,)
    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        # Else a wrong password would be answered with 403, as if no other would do.
        return "Bearer"


class WithOwnToken(APIView):
    """Called with a token of any scope, by the person themselves."""

    permission_classes = (HasOwnToken,)


class Register(Anonymous):
    throttle_classes = (RegisterThrottle,)

    @extend_schema(request=RegisterSerializer, responses={202: None})
    def post(self, request: Request) -> Response:
        """Sign up, or choose a new password: what to do next is mailed to the address, whoever it belongs to."""
        if not settings.SIGN_UP_OPEN:
            raise NotFound
        try:
            accounts.request_password(**given(RegisterSerializer, request.data), site=request.get_host())
        except accounts.MailFailed:
            raise MailUnavailable from None
        return Response(status=status.HTTP_202_ACCEPTED)


class Confirm(Anonymous):
    @extend_schema(request=ConfirmSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        """Choose the password, with the token from the mail; and be logged in."""
        try:
            user = accounts.confirm(**given(ConfirmSerializer, request.data))
        except accounts.ConfirmationRefused:
            refused = ValidationError("It is no good any more. Ask for another mail.", "refused")
            raise ValidationError({"token": refused}) from None
        return _logged_in(user)


class LogIn(Anonymous):
    @extend_schema(request=LoginSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        """Get tokens for a password."""
        user = _checked(request, **given(LoginSerializer, request.data))
        with transaction.atomic():
            answer = _logged_in(user)
            # What is noted of it is true by now, and nobody erases the person before it is.
            user_logged_in.send(sender=User, request=request._request, user=user)
        return answer


class Refresh(Anonymous):
    throttle_classes = (RefreshThrottle,)

    @extend_schema(request=RefreshSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        """Get the next pair of tokens for a refresh token, which is good once: used again, it ends the login."""
        try:
            return _pair(logins.refresh(token=given(RefreshSerializer, request.data)["refresh"]))
        except logins.RefreshRefused:
            refused = ValidationError("It is no good any more. Log in again.", "refused")
            raise ValidationError({"refresh": refused}) from None


class LogOut(Anonymous):
    throttle_classes = (RefreshThrottle,)

    @extend_schema(request=RefreshSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the login that a refresh token belongs to: its access tokens are refused from now on."""
        logins.log_out(token=given(RefreshSerializer, request.data)["refresh"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class LogOutEverywhere(WithOwnToken):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """Cut off everything that was issued to you: tokens of every kind, connected apps and browsers."""
        logins.log_out_everywhere(user_id=principal_of(request).user_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ChangePassword(WithOwnToken):
    throttle_classes = (LogInThrottle,)

    @extend_schema(request=ChangePasswordSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        """Choose another password. Everything that was issued to you before is cut off; here are new tokens."""
        wanted = given(ChangePasswordSerializer, request.data)
        user = _owner(request, wanted["password"])
        try:
            accounts.change_password(user=user, password=wanted["new_password"])
        except accounts.TooLate:
            raise AuthenticationFailed(_WRONG) from None
        return _logged_in(user)


class Account(WithOwnToken):
    @extend_schema(responses=AccountSerializer)
    def get(self, request: Request) -> Response:
        """Who you are."""
        return Response(AccountSerializer(User.objects.get(pk=principal_of(request).user_id)).data)


class AccountData(APIView):
    permission_classes = (HasLogin,)
    throttle_classes = (LogInThrottle,)

    @extend_schema(responses={(200, JSONL_TYPE): OpenApiTypes.STR})
    def get(self, request: Request) -> StreamingHttpResponse:
        """What is yours, a JSON object a line, whose `kind` says what it is. Only with a login's token."""
        lines = personal_data.download(user_id=principal_of(request).user_id)
        headers = {"Content-Disposition": 'attachment; filename="my-data.jsonl"', "Cache-Control": "no-store"}
        return StreamingHttpResponse(to_jsonl(with_end(lines)), content_type=JSONL_TYPE, headers=headers)


class DeleteAccount(WithOwnToken):
    throttle_classes = (LogInThrottle,)

    @extend_schema(request=DeleteAccountSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Delete your account and all that is yours, for good. Members of staff can't: another one erases them."""
        user = _owner(request, given(DeleteAccountSerializer, request.data)["password"])
        try:
            accounts.delete_account(user=user)
        except accounts.TooLate:
            raise AuthenticationFailed(_WRONG) from None
        except accounts.StaffAccount:
            refused = "Members of staff can't delete their own account. Ask another one to erase it."
            raise PermissionDenied(refused) from None
        return Response(status=status.HTTP_204_NO_CONTENT)


_WRONG = "No active account has this name and password."


def _owner(request: Request, password: str) -> User:
    """The caller, who gave their password once more."""
    caller = User.objects.get(pk=principal_of(request).user_id)
    known = _checked(request, caller.username, password)
    if known != caller:
        # Somebody else, whose email address is this one's username.
        raise AuthenticationFailed(_WRONG)
    return known


def _checked(request: Request, username: str, password: str) -> User:
    """Whose name and password these are. Raises for anybody else, and for somebody deactivated, the same."""
    user: Any = authenticate(request._request, username=username, password=password)
    if getattr(request._request, "axes_locked_out", False):
        _locked_out()
    if user is None:
        raise AuthenticationFailed(_WRONG)
    return user  # type: ignore[no-any-return]


def _locked_out() -> NoReturn:
    wait = int(settings.AXES_COOLOFF_TIME.total_seconds())
    refused = Throttled(detail=f"Too many wrong passwords. Try again in {wait} seconds.")
    refused.wait = wait  # type: ignore[attr-defined]  # the stubs don't know of it
    raise refused


def _logged_in(user: User) -> Response:
    try:
        return _pair(logins.log_in(user=user))
    except logins.LogInRefused:
        raise AuthenticationFailed(_WRONG) from None


def _pair(pair: logins.TokenPair) -> Response:
    # RFC 6749 section 5.1
    return Response(TokenPairSerializer(pair).data, headers={"Cache-Control": "no-store"})
