"""An OAuth client, and the browser of the person who connects it: the real endpoints, through the whole of Django."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.test import Client
from oauth2_provider.models import AccessToken, Application, RefreshToken

from todoproj.users.models import User

SITE = "http://testserver"
RESOURCE = f"{SITE}/mcp"
REDIRECT_URI = "https://app.example.com/callback"


def browser_of(user: User | None) -> Client:
    """A browser in which the person is logged in, and which sends no form without its CSRF token."""
    browser = Client(enforce_csrf_checks=True)
    if user is not None:
        browser.force_login(user)
    return browser


def register(**metadata: Any) -> Any:
    """The HTTP response to a registration."""
    wanted = {"client_name": "App", "redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none"}
    return Client(enforce_csrf_checks=True).post(
        "/o/register/", json.dumps(wanted | metadata), content_type="application/json"
    )


def query_of(response: Any) -> dict[str, str]:
    """What a redirect tells the client."""
    assert response.status_code == 302, response.content
    return {name: value for name, [value] in parse_qs(urlsplit(response["Location"]).query).items()}


def is_live(token: str) -> bool:
    """Whether the access or refresh token is there and was not revoked."""
    checksum = hashlib.sha256(token.encode()).hexdigest()
    rows = [
        AccessToken.objects.filter(token_checksum=checksum),
        RefreshToken.objects.filter(token_checksum=checksum, revoked=None),
    ]
    return any(row.exists() for row in rows)


@dataclass
class OAuthClient:
    """A client that does everything right, unless it is told otherwise."""

    application: Application
    secret: str = ""
    redirect_uri: str = REDIRECT_URI
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @classmethod
    def registered(cls, **metadata: Any) -> OAuthClient:
        made = register(**metadata).json()
        application = Application.objects.get(client_id=made["client_id"])
        return cls(application, made.get("client_secret", ""), made["redirect_uris"][0])

    def authorize_url(self, **changes: Any) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        wanted = {
            "response_type": "code",
            "client_id": self.application.client_id,
            "redirect_uri": self.redirect_uri,
            "state": "xyz",
            "scope": "tasks:read tasks:write",
            "resource": RESOURCE,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        query = {name: value for name, value in (wanted | changes).items() if value is not None}
        return f"/o/authorize/?{urlencode(query, doseq=True)}"

    def consent(self, browser: Client, answer: str = "allow", **changes: Any) -> Any:
        """The response to the form that the person sends."""
        url = self.authorize_url(**changes)
        page = browser.get(url)
        assert page.status_code == 200, page.content
        return browser.post(url, {answer: "yes", "csrfmiddlewaretoken": page.context["csrf_token"]})

    def code(self, user: User, **changes: Any) -> str:
        return query_of(self.consent(browser_of(user), **changes))["code"]

    def token_request(self, **form: Any) -> Any:
        wanted = {"client_id": self.application.client_id}
        if self.secret:
            wanted["client_secret"] = self.secret
        return Client(enforce_csrf_checks=True).post(
            "/o/token/",
            urlencode({name: value for name, value in (wanted | form).items() if value is not None}, doseq=True),
            content_type="application/x-www-form-urlencoded",
        )

    def redeem(self, code: str, /, **changes: Any) -> Any:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return self.token_request(**form | changes)

    def refresh(self, refresh_token: str, /, **changes: Any) -> Any:
        return self.token_request(**{"grant_type": "refresh_token", "refresh_token": refresh_token} | changes)

    def connect(self, user: User) -> dict[str, Any]:
        """The tokens, after all steps."""
        response = self.redeem(self.code(user))
        assert response.status_code == 200, response.content
        tokens: dict[str, Any] = response.json()
        return tokens
