"""Authorization requests: who is asked, what is shown, and what a client is told."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client
from oauth2_provider.models import AccessToken, Application, Grant
from pytest_django import Settings

from todoproj.oauth.tests.clients import REDIRECT_URI, RESOURCE, SITE, OAuthClient, browser_of, query_of
from todoproj.oauth.tests.factories import ApplicationFactory
from todoproj.users.models import Scope, User


@pytest.fixture
def app(db: None) -> OAuthClient:
    return OAuthClient(ApplicationFactory.create(name="Claude"))


def test_the_scopes_are_the_project_s() -> None:
    assert dict(Scope.choices) == project.OAUTH2_PROVIDER["SCOPES"]


class TestConsent:
    def test_says_who_asks_for_what(self, app: OAuthClient, ann: User) -> None:
        page = browser_of(ann).get(app.authorize_url())

        for said in [
            "Claude",
            "ann",
            "https://app.example.com",
            RESOURCE,
            Scope.TASKS_READ.label,
            Scope.TASKS_WRITE.label,
        ]:
            assert said in page.text
        assert page.headers["X-Frame-Options"] == "DENY"
        assert "no-store" in page.headers["Cache-Control"]

    def test_says_only_what_is_asked_for(self, app: OAuthClient, ann: User) -> None:
        page = browser_of(ann).get(app.authorize_url(scope="tasks:read"))

        assert Scope.TASKS_READ.label in page.text
        assert str(Scope.TASKS_WRITE.label) not in page.text

    def test_says_what_is_for_rest_alone(self, app: OAuthClient, ann: User) -> None:
        page = browser_of(ann).get(app.authorize_url(scope="chats:read chats:write"))

        assert Scope.CHATS_READ.label in page.text
        assert Scope.CHATS_WRITE.label in page.text

    def test_who_names_no_scope_asks_for_what_the_tools_need(self, app: OAuthClient, ann: User) -> None:
        app.consent(browser_of(ann), scope=None)

        assert Grant.objects.get().scope == "tasks:read tasks:write"

    def test_gives_a_code(self, app: OAuthClient, ann: User) -> None:
        response = app.consent(browser_of(ann))

        answer = query_of(response)
        assert response["Location"].startswith(REDIRECT_URI)
        assert (answer["state"], answer["iss"]) == ("xyz", SITE)
        assert Grant.objects.get(code=answer["code"]).user == ann

    def test_a_nonce_is_not_for_this_server(self, app: OAuthClient, ann: User) -> None:
        app.code(ann, nonce="x" * 2000)

        assert not Grant.objects.get().nonce

    def test_can_be_refused(self, app: OAuthClient, ann: User) -> None:
        answer = query_of(app.consent(browser_of(ann), "deny"))

        assert answer["error"] == "access_denied"
        assert (answer["state"], answer["iss"]) == ("xyz", SITE)
        assert not Grant.objects.exists()

    def test_takes_no_forged_form(self, app: OAuthClient, ann: User) -> None:
        refused = browser_of(ann).post(app.authorize_url(), {"allow": "yes"})

        assert refused.status_code == 403
        assert "The form was not taken" in refused.text
        assert not Grant.objects.exists()

    @pytest.mark.parametrize("extra", [{"approval_prompt": "auto"}, {"prompt": "none"}, {"prompt": "login"}])
    def test_is_asked_for_every_time(self, app: OAuthClient, ann: User, extra: dict[str, str]) -> None:
        app.connect(ann)

        page = browser_of(ann).get(app.authorize_url(**extra))

        assert page.status_code == 200
        assert "Connect</button>" in page.text

    def test_can_t_be_widened_by_the_form(self, app: OAuthClient, ann: User) -> None:
        browser = browser_of(ann)
        url = app.authorize_url(scope="tasks:read")
        token = browser.get(url).context["csrf_token"]

        browser.post(
            url,
            {"allow": "yes", "csrfmiddlewaretoken": token, "scopes": "tasks:write", "resource": "https://x.example"},
        )

        assert Grant.objects.get().scope == "tasks:read"
        assert Grant.objects.get().resource == [RESOURCE]


class TestLogin:
    def test_comes_first(self, app: OAuthClient) -> None:
        response = browser_of(None).get(app.authorize_url())

        assert response["Location"].startswith("/login/?next=/o/authorize/")

    def test_leads_back(self, app: OAuthClient, ann: User) -> None:
        ann.set_password("a-long-made-up-password-7")
        ann.save()
        browser = browser_of(None)
        page = browser.get(browser.get(app.authorize_url())["Location"])
        form = {
            "username": "ann",
            "password": "a-long-made-up-password-7",
            "next": page.context["next"],
            "csrfmiddlewaretoken": page.context["csrf_token"],
        }

        response = browser.post("/login/", form)

        assert response["Location"] == app.authorize_url()
        assert "Claude" in browser.get(response["Location"]).text

    def test_leads_nowhere_else(self, ann: User) -> None:
        ann.set_password("a-long-made-up-password-7")
        ann.save()
        form = {"username": "ann", "password": "a-long-made-up-password-7", "next": "https://evil.example.com/"}

        assert Client().post("/login/", form)["Location"] == "/connected-apps/"

    def test_takes_no_forged_form(self, ann: User) -> None:
        assert browser_of(None).post("/login/", {"username": "ann", "password": "x"}).status_code == 403

    def test_says_the_same_of_a_wrong_password_and_of_nobody(self, ann: User) -> None:
        pages = [Client().post("/login/", {"username": name, "password": "x"}) for name in ["ann", "nobody"]]

        assert [page.status_code for page in pages] == [200, 200]
        assert all("No active account" in page.text for page in pages)

    @pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
    def test_tells_whoever_gave_too_many_wrong_passwords_to_wait(
        self, ann: User, settings: Settings, path: str
    ) -> None:
        settings.AXES_FAILURE_LIMIT = 2
        pages = []
        for name in ["ann", "nobody"]:
            Client().post(path, {"username": name, "password": "x"})
            pages.append(Client().post(path, {"username": name, "password": "x"}))

        assert [(page.status_code, page["Retry-After"]) for page in pages] == [(429, "900")] * 2
        assert "Wait 15 minutes before you try again." in pages[0].text
        assert pages[0].text == pages[1].text

    def test_a_deactivated_person_is_not_logged_in(self, app: OAuthClient, ann: User) -> None:
        browser = browser_of(ann)
        User.objects.update(is_active=False)

        assert browser.get(app.authorize_url())["Location"].startswith("/login/")
        assert not Grant.objects.exists()

    def test_logout_ends_it(self, ann: User) -> None:
        browser = browser_of(ann)
        token = browser.get("/connected-apps/").context["csrf_token"]

        assert browser.get("/logout/").status_code == 405
        browser.post("/logout/", {"csrfmiddlewaretoken": token})

        assert browser.get("/connected-apps/").status_code == 302


class TestRefusals:
    """What sends the person back to the client, which learns from whom the error is (RFC 9207)."""

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge_method": None}, "invalid_request"),
            ({"code_challenge": ""}, "invalid_request"),
            ({"code_challenge": "x" * 42}, "invalid_request"),
            ({"code_challenge": "x" * 9000}, "invalid_request"),
            ({"code_challenge": "=" * 43}, "invalid_request"),
            ({"response_type": None}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"response_type": "id_token"}, "unsupported_response_type"),
            ({"response_type": "code token"}, "unauthorized_client"),
            ({"scope": "tasks:delete"}, "invalid_scope"),
            ({"scope": "tasks:read openid"}, "invalid_scope"),
            ({"resource": "https://other.example.com/mcp"}, "invalid_target"),
            ({"resource": f"{SITE}/mcp/other"}, "invalid_target"),
            ({"resource": "mcp"}, "invalid_target"),
            ({"resource": [RESOURCE, "https://other.example.com/mcp"]}, "invalid_target"),
        ],
    )
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_by_redirect(self, app: OAuthClient, ann: User, changes: dict[str, Any], error: str, method: str) -> None:
        browser = Client()
        browser.force_login(ann)

        form = {"allow": "yes"} if method == "post" else None

        answer = query_of(getattr(browser, method)(app.authorize_url(**changes), form))

        assert (answer["error"], answer["state"], answer["iss"]) == (error, "xyz", SITE)
        assert not Grant.objects.exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "unknown"},
            {"client_id": None},
            {"client_id": "x" * 300},
            {"client_id": "\0"},
            {"redirect_uri": "https://evil.example.com/callback"},
            {"redirect_uri": f"{REDIRECT_URI}/more"},
            {"redirect_uri": f"{REDIRECT_URI}?more=1"},
            {"redirect_uri": "https://app.example.com@evil.example.com/callback"},
            {"redirect_uri": "http://app.example.com/callback"},
            {"redirect_uri": "javascript:alert(1)"},
            {"redirect_uri": "not an address"},
            {"state": ["one", "two"]},
            {"code_challenge": "\0"},
        ],
    )
    def test_by_a_page(self, app: OAuthClient, ann: User, changes: dict[str, Any]) -> None:
        response = browser_of(ann).get(app.authorize_url(**changes))

        assert response.status_code == 400
        assert "can't be connected" in response.text
        assert "evil.example.com" not in response.text

    @pytest.mark.parametrize("user", [None, "ann"])
    def test_escapes_that_can_t_be_read(self, ann: User, user: str | None) -> None:
        response = browser_of(ann if user else None).get("/o/authorize/?a=%zz")

        assert response.status_code == 400
        assert "can't be connected" in response.text

    def test_an_iss_of_the_client_s_own_does_not_count(self, ann: User) -> None:
        uri = f"{REDIRECT_URI}?iss=https://evil.example.com"
        app = OAuthClient(ApplicationFactory.create(redirect_uris=uri), redirect_uri=uri)

        assert query_of(app.consent(browser_of(ann)))["iss"] == SITE

    def test_a_client_that_acts_as_its_owner_connects_nobody(self, ann: User) -> None:
        application = ApplicationFactory.create(
            authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS, client_type="confidential", user=ann
        )

        answer = query_of(browser_of(ann).get(OAuthClient(application).authorize_url()))

        assert answer["error"] == "unauthorized_client"


class TestRedirects:
    @pytest.mark.parametrize(
        ("registered", "asked"),
        [
            ("http://127.0.0.1/callback", "http://127.0.0.1:49152/callback"),
            ("http://localhost:3118/callback", "http://localhost:49152/callback"),
            ("http://[::1]/callback", "http://[::1]:49152/callback"),
            ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback"),
            ("vscode://vscode.github-authentication/did", "vscode://vscode.github-authentication/did"),
        ],
    )
    def test_to_the_person_s_own_machine(self, ann: User, registered: str, asked: str) -> None:
        app = OAuthClient.registered(redirect_uris=[registered])
        app.redirect_uri = asked

        response = app.consent(browser_of(ann))

        assert response["Location"].startswith(asked)
        assert app.redeem(query_of(response)["code"]).status_code == 200

    def test_not_to_another_host_by_another_name(self, ann: User) -> None:
        app = OAuthClient.registered(redirect_uris=["http://127.0.0.1/callback"])
        app.redirect_uri = "http://localhost/callback"

        assert browser_of(ann).get(app.authorize_url()).status_code == 400


class TestResource:
    def test_is_ours_when_none_was_named(self, app: OAuthClient, ann: User) -> None:
        assert app.redeem(app.code(ann, resource=None)).status_code == 200

        assert AccessToken.objects.get().resource == [RESOURCE]

    def test_is_public_where_that_is_set(self, app: OAuthClient, ann: User, settings: Any) -> None:
        settings.PUBLIC_URL = "https://todo.example.com"
        settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_ISS_ENDPOINT": settings.PUBLIC_URL}

        answer = query_of(app.consent(browser_of(ann), resource="https://todo.example.com/mcp"))

        assert answer["iss"] == "https://todo.example.com"
        assert Grant.objects.get().resource == ["https://todo.example.com/mcp"]
