"""What staff see of clients and tokens, and what they can do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from oauth2_provider.models import AccessToken, Application, Grant, IDToken, RefreshToken

from todoproj.oauth.tests.clients import OAuthClient, is_live
from todoproj.oauth.tests.factories import ApplicationFactory, GrantFactory
from todoproj.users.models import SecurityEvent, User

ADD = "/admin/oauth2_provider/application/add/"


def url(row: Any, page: str = "change") -> str:
    return reverse(f"admin:oauth2_provider_{row._meta.model_name}_{page}", args=[row.pk])


class TestAdding:
    @staticmethod
    def form(**changes: str) -> dict[str, str]:
        return {
            "name": "Chat backend",
            "authorization_grant_type": Application.GRANT_CLIENT_CREDENTIALS,
            "client_type": Application.CLIENT_CONFIDENTIAL,
            "user": "backend",
            "redirect_uris": "",
        } | changes

    def test_shows_a_secret_that_works_once(self, admin_client: Client, backend: User) -> None:
        page = admin_client.post(ADD, self.form())

        [secret] = re.findall(r'class="client-secret"[^>]*>(\w+)<', page.text)
        application = Application.objects.get()
        assert OAuthClient(application, secret).token_request(grant_type="client_credentials").status_code == 200
        again = admin_client.get(url(application)).text
        assert secret not in again
        assert application.client_secret not in again
        assert application.client_id in again

    def test_of_what_people_run_has_none(self, admin_client: Client) -> None:
        form = self.form(
            authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
            client_type=Application.CLIENT_PUBLIC,
            user="",
            redirect_uris="http://127.0.0.1/callback https://app.example.com/callback",
        )

        assert "secret" not in admin_client.post(ADD, form).text.split('id="content-main"')[1]
        assert Application.objects.get().registration_source == Application.RegistrationSource.MANUAL

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"user": ""}, "Choose the service account"),
            ({"client_type": Application.CLIENT_PUBLIC}, "must keep a secret"),
            ({"redirect_uris": "http://app.example.com/"}, "Use an address by https"),
            ({"redirect_uris": "javascript:alert(1)"}, "Use an address by https"),
            ({"name": "x" * 101}, "at most 100 characters"),
            ({"name": "\u202eppA"}, "can&#x27;t be printed"),
            ({"authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE}, "redirect_uris cannot be empty"),
            ({"authorization_grant_type": Application.GRANT_PASSWORD}, "Select a valid choice"),
        ],
    )
    def test_with_something_wrong(
        self, admin_client: Client, backend: User, changes: dict[str, str], said: str
    ) -> None:
        page = admin_client.post(ADD, self.form(**changes))

        assert said in page.text
        assert not Application.objects.exists()


class TestChanging:
    def test_keeps_the_secret_and_what_it_is(self, admin_client: Client) -> None:
        app = OAuthClient.registered(token_endpoint_auth_method="client_secret_post")
        form = {
            "name": "New name",
            "redirect_uris": "https://new.example.com/",
            "client_secret": "x",
            "authorization_grant_type": Application.GRANT_CLIENT_CREDENTIALS,
        }

        admin_client.post(url(app.application), form)

        changed = Application.objects.get()
        assert (changed.name, changed.redirect_uris) == ("New name", "https://new.example.com/")
        assert changed.client_secret == app.application.client_secret
        assert changed.authorization_grant_type == Application.GRANT_AUTHORIZATION_CODE

    def test_is_not_for_what_a_document_says(self, admin_client: Client) -> None:
        application = ApplicationFactory.create(registration_source=Application.RegistrationSource.CIMD)

        admin_client.post(url(application), {"name": "Other", "redirect_uris": "https://other.example.com/"})

        assert Application.objects.get().name == application.name

    def test_a_client_goes_with_all_that_it_holds(self, admin_client: Client, ann: User) -> None:
        app = OAuthClient(ApplicationFactory.create())
        app.connect(ann)
        app.code(ann)

        page = admin_client.get(url(app.application, "delete"))
        assert "refresh tokens: 1" in page.text.lower()
        admin_client.post(url(app.application, "delete"), {"post": "yes"})

        for model in [Application, AccessToken, RefreshToken, Grant]:
            assert not model.objects.exists()


class TestTokens:
    @pytest.mark.parametrize("model", [AccessToken, RefreshToken])
    def test_are_revoked(self, admin_client: Client, ann: User, model: Any) -> None:
        tokens = OAuthClient(ApplicationFactory.create()).connect(ann)
        changelist = reverse(f"admin:oauth2_provider_{model._meta.model_name}_changelist")

        admin_client.post(changelist, {"action": "revoke", "_selected_action": model.objects.get().pk})

        assert not is_live(tokens["access_token"])
        assert not is_live(tokens["refresh_token"])

    def test_are_revoked_once(self, admin_client: Client, ann: User) -> None:
        OAuthClient(ApplicationFactory.create()).connect(ann)
        changelist = reverse("admin:oauth2_provider_refreshtoken_changelist")
        form = {"action": "revoke", "_selected_action": RefreshToken.objects.get().pk}

        pages = [admin_client.post(changelist, form, follow=True).text for _ in range(2)]

        assert "1 revoked." in pages[0]
        assert "0 revoked." in pages[1]
        assert LogEntry.objects.count() == 1

    @pytest.mark.parametrize("how", ["page", "action"])
    def test_go_with_their_client_which_is_on_record(self, admin_client: Client, ann: User, how: str) -> None:
        client = ApplicationFactory.create()
        tokens = OAuthClient(client).connect(ann)
        changelist = reverse("admin:oauth2_provider_application_changelist")
        form = {"action": "delete_selected", "_selected_action": [client.pk], "post": "yes"}

        admin_client.post(*((url(client, "delete"), {"post": "yes"}) if how == "page" else (changelist, form)))

        assert not is_live(tokens["access_token"])
        event = SecurityEvent.objects.get(kind=SecurityEvent.Kind.CLIENT_DELETED)
        assert (event.client, event.by_id is None) == (client.client_id, False)

    def test_are_shown_without_what_they_are_known_by(self, admin_client: Client, ann: User) -> None:
        OAuthClient(ApplicationFactory.create()).connect(ann)
        grant = GrantFactory.create(code="a-code-that-nobody-must-see")
        access, refresh = AccessToken.objects.get(), RefreshToken.objects.get()

        for row in [access, refresh, grant]:
            changelist = reverse(f"admin:oauth2_provider_{row._meta.model_name}_changelist")
            for page in [admin_client.get(url(row)).text, admin_client.get(changelist).text]:
                assert row.user.username in page
                for secret in [access.token_checksum, refresh.token_checksum, grant.code]:
                    assert secret not in page

    def test_of_a_service_account_name_it(self, admin_client: Client, backend: User) -> None:
        application = ApplicationFactory.create(user=backend)
        AccessToken.objects.create(application=application, expires=application.created, token_checksum="0" * 64)

        assert "backend" in admin_client.get("/admin/oauth2_provider/accesstoken/").text


def test_there_is_no_openid_connect(admin_client: Client) -> None:
    assert "idtoken" not in admin_client.get("/admin/").text
    assert not IDToken.objects.exists()
