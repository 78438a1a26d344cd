"""How clients introduce themselves: by registration, or by a document at their client id."""

from __future__ import annotations

import datetime as dt
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from oauth2_provider.cimd import SafeMetadataFetcher
from oauth2_provider.models import AccessToken, Application

from todoproj.oauth.tests.clients import SITE, OAuthClient, browser_of, query_of, register
from todoproj.oauth.tests.factories import ApplicationFactory, GrantFactory, RefreshTokenFactory
from todoproj.users.models import User

DOCUMENT = "https://client.example.com/metadata.json"


@pytest.mark.django_db
class TestRegistration:
    def test_of_a_public_client(self) -> None:
        response = register(redirect_uris=["https://app.example.com/callback", "http://127.0.0.1/callback"])

        assert response.status_code == 201
        assert "no-store" in response.headers["Cache-Control"]
        made = Application.objects.get()
        assert response.json() == {
            "client_id": made.client_id,
            "client_id_issued_at": int(made.created.timestamp()),
            "client_name": "App",
            "redirect_uris": ["https://app.example.com/callback", "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        assert not AccessToken.objects.exists()

    def test_of_a_client_with_a_secret(self) -> None:
        made = register(token_endpoint_auth_method="client_secret_post").json()

        assert made["client_secret_expires_at"] == 0
        assert len(made["client_secret"]) >= 43
        assert made["client_secret"] not in Application.objects.get().client_secret

    def test_what_is_unknown_is_ignored(self) -> None:
        assert register(software_id="x", scope="a b", logo_uri="https://app.example.com/x.png").status_code == 201

    def test_belongs_to_nobody_whatever_cookie_comes_along(self, ann: User) -> None:
        browser = browser_of(ann)
        body = json.dumps({"redirect_uris": ["https://app.example.com/"]})

        response = browser.post("/o/register/", body, content_type="application/json")

        assert response.status_code == 201
        assert Application.objects.get().user is None
        assert not AccessToken.objects.exists()

    @pytest.mark.parametrize(
        "metadata",
        [
            {"redirect_uris": []},
            {"redirect_uris": None},
            {"redirect_uris": "https://app.example.com/"},
            {"redirect_uris": [7]},
            {"redirect_uris": [f"https://app.example.com/{n}" for n in range(11)]},
            {"redirect_uris": ["https://app.example.com/" + "x" * 1000]},
            {"redirect_uris": ["javascript:alert(1)"]},
            {"redirect_uris": ["javascript://app.example.com/%0aalert(1)"]},
            {"redirect_uris": ["data:text/html,x"]},
            {"redirect_uris": ["file:///etc/passwd"]},
            {"redirect_uris": ["http://app.example.com/"]},
            {"redirect_uris": ["http://127.0.0.1.example.com/"]},
            {"redirect_uris": ["http://127.0.0.1@app.example.com/"]},
            {"redirect_uris": ["https://app.example.com/#x"]},
            {"redirect_uris": ["https://app.example.com/ https://evil.example.com/"]},
            {"redirect_uris": ["https://app.example.com\\@evil.example.com/"]},
            {"redirect_uris": ["https://äpp.example.com/"]},
            {"redirect_uris": ["https:///callback"]},
            {"redirect_uris": ["https://app.example.com:99999/"]},
            {"redirect_uris": ["https://*.example.com/"]},
            {"redirect_uris": ["cursor:callback"]},
            {"redirect_uris": ["other://callback"]},
            {"redirect_uris": ["/callback"]},
            {"redirect_uris": ["\0"]},
            {"client_name": "x" * 101},
            {"client_name": 7},
            {"client_name": "App\0"},
            {"client_name": "App\nwith lines"},
            {"client_name": "\u202eppA"},
            {"client_name": "\ud800"},
            {"grant_types": []},
            {"grant_types": "authorization_code"},
            {"grant_types": ["refresh_token"]},
            {"grant_types": ["client_credentials"]},
            {"grant_types": ["authorization_code", "client_credentials"]},
            {"grant_types": ["authorization_code", "password"]},
            {"grant_types": ["implicit"]},
            {"grant_types": [{}]},
            {"response_types": ["token"]},
            {"response_types": ["code", "token"]},
            {"token_endpoint_auth_method": "private_key_jwt"},
            {"token_endpoint_auth_method": []},
        ],
    )
    def test_with_something_wrong(self, metadata: dict[str, Any]) -> None:
        response = register(**metadata)

        assert response.status_code == 400
        expected = "invalid_redirect_uri" if "redirect_uris" in metadata else "invalid_client_metadata"
        assert response.json()["error"] == expected
        assert not Application.objects.exists()

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"x",
            b"[]",
            b"null",
            b"\xff",
            b"[" * 10_000,
            b'{"client_name": "a", "client_name": "b"}',
            json.dumps({"client_name": "x" * 20_000}).encode(),
        ],
    )
    def test_with_a_body_that_is_no_small_object(self, body: bytes) -> None:
        response = Client().post("/o/register/", body, content_type="application/json")

        assert response.status_code == 400
        assert response.json()["error"] == "invalid_client_metadata"

    @pytest.mark.parametrize("method", ["get", "put", "delete"])
    def test_can_t_be_changed_later(self, method: str) -> None:
        client_id = register().json()["client_id"]

        assert getattr(Client(), method)(f"/o/register/{client_id}/").status_code == 404


