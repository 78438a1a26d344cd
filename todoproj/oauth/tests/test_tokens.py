"""The token endpoint: codes, refresh tokens, and clients that act as their owner."""

from __future__ import annotations

import base64
import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken

from todoproj.oauth.tests.clients import RESOURCE, OAuthClient, is_live, register
from todoproj.oauth.tests.factories import ApplicationFactory
from todoproj.users.models import Scope, User


@pytest.fixture
def app(db: None) -> OAuthClient:
    return OAuthClient(ApplicationFactory.create())


def assert_refused(response: Any, error: str, status: int = 400) -> None:
    assert response.status_code == status, response.content
    assert response.json()["error"] == error
    assert "access_token" not in response.json()


class TestCode:
    def test_gives_tokens(self, app: OAuthClient, ann: User) -> None:
        response = app.redeem(app.code(ann))

        tokens = response.json()
        assert tokens["access_token"].startswith("todoa_")
        assert tokens["refresh_token"].startswith("todor_")
        assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
        assert tokens["scope"] == "tasks:read tasks:write"
        assert response.headers["Cache-Control"] == "no-store"

    def test_leaves_only_digests(self, app: OAuthClient, ann: User) -> None:
        tokens = app.connect(ann)

        access, refresh = AccessToken.objects.get(), RefreshToken.objects.get()
        assert (access.token, refresh.token) == ("", "")
        assert access.token_checksum == sha256(tokens["access_token"].encode()).hexdigest()
        assert refresh.token_checksum == sha256(tokens["refresh_token"].encode()).hexdigest()
        assert (access.user, access.resource, access.scope) == (ann, [RESOURCE], "tasks:read tasks:write")
        assert not Grant.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"code_verifier": "x" * 43}, "invalid_grant"),
            ({"code_verifier": None}, "invalid_request"),
            ({"code": "unknown"}, "invalid_grant"),
            ({"code": None}, "invalid_request"),
            ({"code": "\0"}, "invalid_request"),
            ({"redirect_uri": "https://evil.example.com/callback"}, "invalid_request"),
            ({"resource": "https://other.example.com/mcp"}, "invalid_target"),
            ({"resource": [RESOURCE, "https://other.example.com/mcp"]}, "invalid_target"),
            ({"grant_type": None}, "unsupported_grant_type"),
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"grant_type": "implicit"}, "unsupported_grant_type"),
            ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "unsupported_grant_type"),
            ({"grant_type": "client_credentials"}, "invalid_client"),
        ],
    )
    def test_with_something_wrong(self, app: OAuthClient, ann: User, changes: dict[str, Any], error: str) -> None:
        response = app.redeem(app.code(ann), **changes)

        assert_refused(response, error, 401 if error == "invalid_client" else 400)
        assert not AccessToken.objects.exists()

    def test_is_not_another_client_s(self, app: OAuthClient, ann: User) -> None:
        other = OAuthClient(ApplicationFactory.create(), verifier=app.verifier)

        assert_refused(other.redeem(app.code(ann)), "invalid_grant")

    def test_of_an_unknown_client(self, app: OAuthClient, ann: User) -> None:
        assert_refused(app.redeem(app.code(ann), client_id="unknown"), "invalid_client", 401)

    def test_expires(self, app: OAuthClient, ann: User) -> None:
        code = app.code(ann)
        Grant.objects.update(expires=timezone.now())

        assert_refused(app.redeem(code), "invalid_grant")

    def test_a_second_time_kills_what_came_from_it(self, app: OAuthClient, ann: User) -> None:
        code = app.code(ann)
        first = app.redeem(code).json()
        second = app.refresh(first["refresh_token"]).json()
        other = app.connect(ann)

        assert_refused(app.redeem(code), "invalid_grant")

        assert not is_live(second["access_token"])
        assert_refused(app.refresh(second["refresh_token"]), "invalid_grant")
        assert is_live(other["access_token"])

    def test_a_second_time_by_another_client_kills_nothing(self, app: OAuthClient, ann: User) -> None:
        code = app.code(ann)
        tokens = app.redeem(code).json()

        assert_refused(OAuthClient(ApplicationFactory.create()).redeem(code), "invalid_grant")

        assert is_live(tokens["access_token"])

    def test_of_somebody_deactivated_meanwhile(self, app: OAuthClient, ann: User) -> None:
        code = app.code(ann)
        User.objects.update(is_active=False)

        assert_refused(app.redeem(code), "invalid_grant")

    def test_from_before_a_new_password(self, app: OAuthClient, ann: User) -> None:
        code = app.code(ann)
        User.objects.update(tokens_valid_from=timezone.now())

        assert_refused(app.redeem(code), "invalid_grant")


