"""What is written down of OAuth clients and what they hold: todoproj.users.events."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from oauth2_provider.models import Application

from todoproj.oauth.tests.clients import OAuthClient, browser_of
from todoproj.oauth.tests.factories import AccessTokenFactory, ApplicationFactory, RefreshTokenFactory
from todoproj.users.models import SecurityEvent, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(ann: User) -> OAuthClient:
    return OAuthClient.registered()


def written() -> list[tuple[Any, ...]]:
    """Kind, person and client, and that somebody was logged in, of each event since the client registered."""
    events = SecurityEvent.objects.order_by("pk").exclude(kind="client_registered").exclude(kind="logged_in")
    return [(event.kind, event.user_id, event.client, event.by_id) for event in events]


def test_a_connection_and_its_end(app: OAuthClient, ann: User) -> None:
    app.connect(ann)
    browser = browser_of(ann)
    page = browser.get(reverse("connected-apps"))
    form = {"application": app.application.pk, "csrfmiddlewaretoken": page.context["csrf_token"]}
    browser.post(reverse("connected-apps"), form)
    client_id = app.application.client_id
    assert written() == [
        ("app_connected", "ann", client_id, "ann"),
        ("token_issued", "ann", client_id, None),
        ("app_disconnected", "ann", client_id, "ann"),
    ]


def test_a_refusal_by_the_person_connects_nothing(app: OAuthClient, ann: User) -> None:
    app.consent(browser_of(ann), answer="deny")
    assert written() == []


def test_a_refresh_is_a_line_and_a_second_one_a_row(
    app: OAuthClient, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "todoproj.security")
    tokens = app.connect(ann)
    before = written()
    app.refresh(tokens["refresh_token"])
    assert written() == before
    assert vars(caplog.records[-1])["event"] == "token_refreshed"
    app.refresh(tokens["refresh_token"])
    assert written() == [*before, ("token_reused", "ann", app.application.client_id, None)]


def test_a_code_used_twice(app: OAuthClient, ann: User) -> None:
    code = app.code(ann)
    for _ in range(2):
        app.redeem(code)
    assert [kind for kind, *_ in written()] == ["app_connected", "token_issued", "token_reused"]


def test_a_revocation_by_the_client(app: OAuthClient, ann: User) -> None:
    tokens = app.connect(ann)
    before = written()
    for token in [tokens["refresh_token"], tokens["refresh_token"], "todor_unknown"]:
        browser_of(None).post("/o/revoke_token/", {"token": token, "client_id": app.application.client_id})
    assert [kind for kind, *_ in written()[len(before) :]] == ["token_revoked"]


def test_a_service_account(backend: User) -> None:
    application = ApplicationFactory.create(
        user=backend,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        client_secret="a secret of its own",
    )
    OAuthClient(application, "a secret of its own").token_request(grant_type="client_credentials")
    assert written() == [("token_issued", "backend", application.client_id, None)]


def test_revocations_by_staff(ann: User, admin_client: Client) -> None:
    tokens = [AccessTokenFactory.create(user=ann), RefreshTokenFactory.create(user=ann)]
    for token in tokens:
        path = reverse(f"admin:oauth2_provider_{token._meta.model_name}_changelist")
        admin_client.post(path, {"action": "revoke", "_selected_action": [token.pk]})
    clients = [token.application.client_id for token in tokens]
    assert [(kind, person, client) for kind, person, client, _ in written()] == [
        ("token_revoked", "ann", client) for client in clients
    ]


def test_a_client_with_a_very_long_id(db: None) -> None:
    ApplicationFactory.create(client_id="https://example.com/" + "x" * 200)
    assert SecurityEvent.objects.get().client.endswith("x" * 200)
