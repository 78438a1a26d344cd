"""Where people see what can act for them, and end it."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from oauth2_provider.models import AccessToken, Grant

from todoproj.oauth.tests.clients import OAuthClient, browser_of, is_live
from todoproj.oauth.tests.factories import ApplicationFactory
from todoproj.users.models import User


@pytest.fixture
def app(db: None) -> OAuthClient:
    return OAuthClient(ApplicationFactory.create(name="Claude <b>"))


class TestList:
    def test_shows_what_is_connected(self, app: OAuthClient, ann: User) -> None:
        app.connect(ann)

        page = browser_of(ann).get("/connected-apps/")

        for said in ["Claude &lt;b&gt;", "https://app.example.com", "Read tasks", "UTC"]:
            assert said in page.text

    def test_shows_each_once(self, app: OAuthClient, ann: User) -> None:
        app.refresh(app.connect(ann)["refresh_token"])
        app.redeem(app.code(ann, scope="tasks:read"))

        [shown] = browser_of(ann).get("/connected-apps/").context["apps"]

        assert len(shown.scopes) == 2
        assert shown.since < shown.last_token

    def test_shows_nobody_else_s(self, app: OAuthClient, ann: User, bob: User) -> None:
        app.connect(ann)

        assert "No app is connected" in browser_of(bob).get("/connected-apps/").text

    def test_shows_none_that_can_t_act_any_more(self, app: OAuthClient, ann: User) -> None:
        app.connect(ann)
        AccessToken.objects.update(expires=timezone.now() - dt.timedelta(days=31))

        assert "No app is connected" in browser_of(ann).get("/connected-apps/").text

    def test_is_for_whoever_is_logged_in(self, db: None) -> None:
        assert browser_of(None).get("/connected-apps/")["Location"] == "/login/?next=/connected-apps/"


class TestDisconnect:
    @staticmethod
    def disconnect(user: User, application_id: object) -> None:
        browser = browser_of(user)
        token = browser.get("/connected-apps/").context["csrf_token"]
        response = browser.post(
            "/connected-apps/", {"application": application_id, "csrfmiddlewaretoken": token}, follow=True
        )
        assert response.status_code == 200

    def test_takes_everything(self, app: OAuthClient, ann: User, bob: User) -> None:
        other = OAuthClient(ApplicationFactory.create())
        kept = [app.connect(bob), other.connect(ann)]
        tokens = app.connect(ann)
        app.code(ann)

        self.disconnect(ann, app.application.pk)

        assert not is_live(tokens["access_token"])
        assert app.refresh(tokens["refresh_token"]).status_code == 400
        assert not Grant.objects.exists()
        assert all(is_live(each["access_token"]) for each in kept)

    @pytest.mark.parametrize("application_id", ["", "x", "-1", "0", "9" * 18, "9" * 40, "²", "\0"])
    def test_of_what_is_not_there_does_nothing(self, app: OAuthClient, ann: User, application_id: str) -> None:
        tokens = app.connect(ann)

        self.disconnect(ann, application_id)

        assert is_live(tokens["access_token"])

    def test_takes_no_forged_form(self, app: OAuthClient, ann: User) -> None:
        tokens = app.connect(ann)

        assert browser_of(ann).post("/connected-apps/", {"application": app.application.pk}).status_code == 403

        assert is_live(tokens["access_token"])
