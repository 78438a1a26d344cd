"""The authorization server in terms of oauthlib: what it can do at all, and what it is told of a request."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauthlib.oauth2 import (
    AuthorizationCodeGrant,
    AuthorizationEndpoint,
    BearerToken,
    ClientCredentialsGrant,
    RefreshTokenGrant,
    RevocationEndpoint,
    TokenEndpoint,
)

from todoproj.addresses import resource

# Neither can be sent: what a client sends is named in capitals.
RESOURCE = "todoproj.resource"
LOGGED_IN = "todoproj.logged_in"


class CodeGrant(AuthorizationCodeGrant):
    # No "plain": whoever sees the request would know the verifier (RFC 9700 section 2.1.1).
    _code_challenge_methods = {"S256": AuthorizationCodeGrant._code_challenge_methods["S256"]}


class Server(AuthorizationEndpoint, TokenEndpoint, RevocationEndpoint):
    """Three grants and one response type. What is not here can't be asked for, whatever a client was registered for."""

    def __init__(
        self,
        request_validator: Any,
        token_expires_in: int,
        token_generator: Any,
        refresh_token_generator: Any,
        **_: Any,
    ) -> None:
        code = CodeGrant(request_validator)
        bearer = BearerToken(request_validator, token_generator, token_expires_in, refresh_token_generator)
        AuthorizationEndpoint.__init__(self, "code", bearer, response_types={"code": code})
        TokenEndpoint.__init__(
            self,
            "authorization_code",
            bearer,
            grant_types={
                "authorization_code": code,
                "client_credentials": ClientCredentialsGrant(request_validator),
                "refresh_token": RefreshTokenGrant(request_validator),
            },
        )
        RevocationEndpoint.__init__(self, request_validator)


class Backend(OAuthLibCore):
    def extract_headers(self, request: HttpRequest) -> dict[str, Any]:
        """The headers, and what the validator can't know otherwise."""
        headers: dict[str, Any] = super().extract_headers(request)
        headers[RESOURCE] = resource(request)
        # Where programs call, nobody is logged in, whatever cookie comes along.
        user = getattr(request, "user", None)
        headers[LOGGED_IN] = user is not None and user.is_authenticated
        return headers
