"""What the tokens of OAuth clients are good for: the tools and the REST API."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
from pytest_django import Settings

from conftest import Caller
from tasks.models import Task
from todoproj.oauth.services import disconnect_app
from todoproj.oauth.tests.clients import OAuthClient
from todoproj.users.models import User

pytestmark = pytest.mark.django_db


def statuses(token: str, host: str = "testserver") -> set[int]:
    """What the tools and the REST API answer the token with."""
    client = Client(headers={"Authorization": f"Bearer {token}", "Host": host})
    message = Caller(token).request("tools/call", {"name": "list_tasks", "arguments": {}})
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "list_tasks"}
    by_tool = client.post("/mcp", message, content_type="application/json", headers=headers)
    return {by_tool.status_code, client.get("/api/tasks/").status_code}


@pytest.fixture
def app() -> OAuthClient:
    return OAuthClient.registered()


@pytest.fixture
def token(app: OAuthClient, ann: User) -> str:
    return str(app.connect(ann)["access_token"])


class TestAPersonsClient:
    def test_acts_for_the_person(self, token: str, ann: User, bob: User) -> None:
        assert statuses(token) == {200}
        assert Caller(token).call("add_task", title="x")["status"] == "success"
        assert Caller(token).call("add_task", title="x", user_id="ann")["status"] == "success"
        assert Caller(token).call("add_task", title="x", user_id="bob")["data"]["error_code"] == 404
        assert Task.objects.filter(user=ann).count() == 2

    def test_not_for_anybody_though_the_person_may(
        self, token: str, backend: User, ann: User, app: OAuthClient
    ) -> None:
        theirs = str(app.connect(backend)["access_token"])
        assert Caller(theirs).call("list_tasks", user_id="ann")["data"]["error_code"] == 404

    def test_not_for_the_account(self, token: str) -> None:
        client = Client(headers={"Authorization": f"Bearer {token}"})
        assert client.get("/api/auth/account/").status_code == 403
        assert client.post("/api/auth/logout-everywhere/").status_code == 403
        assert statuses(token) == {200}

    def test_with_one_scope(self, app: OAuthClient, ann: User) -> None:
        code = app.code(ann, scope="tasks:read")
        token = app.redeem(code).json()["access_token"]
        assert statuses(token) == {200}
        refused = Caller(token).raw_call("add_task", title="x")
        assert refused.status_code == 403
        challenge = refused["WWW-Authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="tasks:write"' in challenge
        assert 'resource_metadata="http://testserver/.well-known/oauth-protected-resource/mcp"' in challenge


class TestCutOff:
    @pytest.mark.parametrize(
        "cut",
        [
            lambda: User.objects.update(is_active=False),
            lambda: User.objects.update(tokens_valid_from=timezone.now()),
            lambda: AccessToken.objects.update(expires=timezone.now()),
            lambda: AccessToken.objects.all().delete(),
            lambda: disconnect_app(user=User.objects.get(), application_id=Application.objects.get().pk),
            lambda: Application.objects.all().delete(),
            lambda: AccessToken.objects.update(resource=[]),
            lambda: AccessToken.objects.update(resource=["https://elsewhere.example.com/mcp"]),
            lambda: AccessToken.objects.update(resource=["http://testserver/mcp", "https://elsewhere.example.com"]),
        ],
        ids=["deactivated", "password", "expired", "revoked", "disconnected", "client", "any", "other", "several"],
    )
    def test_at_the_next_call(self, token: str, cut: Callable[[], Any]) -> None:
        assert statuses(token) == {200}
        cut()
        assert statuses(token) == {401}

    def test_a_new_password(self, token: str, ann: User) -> None:
        ann.set_password("another one")
        ann.save()
        assert statuses(token) == {401}

    def test_a_token_for_another_host(self, token: str, settings: Settings) -> None:
        settings.ALLOWED_HOSTS = ["testserver", "elsewhere.example.com"]
        assert statuses(token, "elsewhere.example.com") == {401}

    def test_a_refresh_token_is_none(self, app: OAuthClient, ann: User) -> None:
        assert statuses(app.connect(ann)["refresh_token"]) == {401}


class TestAServiceAccount:
    @pytest.fixture
    def service(self, backend: User) -> OAuthClient:
        application = Application(
            user=backend,
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        )
        secret = application.client_secret
        application.save()
        return OAuthClient(application, secret)

    def token(self, service: OAuthClient) -> str:
        answer = service.token_request(grant_type="client_credentials")
        assert answer.status_code == 200, answer.content
        return str(answer.json()["access_token"])

    def test_acts_for_whom_it_names(self, service: OAuthClient, ann: User) -> None:
        caller = Caller(self.token(service))
        assert caller.call("add_task", title="x", user_id="ann")["status"] == "success"
        assert caller.call("add_task", title="x")["data"]["problem"] == "missing"
        assert caller.call("add_task", title="x", user_id="nobody")["data"]["error_code"] == 404

    def test_only_while_its_owner_may(self, service: OAuthClient, backend: User, ann: User) -> None:
        token = self.token(service)
        backend.user_permissions.clear()
        assert Caller(token).call("list_tasks", user_id="ann")["data"]["error_code"] == 404
        User.objects.filter(pk="backend").update(is_active=False)
        assert statuses(token) == {401}

    def test_being_cut_off(self, service: OAuthClient, ann: User) -> None:
        token = self.token(service)
        User.objects.filter(pk="backend").update(tokens_valid_from=timezone.now() + dt.timedelta(seconds=1))
        assert Caller(token).raw_call("list_tasks", user_id="ann").status_code == 401


class TestChallenge:
    def test_names_the_metadata_that_lead_to_a_token(self) -> None:
        missing = Client().post("/mcp", "{}", content_type="application/json")
        assert missing.status_code == 401
        assert missing["WWW-Authenticate"] == (
            'Bearer resource_metadata="http://testserver/.well-known/oauth-protected-resource/mcp", '
            'scope="tasks:read tasks:write"'
        )
        wrong = Caller("todoa_no").raw_call("list_tasks")
        assert 'error="invalid_token"' in wrong["WWW-Authenticate"]
        resource = Client().get("/.well-known/oauth-protected-resource/mcp").json()
        assert resource["resource"] == "http://testserver/mcp"
        (server,) = resource["authorization_servers"]
        metadata = Client().get("/.well-known/oauth-authorization-server").json()
        assert metadata["issuer"] == server
