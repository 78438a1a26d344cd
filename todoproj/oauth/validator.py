"""What this server demands of OAuth requests, beyond what django-oauth-toolkit does."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors

from todoproj.oauth.server import RESOURCE
from todoproj.oauth.services import has_access, revoke_tokens
from todoproj.oauth.tokens import family_of
from todoproj.users import events
from todoproj.users.events import Kind
from todoproj.users.models import MCP_SCOPES, User
from todoproj.users.services import token_digest


class Validator(OAuth2Validator):
    def authenticate_client(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        """Whether the client proved who it is. One that acts as its owner is nobody without an active one."""
        if not super().authenticate_client(request, *args, **kwargs):
            return False
        client = request.client
        if client.authorization_grant_type != Application.GRANT_CLIENT_CREDENTIALS:
            return True
        return client.user is not None and client.user.is_active

    def get_default_scopes(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> list[str]:
        """What a client gets that names no scope. One that acts for a person: what it can use at the resource that its
        token is for. One that acts as its owner: all."""
        if request.client.authorization_grant_type == Application.GRANT_CLIENT_CREDENTIALS:
            return super().get_default_scopes(client_id, request, *args, **kwargs)
        return list(MCP_SCOPES)

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        grant = Grant.objects.filter(code=code, application=client).select_related("user").first()
        if grant is None:
            self._revoke_tokens_from(code, client)
            return False
        if grant.is_expired() or not has_access(grant.user, since=grant.created):
            return False
        # Not asked for again: another request could have used it up meanwhile.
        request.grant = grant
        request.user = grant.user
        request.scopes = grant.scope.split()
        return True

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        return request.grant.code_challenge or None

    def get_code_challenge_method(self, code: str, request: Request) -> str | None:
        return request.grant.code_challenge_method or None

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Any, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        return request.grant.redirect_uri_allowed(redirect_uri)

    def save_authorization_code(
        self, client_id: str, code: dict[str, Any], request: Request, *args: Any, **kwargs: Any
    ) -> None:
        # Of OpenID Connect, which is not here: of any length.
        request.nonce = ""
        with transaction.atomic():
            if not User.objects.hold(request.user):
                raise errors.AccessDeniedError(request=request)
            super().save_authorization_code(client_id, code, request, *args, **kwargs)

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if not super().validate_refresh_token(refresh_token, client, request, *args, **kwargs):
            void = RefreshToken.objects.filter(token_checksum=token_digest(refresh_token), application=client)
            if reused := void.exclude(revoked=None).first():
                _record_reuse(reused, "refresh token")
            return False
        known = request.refresh_token_instance
        return has_access(known.user, since=known.created)

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        try:
            super().save_bearer_token(token, request, *args, **kwargs)
        except errors.InvalidGrantError:
            # It was used at the same time, which is a second time.
            if request.grant_type == "authorization_code":
                self._revoke_tokens_from(request.code, request.client)
            elif (
                used := RefreshToken.objects.filter(pk=request.refresh_token_instance.pk).exclude(revoked=None).first()
            ):
                RefreshToken.revoke_family(used.token_family)
                _record_reuse(used, "refresh token")
            raise

    def _save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        # The person before any row of theirs, as who erases them does it: else each could wait for the other.
        if request.grant_type != "client_credentials" and not User.objects.hold(request.user):
            raise errors.InvalidGrantError(request=request)
        # In one transaction with the new tokens, and the row is locked until its end: of several requests with the same
        # code or refresh token at the same time, one gets tokens.
        if request.grant_type == "authorization_code":
            deleted, _ = Grant.objects.filter(code=request.code, application=request.client).delete()
            if not deleted:
                raise errors.InvalidGrantError(request=request)
        elif request.grant_type == "refresh_token":
            mine = RefreshToken.objects.filter(pk=request.refresh_token_instance.pk, revoked=None)
            if mine.select_for_update().first() is None:
                raise errors.InvalidGrantError(request=request)
        super()._save_bearer_token(token, request, *args, **kwargs)
        # A client that acts as its owner is there for nobody else.
        user_id, client_id = (request.user or request.client.user).pk, request.client.client_id
        if request.grant_type == "refresh_token":
            events.note(events.TOKEN_REFRESHED, user_id=user_id, client=client_id)
        else:
            detail = f"{request.grant_type}, {token['scope']}"
            events.record(Kind.TOKEN_ISSUED, user_id=user_id, client=client_id, detail=detail)

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """Nothing: the code went when its tokens were saved."""

    def _create_refresh_token(
        self, request: Request, refresh_token_code: str, access_token: Any, previous_refresh_token: Any
    ) -> Any:
        created = super()._create_refresh_token(request, refresh_token_code, access_token, previous_refresh_token)
        if request.grant_type == "authorization_code":
            created.token_family = family_of(request.code)
            created.save(update_fields=["token_family"])
        return created

    def _check_and_set_request_resource(self, request: Request) -> None:
        """Every token is for this server's resource alone, whether the client named it or not. Raises invalid_target
        for another one (RFC 8707 section 2)."""
        ours = request.headers[RESOURCE]
        if any(value != ours for name, value in request.decoded_body or [] if name == "resource"):
            raise errors.CustomOAuth2Error(
                "invalid_target", f"Tokens are for {ours} alone. Send that as resource, or none.", request=request
            )
        request.resource = [ours]

    def revoke_token(
        self, token: str, token_type_hint: str | None, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """End what a client no longer wants, whichever of its tokens it names (RFC 7009 section 2.1)."""
        theirs = {"token_checksum": token_digest(token), "application": request.client}
        found = [*AccessToken.objects.filter(**theirs), *RefreshToken.objects.filter(**theirs)]
        revoke_tokens(tokens=found, detail="by the client")

    def _revoke_tokens_from(self, code: str, client: Any) -> None:
        """What a code that comes a second time was good for is void (RFC 6749 section 4.1.2)."""
        family = family_of(code)
        if replayed := RefreshToken.objects.filter(token_family=family, application=client).first():
            RefreshToken.revoke_family(family)
            _record_reuse(replayed, "authorization code")


def _record_reuse(refresh_token: Any, what: str) -> None:
    client_id = refresh_token.application.client_id
    events.record(Kind.TOKEN_REUSED, user_id=refresh_token.user_id, client=client_id, detail=what)