class Documents:
    """The documents that are out there, and how often each was fetched. Only the network is not real."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.fetched: list[str] = []

    def fetch(self, fetcher: SafeMetadataFetcher, client_id: str) -> tuple[dict[str, Any], int]:
        self.fetched.append(client_id)
        return self.documents[client_id], 300

    def publish(self, **metadata: Any) -> OAuthClient:
        """A client, unknown to the server so far, with a document."""
        redirect_uri = "https://client.example.com/callback"
        self.documents[DOCUMENT] = {
            "client_id": DOCUMENT,
            "client_name": "Client",
            "redirect_uris": [redirect_uri],
            "token_endpoint_auth_method": "none",
        } | metadata
        return OAuthClient(Application(client_id=DOCUMENT), redirect_uri=redirect_uri)


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> Documents:
    documents = Documents()
    cache.clear()
    monkeypatch.setattr(SafeMetadataFetcher, "fetch", lambda self, client_id: documents.fetch(self, client_id))
    return documents


class TestDocument:
    def test_connects(self, documents: Documents, ann: User) -> None:
        app = documents.publish()

        page = browser_of(ann).get(app.authorize_url())

        assert "client.example.com" in page.text
        assert "nobody has checked" in page.text
        assert "refresh_token" in app.connect(ann)
        assert documents.fetched == [DOCUMENT]

    def test_is_narrowed_to_what_is_served(self, documents: Documents, ann: User) -> None:
        app = documents.publish(
            grant_types=["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            redirect_uris=["javascript:alert(1)", "http://evil.example.com/", "https://client.example.com/callback"],
            client_name="x" * 200,
        )

        assert app.redeem(query_of(app.consent(browser_of(ann)))["code"]).status_code == 200

        made = Application.objects.get()
        assert made.redirect_uris == "https://client.example.com/callback"
        assert made.authorization_grant_type == Application.GRANT_AUTHORIZATION_CODE
        assert made.name == ""

    @pytest.mark.parametrize(
        "metadata",
        [
            {"client_id": "https://other.example.com/metadata.json"},
            {"client_id": None},
            {"grant_types": ["client_credentials"]},
            {"grant_types": "authorization_code"},
            {"redirect_uris": ["http://client.example.com/callback"]},
            {"redirect_uris": None},
            {"token_endpoint_auth_method": "client_secret_post"},
            {"client_secret": "x"},
        ],
    )
    def test_that_is_not_right(self, documents: Documents, ann: User, metadata: dict[str, Any]) -> None:
        app = documents.publish(**metadata)

        assert browser_of(ann).get(app.authorize_url()).status_code == 400
        assert not Application.objects.exists()

    def test_is_fetched_for_nobody_who_is_not_logged_in(self, documents: Documents, ann: User) -> None:
        app = documents.publish()
        with_cookie = browser_of(ann)

        assert browser_of(None).get(app.authorize_url()).status_code == 302
        assert browser_of(None).get(app.authorize_url(prompt="none")).status_code == 302
        form = {"grant_type": "authorization_code", "client_id": DOCUMENT, "code": "x", "token": "x"}
        for path in ["/o/token/", "/o/revoke_token/"]:
            assert with_cookie.post(path, form).status_code == 401

        assert documents.fetched == []

    def test_is_not_fetched_again_by_the_token_endpoint(self, documents: Documents, ann: User) -> None:
        app = documents.publish()
        code = app.code(ann)
        Application.objects.update(cimd_expires_at="2000-01-01T00:00:00Z")

        assert app.redeem(code).status_code == 200
        assert documents.fetched == [DOCUMENT]

    @pytest.mark.parametrize("client_id", ["http://client.example.com/metadata.json", "https", "https:x"])
    def test_has_an_https_address(self, documents: Documents, ann: User, client_id: str) -> None:
        app = OAuthClient(Application(client_id=client_id))

        assert browser_of(ann).get(app.authorize_url()).status_code == 400
        assert documents.fetched == []


class TestAddresses:
    """No document comes from where only this machine or its network can reach."""

    @pytest.fixture
    def listener(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.2)
            yield server

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0.0.0.0",  # noqa: S104 (nobody listens)
            "[::ffff:127.0.0.1]",
            "[::1]",
            "[::]",
        ],
    )
    def test_of_this_machine(self, ann: User, listener: socket.socket, host: str) -> None:
        cache.clear()
        app = OAuthClient(Application(client_id=f"https://{host}:{listener.getsockname()[1]}/metadata.json"))

        response = browser_of(ann).get(app.authorize_url())

        assert response.status_code == 400
        with pytest.raises(TimeoutError):
            listener.accept()

    @pytest.mark.parametrize(
        "host",
        [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:169.254.169.254]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:a00:1::1]",
        ],
    )
    def test_of_this_network(self, ann: User, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        cache.clear()
        connections: list[Any] = []
        monkeypatch.setattr(socket.socket, "connect", lambda self, address: connections.append(address))
        app = OAuthClient(Application(client_id=f"https://{host}/metadata.json"))

        assert browser_of(ann).get(app.authorize_url()).status_code == 400
        assert connections == []


@pytest.mark.django_db
class TestMetadata:
    def test_of_the_authorization_server(self) -> None:
        assert Client().get("/.well-known/oauth-authorization-server").json() == {
            "issuer": SITE,
            "authorization_endpoint": f"{SITE}/o/authorize/",
            "token_endpoint": f"{SITE}/o/token/",
            "revocation_endpoint": f"{SITE}/o/revoke_token/",
            "registration_endpoint": f"{SITE}/o/register/",
            "scopes_supported": ["chats:read", "chats:write", "tasks:read", "tasks:write"],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": True,
        }

    @pytest.mark.parametrize("urls", ["todoproj.urls", "mcp_tools.urls"])
    @pytest.mark.parametrize("path", ["", "/mcp"])
    def test_of_the_resource(self, settings: Any, path: str, urls: str) -> None:
        settings.ROOT_URLCONF = urls
        assert Client().get(f"/.well-known/oauth-protected-resource{path}").json() == {
            "resource": f"{SITE}/mcp",
            "authorization_servers": [SITE],
            "scopes_supported": ["tasks:read", "tasks:write"],
            "bearer_methods_supported": ["header"],
            "resource_name": "todoproj",
        }

    def test_names_the_public_address_where_one_is_set(self, settings: Any) -> None:
        settings.PUBLIC_URL = public = "https://todo.example.com"
        settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_ISS_ENDPOINT": public}

        server = Client().get("/.well-known/oauth-authorization-server").json()
        guarded = Client().get("/.well-known/oauth-protected-resource/mcp").json()

        assert (server["issuer"], guarded["authorization_servers"]) == (public, [public])
        assert guarded["resource"] == f"{public}/mcp"
        assert server["token_endpoint"] == f"{public}/o/token/"

    @pytest.mark.parametrize(
        "path",
        [
            "/o/applications/",
            "/o/introspect/",
            "/o/authorized_tokens/",
            "/o/device-authorization/",
            "/.well-known/openid-configuration",
            "/o/userinfo/",
        ],
    )
    def test_the_toolkit_s_other_routes_are_not_there(self, path: str) -> None:
        assert Client().get(path).status_code == 404


class TestClearing:
    def test_takes_what_nobody_uses(self, db: None) -> None:
        long_ago = timezone.now() - dt.timedelta(days=366)
        registered = {"registration_source": Application.RegistrationSource.DCR}
        idle = ApplicationFactory.create(**registered)
        kept = {
            "new": ApplicationFactory.create(**registered),
            "of staff": ApplicationFactory.create(),
            "granted": GrantFactory.create(
                application__registration_source=Application.RegistrationSource.DCR
            ).application,
            "held": RefreshTokenFactory.create(
                access_token__application__registration_source=Application.RegistrationSource.DCR
            ).application,
        }
        Application.objects.exclude(pk=kept["new"].pk).update(created=long_ago)

        call_command("clear_expired")

        assert not Application.objects.filter(pk=idle.pk).exists()
        assert Application.objects.count() == len(kept)

    def test_takes_documents_that_were_not_looked_at_for_long(self, db: None) -> None:
        document = {"registration_source": Application.RegistrationSource.CIMD}
        over = ApplicationFactory.create(**document, cimd_expires_at=timezone.now() - dt.timedelta(days=1))
        good = ApplicationFactory.create(**document, cimd_expires_at=timezone.now() + dt.timedelta(days=1))

        call_command("clear_expired")

        assert list(Application.objects.all()) == [good] != [over]