class TestRefresh:
    def test_gives_new_tokens_for_the_same(self, app: OAuthClient, ann: User) -> None:
        old = app.redeem(app.code(ann, scope="tasks:read")).json()

        new = app.refresh(old["refresh_token"]).json()

        assert new["refresh_token"] != old["refresh_token"]
        assert new["scope"] == "tasks:read"
        assert is_live(new["access_token"])
        assert not is_live(old["access_token"])
        assert AccessToken.objects.get().resource == [RESOURCE]

    def test_a_second_time_kills_the_family(self, app: OAuthClient, ann: User) -> None:
        first = app.connect(ann)
        second = app.refresh(first["refresh_token"]).json()
        third = app.refresh(second["refresh_token"]).json()
        other = app.connect(ann)

        assert_refused(app.refresh(first["refresh_token"]), "invalid_grant")

        assert not is_live(third["access_token"])
        assert_refused(app.refresh(third["refresh_token"]), "invalid_grant")
        assert is_live(other["access_token"])

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"refresh_token": "unknown"}, "invalid_grant"),
            ({"refresh_token": None}, "invalid_request"),
            ({"refresh_token": "\0"}, "invalid_request"),
            ({"scope": "tasks:read tasks:write"}, "invalid_scope"),
            ({"resource": "https://other.example.com/mcp"}, "invalid_target"),
        ],
    )
    def test_with_something_wrong(self, app: OAuthClient, ann: User, changes: dict[str, Any], error: str) -> None:
        tokens = app.redeem(app.code(ann, scope="tasks:read")).json()

        assert_refused(app.refresh(tokens["refresh_token"], **changes), error)

        assert is_live(tokens["access_token"])

    def test_is_not_another_client_s(self, app: OAuthClient, ann: User) -> None:
        tokens = app.connect(ann)

        assert_refused(OAuthClient(ApplicationFactory.create()).refresh(tokens["refresh_token"]), "invalid_grant")

    def test_is_not_done_with_an_access_token(self, app: OAuthClient, ann: User) -> None:
        assert_refused(app.refresh(app.connect(ann)["access_token"]), "invalid_grant")

    def test_ends_after_30_days_without_use(self, app: OAuthClient, ann: User) -> None:
        tokens = app.connect(ann)
        AccessToken.objects.update(expires=timezone.now() - dt.timedelta(days=30))

        assert_refused(app.refresh(tokens["refresh_token"]), "invalid_grant")

    def test_of_somebody_deactivated(self, app: OAuthClient, ann: User) -> None:
        tokens = app.connect(ann)
        User.objects.update(is_active=False)

        assert_refused(app.refresh(tokens["refresh_token"]), "invalid_grant")

    def test_from_before_a_new_password(self, app: OAuthClient, ann: User) -> None:
        old = app.connect(ann)
        User.objects.update(tokens_valid_from=timezone.now())
        ann.refresh_from_db()
        new = app.connect(ann)

        assert_refused(app.refresh(old["refresh_token"]), "invalid_grant")
        assert app.refresh(new["refresh_token"]).status_code == 200


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    """Several requests with the same code or token: one wins, on both databases."""

    @staticmethod
    def together(request: Any) -> list[Any]:
        def send(_: int) -> Any:
            try:
                return request()
            finally:
                connections.close_all()

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(send, range(8)))

    def test_refreshes(self, app: OAuthClient, ann: User) -> None:
        refresh_token = app.connect(ann)["refresh_token"]

        responses = self.together(lambda: app.refresh(refresh_token))

        assert sorted(response.status_code for response in responses) == [200] + [400] * 7
        [won] = [response.json() for response in responses if response.status_code == 200]
        assert not is_live(won["access_token"])
        assert not is_live(won["refresh_token"])
        assert {response.json()["error"] for response in responses if response.status_code == 400} == {"invalid_grant"}
        assert RefreshToken.objects.count() == 2

    def test_codes(self, app: OAuthClient, ann: User) -> None:
        code = app.code(ann)

        responses = self.together(lambda: app.redeem(code))

        assert sorted(response.status_code for response in responses) == [200] + [400] * 7
        [won] = [response.json() for response in responses if response.status_code == 200]
        assert not is_live(won["access_token"])
        assert RefreshToken.objects.count() == 1


