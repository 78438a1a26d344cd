"""What is written down of people's access: a row and a log line for each event, and no secret in either."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from conftest import Caller
from todoproj.users import accounts, events, logins
from todoproj.users.models import PersonalToken, SecurityEvent, User
from todoproj.users.services import issue_token, revoke_tokens
from todoproj.users.tests.factories import UserFactory

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


@pytest.fixture
def ann(ann: User) -> User:
    ann.set_password(PASSWORD)
    ann.save()
    return ann


@pytest.fixture(autouse=True)
def _logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "todoproj.security")


def post(path: str, by: str = "", **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {by}"} if by else {}
    client = Client(raise_request_exception=False)
    return client.post(path, body, content_type="application/json", headers=headers)


def kinds() -> list[str]:
    return list(SecurityEvent.objects.order_by("pk").values_list("kind", flat=True))


class TestLogins:
    def test_over_rest(self, ann: User) -> None:
        pair = post("/api/auth/login/", username="ann", password=PASSWORD).json()
        post("/api/auth/refresh/", refresh=pair["refresh"])
        post("/api/auth/refresh/", refresh=pair["refresh"])
        assert kinds() == ["token_issued", "logged_in", "token_reused"]
        assert set(SecurityEvent.objects.values_list("user", "address")) == {("ann", "127.0.0.1")}

    def test_of_a_browser(self, ann: User) -> None:
        client = Client()
        client.post(reverse("login"), {"username": "ann", "password": PASSWORD})
        client.post(reverse("logout"))
        assert kinds() == ["logged_in", "logged_out"]

    def test_that_failed(self, ann: User) -> None:
        for name in ["ann", "ANN@example.com", "nobody", "", "a\0b", "x" * 5000]:
            post("/api/auth/login/", username=name, password="no")
        assert list(SecurityEvent.objects.order_by("pk").values_list("kind", "user", "detail"))[:3] == [
            ("login_failed", "ann", ""),
            ("login_failed", "ann", ""),
            ("login_failed", None, "no such name"),
        ]

    def test_too_many_failures(self, ann: User, settings: Settings) -> None:
        settings.AXES_FAILURE_LIMIT = 2
        for _ in range(2):
            post("/api/auth/login/", username="ann", password="no")
        assert kinds() == ["login_failed", "locked_out", "login_failed"]

    def test_one_that_worked_forgives_the_failures_before(self, ann: User, settings: Settings) -> None:
        settings.AXES_FAILURE_LIMIT = 3
        for _ in range(3):
            for _ in range(2):
                assert post("/api/auth/login/", username="ann", password="no").status_code == 401
            assert post("/api/auth/login/", username="ann", password=PASSWORD).status_code == 200

    def test_ended(self, ann: User) -> None:
        pair = logins.log_in(user=ann)
        for _ in range(2):
            logins.log_out(token=pair.refresh)
        logins.log_out_everywhere(user_id="ann")
        assert kinds() == ["token_issued", "token_revoked", "logged_out_everywhere"]


class TestAccounts:
    def test_a_new_password(self, ann: User) -> None:
        accounts.change_password(user=ann, password="another of its kind")
        assert kinds() == ["password_changed"]

    def test_one_that_is_deleted_leaves_nothing_of_the_person(self, ann: User) -> None:
        issue_token(user_id="ann")
        accounts.delete_account(user=ann)
        assert kinds() == ["token_issued", "account_deleted"]
        assert set(SecurityEvent.objects.values_list("user", flat=True)) == {None}


class TestTokens:
    def test_of_a_person(self, ann: User) -> None:
        record, _ = issue_token(user_id="ann")
        assert revoke_tokens(tokens=[record]) == 1
        assert revoke_tokens(tokens=[record]) == 0
        assert kinds() == ["token_issued", "token_revoked"]
        assert {event.detail.split(",")[0] for event in SecurityEvent.objects.all()} == {f"personal token {record.pk}"}

    def test_say_which_member_of_staff_did_it(self, ann: User, admin_client: Client) -> None:
        SecurityEvent.objects.all().delete()
        admin_client.post(reverse("admin:users_personaltoken_add"), {"user": "ann", "scopes": ["tasks:read"]})
        record = PersonalToken.objects.get()
        admin_client.post(
            reverse("admin:users_personaltoken_changelist"), {"action": "revoke", "_selected_action": [record.pk]}
        )
        assert kinds() == ["token_issued", "token_revoked"]
        assert {event.by.username for event in SecurityEvent.objects.all() if event.by} == {"admin"}


class TestClients:
    def test_that_register(self, db: None) -> None:
        body: dict[str, Any] = {
            "redirect_uris": ["https://app.example.com/callback"],
            "token_endpoint_auth_method": "none",
        }
        client_id = post("/o/register/", **body).json()["client_id"]
        event = SecurityEvent.objects.get()
        assert (event.kind, event.client) == ("client_registered", client_id)


class TestRefusals:
    def test_for_another_person(self, ann: User, bob: User, caller_for: Callable[..., Caller]) -> None:
        caller = caller_for(ann)
        SecurityEvent.objects.all().delete()
        for user_id in ["bob", "nobody", "a\0\ud800b"]:
            caller.call("list_tasks", user_id=user_id)
        found = SecurityEvent.objects.order_by("pk").values_list("kind", "user", "detail")
        assert list(found) == [
            ("permission_refused", "ann", "for another person: 'bob'"),
            ("permission_refused", "ann", "for another person: 'nobody'"),
            ("permission_refused", "ann", "for another person: 'a\\x00\\ud800b'"),
        ]

    def test_for_want_of_a_scope(self, ann: User, caller_for: Callable[..., Caller]) -> None:
        caller = caller_for(ann, scopes=["tasks:read"])
        SecurityEvent.objects.all().delete()
        assert caller.raw_call("add_task", title="x").status_code == 403
        assert post("/api/tasks/", by=caller.token, title="x").status_code == 403
        assert set(SecurityEvent.objects.values_list("kind", "user", "detail")) == {
            ("permission_refused", "ann", "without the scope tasks:write")
        }
        assert len(kinds()) == 2

    def test_nobody_fills_the_table(
        self, ann: User, caller_for: Callable[..., Caller], settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        caller = caller_for(UserFactory.create())
        SecurityEvent.objects.all().delete()
        settings.REFUSALS_KEPT = 3
        caplog.clear()
        for _ in range(20):
            caller.call("list_tasks", user_id="ann")
        # The minute may have ended meanwhile.
        assert 3 <= len(kinds()) <= 6
        assert len([line for line in caplog.records if line.name == "todoproj.security"]) == 20


class TestLines:
    def test_say_what_happened(self, ann: User, caplog: pytest.LogCaptureFixture) -> None:
        post("/api/auth/login/", username="ann", password="no")
        (line,) = [line for line in caplog.records if line.name == "todoproj.security"]
        assert line.levelname == "WARNING"
        wanted = {"event": "login_failed", "person": "ann", "address": "127.0.0.1"}
        assert wanted.items() <= vars(line).items()

    def test_hold_no_secret_and_neither_do_rows(self, ann: User, caplog: pytest.LogCaptureFixture) -> None:
        post("/api/auth/login/", username="my password", password="other password")
        pair = post("/api/auth/login/", username="ann", password=PASSWORD).json()
        again = post("/api/auth/refresh/", refresh=pair["refresh"]).json()
        record, token = issue_token(user_id="ann")
        written = str([vars(line) for line in caplog.records]) + str(list(SecurityEvent.objects.values()))
        secrets = [PASSWORD, "my password", "other password", token, record.digest]
        for secret in [*secrets, *pair.values(), *again.values()]:
            assert str(secret) == "900" or str(secret) not in written

    def test_outside_of_a_request(self, ann: User) -> None:
        events.record(events.Kind.LOGGED_OUT, user_id="ann")
        event = SecurityEvent.objects.get()
        assert (event.address, event.request_id, event.by) == ("", "", None)


class TestAdmin:
    def test_staff_browse_them(self, ann: User, admin_client: Client) -> None:
        issue_token(user_id="ann")
        page = admin_client.get(reverse("admin:users_securityevent_changelist"), {"kind__exact": "token_issued"})
        assert "Token issued" in page.content.decode()
        for within in ["1", "7", "30"]:
            query = {"within": within, "q": "ann"}
            response = admin_client.get(reverse("admin:users_securityevent_changelist"), query)
            assert "personal token" in response.content.decode()
