"""Tokens, on a server of several processes: what many want at once, and what is over, is decided the same by all."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from oauth2_provider.models import Application

from conftest import grant_act_for_any_user
from mcp_tools.tests.oauth.browser import PASSWORD, Browser, person
from mcp_tools.tests.running import PATIENCE, RunningServer
from todoproj.oauth.tests.factories import ApplicationFactory
from todoproj.users.accounts import change_password
from todoproj.users.models import PersonalToken, User
from todoproj.users.services import issue_token
from todoproj.users.tests.test_issuers import ISSUER, JwksServer, claims, sign

ANOTHER_PASSWORD = "staple of another kind"
CALLBACK = "https://app.example.com/callback"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    log: Path = tmp_path_factory.mktemp("server") / "server.log"
    keys = JwksServer()
    issuer = {"issuer": ISSUER, "jwks_url": keys.url, "audience": "todo", "algorithms": ["ES256"]}
    with RunningServer(
        log,
        settings_module="mcp_tools.tests.oauth.settings",
        WEB_CONCURRENCY="2",
        OUTSIDE_ISSUERS=json.dumps([issuer]),
    ) as running:
        yield running
    keys.close()


def together(*requests: Callable[[], Any]) -> list[Any]:
    """What comes of them, when all begin at the same time."""
    start = threading.Barrier(len(requests))

    def begin(request: Callable[[], Any]) -> Any:
        start.wait()
        return request()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(begin, requests))


class Caller:
    """Whoever calls the server, each time by a connection of its own, for which any of the processes may be."""

    def __init__(self, server: RunningServer, on_behalf_of: str | None = None) -> None:
        self.headers = {} if on_behalf_of is None else {"On-Behalf-Of": on_behalf_of}
        each_its_own = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self.http = httpx.Client(base_url=server.site, timeout=PATIENCE, limits=each_its_own)

    def post(self, path: str, token: str = "", **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.post(path, headers=headers, **options)

    def statuses(self, token: str) -> set[int]:
        """What the tools and the REST API answer the token with, in whichever process."""
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        headers = {"Authorization": f"Bearer {token}"} | self.headers
        by_tool = [lambda: self.http.post("/mcp", headers=headers, json=ping)] * 6
        by_rest = [lambda: self.http.get("/api/tasks/", headers=headers)] * 6
        return {response.status_code for response in together(*by_tool, *by_rest)}

    def log_in(self, user: User) -> dict[str, Any]:
        response = self.post("/api/auth/login/", json={"username": user.username, "password": PASSWORD})
        assert response.status_code == 200, response.text
        pair: dict[str, Any] = response.json()
        return pair


class App(Caller):
    """An OAuth client without a secret."""

    def __init__(self, server: RunningServer) -> None:
        super().__init__(server)
        wanted = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
        self.client_id = self.post("/o/register/", json=wanted).json()["client_id"]
        self.verifier = secrets.token_urlsafe(32)

    def code(self, browser: Browser) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = httpx.QueryParams(
            response_type="code",
            client_id=self.client_id,
            redirect_uri=CALLBACK,
            code_challenge=challenge,
            code_challenge_method="S256",
        )
        return httpx.URL(browser.answer(f"/o/authorize/?{asked}")).params["code"]

    def redeem(self, code: str) -> httpx.Response:
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": self.verifier}
        return self._token("authorization_code", form)

    def refresh(self, tokens: dict[str, Any]) -> httpx.Response:
        return self._token("refresh_token", {"refresh_token": tokens["refresh_token"]})

    def revoke(self, token: str) -> httpx.Response:
        return self.post("/o/revoke_token/", data={"token": token, "client_id": self.client_id})

    def connect(self, browser: Browser) -> dict[str, Any]:
        """Tokens that act for the person."""
        response = self.redeem(self.code(browser))
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    def is_good(self, tokens: dict[str, Any]) -> bool:
        """Whether anything can be done with them."""
        return self.statuses(tokens["access_token"]) != {401} or self.refresh(tokens).status_code != 400

    def _token(self, grant_type: str, form: dict[str, str]) -> httpx.Response:
        return self.post("/o/token/", data={"grant_type": grant_type, "client_id": self.client_id} | form)


@pytest.fixture
def app(server: RunningServer) -> App:
    return App(server)


@pytest.fixture
def ann(server: RunningServer) -> Iterator[Browser]:
    with Browser(server.site, person(username="ann")) as browser:
        yield browser


@pytest.fixture
def bob(server: RunningServer) -> Iterator[Browser]:
    with Browser(server.site, person(username="bob")) as browser:
        yield browser


def winner(responses: list[httpx.Response]) -> dict[str, Any]:
    """The tokens of the one that got some; all others were refused."""
    assert sorted(response.status_code for response in responses) == [200] + [400] * (len(responses) - 1)
    (won,) = [response.json() for response in responses if response.status_code == 200]
    assert {response.json()["error"] for response in responses if response.status_code == 400} == {"invalid_grant"}
    tokens: dict[str, Any] = won
    return tokens


class TestAtTheSameTime:
    def test_one_of_forty_refreshes_wins_and_nothing_survives(self, app: App, ann: Browser, bob: Browser) -> None:
        hers, his = app.connect(ann), app.connect(bob)
        won = winner(together(*[lambda: app.refresh(hers)] * 40))
        assert not app.is_good(won)
        assert not app.is_good(hers)
        assert app.statuses(his["access_token"]) == {200}
        assert app.refresh(his).status_code == 200

    def test_one_of_forty_with_a_code_wins_and_nothing_survives(self, app: App, ann: Browser, bob: Browser) -> None:
        his, code = app.connect(bob), app.code(ann)
        won = winner(together(*[lambda: app.redeem(code)] * 40))
        assert not app.is_good(won)
        assert app.statuses(his["access_token"]) == {200}

    @pytest.mark.parametrize("how", ["the app revokes", "the person disconnects", "the person logs out everywhere"])
    def test_refreshing_what_is_revoked(self, app: App, ann: Browser, bob: Browser, how: str) -> None:
        his = app.connect(bob)
        for _ in range(10):
            tokens, login = app.connect(ann), app.log_in(ann.user)
            revocations: dict[str, Callable[[], Any]] = {
                "the app revokes": partial(app.revoke, tokens["refresh_token"]),
                "the person disconnects": ann.disconnect,
                "the person logs out everywhere": partial(app.post, "/api/auth/logout-everywhere/", login["access"]),
            }
            _, refreshed = together(revocations[how], partial(app.refresh, tokens))
            # First, since whoever tries the old ones once more ends the new ones by that.
            if refreshed.status_code == 200:
                assert not app.is_good(refreshed.json())
            assert not app.is_good(tokens)
        assert app.statuses(his["access_token"]) == {200}

    def test_logging_in_while_the_password_changes(self, tmp_path: Path) -> None:
        # Hashed as in production, where it takes long to check: when the first are through, others are about it.
        hasher = PBKDF2PasswordHasher()
        user = person()
        User.objects.update(password=hasher.encode(PASSWORD, hasher.salt()))
        body = {"username": user.username, "password": PASSWORD}
        with RunningServer(tmp_path / "server.log") as server, ThreadPoolExecutor(9) as pool:
            caller = Caller(server)
            logins = [pool.submit(caller.post, "/api/auth/login/", json=body) for _ in range(9)]
            wait(logins, return_when=FIRST_COMPLETED)
            change_password(user=user, password=ANOTHER_PASSWORD)
            responses = [login.result() for login in logins]
            got_in = [response.json()["access"] for response in responses if response.status_code == 200]
            assert got_in
            assert {response.status_code for response in responses} <= {200, 401}
            assert set().union(*map(caller.statuses, got_in)) == {401}


class Credential:
    """A token of one kind, and how somebody takes it back."""

    def __init__(self, server: RunningServer, owner: Browser) -> None:
        self.caller = Caller(server)
        self.owner = owner
        self.token = self.issue(server)

    def issue(self, server: RunningServer) -> str:
        raise NotImplementedError

    def revoke(self) -> Any:
        raise NotImplementedError

    def deactivate(self) -> Any:
        User.objects.filter(pk=self.owner.user.pk).update(is_active=False)

    def change_password(self) -> None:
        wanted = {"password": PASSWORD, "new_password": ANOTHER_PASSWORD}
        by = self.caller.log_in(self.owner.user)["access"]
        assert self.caller.post("/api/auth/password/", by, json=wanted).status_code == 200


class Personal(Credential):
    def issue(self, server: RunningServer) -> str:
        self.record, token = issue_token(user_id=self.owner.user.pk)
        return token

    def revoke(self) -> None:
        PersonalToken.objects.filter(pk=self.record.pk).revoke()


class Login(Credential):
    def issue(self, server: RunningServer) -> str:
        self.pair = self.caller.log_in(self.owner.user)
        return str(self.pair["access"])

    def revoke(self) -> None:
        assert self.caller.post("/api/auth/logout/", json={"refresh": self.pair["refresh"]}).status_code == 204


class OAuth(Credential):
    def issue(self, server: RunningServer) -> str:
        self.app = App(server)
        return str(self.app.connect(self.owner)["access_token"])

    def revoke(self) -> None:
        assert self.app.revoke(self.token).status_code == 200


class ClientCredentials(Credential):
    def issue(self, server: RunningServer) -> str:
        grant_act_for_any_user(self.owner.user)
        self.caller = Caller(server, on_behalf_of=self.owner.user.pk)
        application = ApplicationFactory.build(
            user=self.owner.user,
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
            redirect_uris="",
        )
        self.client = {"client_id": application.client_id, "client_secret": application.client_secret}
        application.save()
        response = self.caller.post("/o/token/", data={"grant_type": "client_credentials"} | self.client)
        return str(response.json()["access_token"])

    def revoke(self) -> None:
        response = self.caller.post("/o/revoke_token/", data={"token": self.token} | self.client)
        assert response.status_code == 200


class Outside(Credential):
    def issue(self, server: RunningServer) -> str:
        return sign(claims(sub=self.owner.user.pk))

    def revoke(self) -> None:
        # It is not ours to revoke: the person cuts off everything.
        assert self.caller.post("/api/auth/logout-everywhere/", self.token).status_code == 204


class TestCutOff:
    @pytest.mark.parametrize("how", ["deactivate", "change_password", "revoke"])
    @pytest.mark.parametrize("kind", [Personal, Login, OAuth, ClientCredentials, Outside])
    def test_at_the_very_next_call(
        self, server: RunningServer, ann: Browser, bob: Browser, kind: type[Credential], how: str
    ) -> None:
        hers, his = kind(server, ann), kind(server, bob)
        assert hers.caller.statuses(hers.token) == {200}
        getattr(hers, how)()
        assert hers.caller.statuses(hers.token) == {401}
        assert his.caller.statuses(his.token) == {200}