class TestClientAuthentication:
    @pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
    def test_by_its_secret(self, ann: User, method: str) -> None:
        app = OAuthClient.registered(token_endpoint_auth_method=method)

        assert app.application.client_secret.startswith("client_secret$")
        assert app.redeem(app.code(ann)).status_code == 200

    def test_by_basic(self, ann: User) -> None:
        app = OAuthClient.registered(token_endpoint_auth_method="client_secret_basic")
        form = {
            "grant_type": "authorization_code",
            "code": app.code(ann),
            "redirect_uri": app.redirect_uri,
            "code_verifier": app.verifier,
        }

        response = Client().post("/o/token/", form, headers={"Authorization": basic(app.application, app.secret)})

        assert response.status_code == 200, response.content

    def test_with_a_wrong_secret(self, ann: User) -> None:
        app = OAuthClient.registered(token_endpoint_auth_method="client_secret_post")

        for secret in ["wrong", None, app.application.client_secret]:
            assert_refused(app.redeem(app.code(ann), client_secret=secret), "invalid_client", 401)

    @pytest.mark.parametrize("authorization", ["Basic", "Basic é", "Basic %%%", "Basic AAAA", "Basic \x80", "Bearer x"])
    def test_with_garbage(self, app: OAuthClient, ann: User, authorization: str) -> None:
        form = {"grant_type": "client_credentials"}

        response = Client().post("/o/token/", form, headers={"Authorization": authorization})

        assert response.status_code in {400, 401}


def basic(application: Application, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{application.client_id}:{secret}".encode()).decode()


class TestActingAsTheOwner:
    @pytest.fixture
    def service(self, backend: User) -> OAuthClient:
        application = ApplicationFactory.create(
            user=backend,
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
            client_secret="a-secret-of-the-service",
            redirect_uris="",
        )
        return OAuthClient(application, "a-secret-of-the-service")

    def test_gives_all_scopes_unless_it_asks_for_fewer(self, service: OAuthClient) -> None:
        all_scopes = service.token_request(grant_type="client_credentials").json()
        one = service.token_request(grant_type="client_credentials", scope="tasks:read").json()

        assert all_scopes["scope"].split() == Scope.values
        assert one["scope"] == "tasks:read"
        assert "refresh_token" not in all_scopes
        token = AccessToken.objects.first()
        assert (token.user, token.application, token.resource) == (None, service.application, [RESOURCE])

    @pytest.mark.parametrize(
        ("changes", "error", "status"),
        [
            ({"client_secret": "wrong"}, "invalid_client", 401),
            ({"client_secret": None}, "invalid_client", 401),
            ({"scope": "users:act"}, "invalid_scope", 400),
            ({"resource": "https://other.example.com/mcp"}, "invalid_target", 400),
        ],
    )
    def test_with_something_wrong(self, service: OAuthClient, changes: dict[str, Any], error: str, status: int) -> None:
        assert_refused(service.token_request(grant_type="client_credentials", **changes), error, status)

    def test_of_somebody_deactivated(self, service: OAuthClient) -> None:
        User.objects.update(is_active=False)

        assert_refused(service.token_request(grant_type="client_credentials"), "invalid_client", 401)

    def test_of_nobody(self, service: OAuthClient) -> None:
        Application.objects.update(user=None)

        assert_refused(service.token_request(grant_type="client_credentials"), "invalid_client", 401)

    def test_is_nothing_for_whoever_registers(self, db: None) -> None:
        app = OAuthClient.registered(token_endpoint_auth_method="client_secret_post")

        assert_refused(app.token_request(grant_type="client_credentials"), "unauthorized_client")


class TestRevocation:
    @pytest.mark.parametrize("which", ["access_token", "refresh_token"])
    @pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "nonsense"])
    def test_ends_both(self, app: OAuthClient, ann: User, which: str, hint: str | None) -> None:
        tokens = app.connect(ann)

        response = self.revoke(app, tokens[which], hint)

        assert response.status_code == 200
        assert not is_live(tokens["access_token"])
        assert not is_live(tokens["refresh_token"])

    def test_ends_what_was_refreshed_meanwhile(self, app: OAuthClient, ann: User) -> None:
        old, other = app.connect(ann), app.connect(ann)
        new = app.refresh(old["refresh_token"]).json()

        assert self.revoke(app, old["refresh_token"]).status_code == 200

        assert not is_live(new["access_token"])
        assert not is_live(new["refresh_token"])
        assert is_live(other["access_token"])

    def test_of_another_client_s_does_nothing(self, app: OAuthClient, ann: User) -> None:
        tokens = app.connect(ann)

        assert self.revoke(OAuthClient(ApplicationFactory.create()), tokens["access_token"]).status_code == 200
        assert self.revoke(app, "unknown").status_code == 200

        assert is_live(tokens["access_token"])

    @pytest.mark.parametrize("form", [{}, {"token": "x"}, {"client_id": "x"}, {"token": "\0", "client_id": "\0"}])
    def test_with_something_missing(self, db: None, form: dict[str, str]) -> None:
        assert Client().post("/o/revoke_token/", form).status_code in {400, 401}

    @staticmethod
    def revoke(app: OAuthClient, token: str, hint: str | None = None) -> Any:
        form = {"token": token, "client_id": app.application.client_id}
        return Client().post("/o/revoke_token/", form | ({"token_type_hint": hint} if hint else {}))


class TestNothingFails:
    """Whatever is sent, programs are told that it was wrong, never that the server failed."""

    @pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/", "/o/register/"])
    @pytest.mark.parametrize(
        "content_type", ["application/x-www-form-urlencoded", "application/json", "multipart/form-data"]
    )
    @pytest.mark.parametrize(
        "body", [b"", b"\xff\xfe", b"a=%zz", b"%00=%00", b"grant_type=%00", b"{", b"[]", b"a" * 3_000_000, b"&" * 5000]
    )
    def test_for_a_body(self, db: None, path: str, content_type: str, body: bytes) -> None:
        response = Client(raise_request_exception=False).post(path, body, content_type=content_type)

        assert 400 <= response.status_code < 500

    @pytest.mark.parametrize("path", ["/o/token/", "/o/revoke_token/", "/o/register/"])
    def test_for_a_query_or_another_method(self, db: None, path: str) -> None:
        client = Client(raise_request_exception=False)

        assert client.post(f"{path}?a=%zz").status_code == 400
        for method in ["get", "put", "patch", "delete", "head"]:
            assert getattr(client, method)(path).status_code == 405

    def test_nobody_gets_a_cookie(self, db: None, ann: User) -> None:
        client = Client()
        client.force_login(ann)
        for response in [client.post("/o/token/"), client.post("/o/revoke_token/"), register()]:
            assert not response.cookies
