"""Signing up, logging in, refreshing and leaving, by the REST API; and what cuts tokens off."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.contrib.auth.hashers import make_password
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from conftest import Caller, authenticate
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from todoproj.users import accounts, jwts, logins, views
from todoproj.users.models import Login, SecurityEvent, User
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

PASSWORD = "correct horse battery"
SMTP = "django.core.mail.backends.smtp.EmailBackend"
ANOTHER = "staple of another kind"


class Api:
    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)

    def post(self, what: str, by: str | None = None, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {by}"} if by else {}
        return self.client.post(f"/api/auth/{what}/", body, content_type="application/json", headers=headers)

    def log_in(self, username: str, password: str = PASSWORD) -> Any:
        response = self.post("login", username=username, password=password)
        assert response.status_code == 200, response.content
        return response.json()

    def tasks(self, token: str) -> int:
        """The status that the person's list is answered with."""
        return int(self.client.get("/api/tasks/", headers={"Authorization": f"Bearer {token}"}).status_code)


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.fixture
def ann(db: None) -> User:
    user: User = UserFactory.create(id="ann", email="Ann@Example.com")
    user.set_password(PASSWORD)
    user.save()
    return user


def mailed_token() -> str:
    found = re.search(r"token: (\S+)", str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


class TestSignUp:
    def test_by_the_mail(self, api: Api) -> None:
        assert api.post("register", email="New@example.com").status_code == 202
        assert mail.outbox[-1].to == ["new@example.com"]
        assert not User.objects.exists()
        pair = api.post("confirm", token=mailed_token(), password=PASSWORD).json()
        assert User.objects.get().email == "new@example.com"
        assert api.tasks(pair["access"]) == 200
        api.log_in("NEW@example.com")

    def test_the_answer_is_the_same_for_an_address_that_is_known(self, api: Api, ann: User) -> None:
        known = api.post("register", email="ann@example.com")
        unknown = api.post("register", email="bob@example.com")
        User.objects.filter(pk="ann").update(is_active=False)
        inactive = api.post("register", email="ann@example.com")
        assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
        assert (known.status_code, known.content) == (inactive.status_code, inactive.content)
        assert len(mail.outbox) == 3
        assert "token" not in mail.outbox[-1].body

    def test_a_known_address_gets_a_new_password(self, api: Api, ann: User) -> None:
        before = api.log_in("ann@example.com")
        api.post("register", email="ANN@example.com")
        assert api.post("confirm", token=mailed_token(), password=ANOTHER).status_code == 200
        assert User.objects.get().pk == "ann"
        assert api.tasks(before["access"]) == 401
        api.log_in("ann@example.com", ANOTHER)

    @pytest.mark.parametrize("known", [False, True])
    def test_a_token_is_good_once(self, api: Api, ann: User, known: bool) -> None:
        api.post("register", email="ann@example.com" if known else "new@example.com")
        assert api.post("confirm", token=mailed_token(), password=ANOTHER).status_code == 200
        again = api.post("confirm", token=mailed_token(), password=PASSWORD)
        assert again.status_code == 400
        assert again.json()["errors"][0]["code"] == "refused"

    def test_a_token_expires(self, api: Api, settings: Settings) -> None:
        api.post("register", email="new@example.com")
        settings.CONFIRM_LIFETIME = dt.timedelta(seconds=-1)
        assert api.post("confirm", token=mailed_token(), password=PASSWORD).status_code == 400

    def test_one_for_somebody_deactivated_meanwhile(self, api: Api, ann: User) -> None:
        api.post("register", email="ann@example.com")
        User.objects.update(is_active=False)
        assert api.post("confirm", token=mailed_token(), password=ANOTHER).status_code == 400

    @pytest.mark.parametrize(
        ("change", "status", "left"),
        [
            (lambda ann: ann.update(is_active=False), 400, (False, True)),
            (lambda ann: ann.update(is_superuser=False), 200, (True, False)),
            (lambda ann: ann.update(tokens_valid_from=timezone.now()), 400, (True, True)),
            (lambda ann: ann.delete(), 400, None),
        ],
        ids=["deactivated", "less than they were", "logged out everywhere", "erased"],
    )
    def test_what_happens_while_the_password_is_hashed_stays(
        self,
        api: Api,
        ann: User,
        monkeypatch: pytest.MonkeyPatch,
        change: Callable[[Any], Any],
        status: int,
        left: tuple[bool, bool] | None,
    ) -> None:
        User.objects.update(is_superuser=True)
        api.post("register", email="ann@example.com")
        choose = accounts._choose

        def choose_slowly(user: User, password: str) -> None:
            choose(user, password)
            change(User.objects.filter(pk="ann"))

        monkeypatch.setattr(accounts, "_choose", choose_slowly)
        assert api.post("confirm", token=mailed_token(), password=ANOTHER).status_code == status
        assert User.objects.values_list("is_active", "is_superuser").first() == left

    @pytest.mark.parametrize("password", ["short", "12345678901", "password123", "new@example.com", ""])
    def test_a_weak_password(self, api: Api, password: str) -> None:
        api.post("register", email="new@example.com")
        refused = api.post("confirm", token=mailed_token(), password=password)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["field"] == "password"
        assert not User.objects.exists()
        # And the token is still good.
        assert api.post("confirm", token=mailed_token(), password=PASSWORD).status_code == 200

    @pytest.mark.parametrize("email", ["ann@example.com", "new@example.com"])
    def test_without_a_mail_server(self, api: Api, ann: User, settings: Settings, email: str) -> None:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", 1
        refused = api.post("register", email=email)
        assert (refused.status_code, refused.json()["detail"]) == (
            503,
            "No mail can be sent just now. Try again later.",
        )

    def test_closed(self, api: Api, settings: Settings) -> None:
        settings.SIGN_UP_OPEN = False
        assert api.post("register", email="new@example.com").status_code == 404
        assert not mail.outbox

    def test_a_page_of_ones_own(self, api: Api, settings: Settings) -> None:
        settings.CONFIRM_URL = "https://app.example.com/welcome?t={token}"
        api.post("register", email="new@example.com")
        assert re.search(r"https://app\.example\.com/welcome\?t=\S+:\S+", str(mail.outbox[-1].body))

    @pytest.mark.parametrize("email", ["", "nobody", "a@b@c", "x" * 250 + "@example.com", 5, None, "a\0@example.com"])
    def test_no_address(self, api: Api, email: Any) -> None:
        assert api.post("register", email=email).status_code == 400


class TestLogIn:
    def test_by_email_in_any_case_or_username(self, api: Api, ann: User) -> None:
        for name in ["ann@example.com", "ANN@EXAMPLE.COM", ann.username]:
            pair = api.log_in(name)
            assert api.tasks(pair["access"]) == 200
            assert pair["expires_in"] == 900

    def test_the_tools_take_the_token_too(self, api: Api, ann: User) -> None:
        token = api.log_in("ann@example.com")["access"]
        assert Caller(token).call("add_task", title="Buy milk")["status"] == "success"
        assert Caller(token).call("add_task", title="Buy milk", user_id="ann")["status"] == "success"
        assert Task.objects.filter(user=ann).count() == 2

    def test_wrong_unknown_and_inactive_are_one(self, api: Api, ann: User) -> None:
        wrong = api.post("login", username="ann@example.com", password="no")
        unknown = api.post("login", username="bob@example.com", password="no")
        User.objects.update(is_active=False)
        inactive = api.post("login", username="ann@example.com", password=PASSWORD)
        for refused in [wrong, unknown, inactive]:
            assert refused.status_code == 401
            assert refused.content == wrong.content
            assert refused["WWW-Authenticate"]

    @pytest.mark.parametrize("change", ["password", "everywhere", "deactivated", "deleted"])
    def test_not_by_a_password_that_was_checked_before(self, ann: User, change: str) -> None:
        checked = User.objects.get(pk="ann")
        match change:
            case "password":
                ann.set_password(ANOTHER)
                ann.save()
            case "everywhere":
                logins.log_out_everywhere(user_id="ann")
            case "deactivated":
                User.objects.update(is_active=False)
            case "deleted":
                ann.delete()
        with pytest.raises(logins.LogInRefused):
            logins.log_in(user=checked)
        assert not Login.objects.exists()

    def test_too_many_failures(self, api: Api, ann: User, settings: Settings) -> None:
        for name in ["ann@example.com", "ANN@example.com"] * (settings.AXES_FAILURE_LIMIT // 2):
            last = api.post("login", username=name, password="no")
        assert last.status_code == 429
        assert int(last["Retry-After"]) > 0
        # Now the right one doesn't do either, but from elsewhere it does.
        assert api.post("login", username="ann@example.com", password=PASSWORD).status_code == 429
        body = {"username": "ann@example.com", "password": PASSWORD}
        elsewhere = api.client.post("/api/auth/login/", body, content_type="application/json", REMOTE_ADDR="192.0.2.7")
        assert elsewhere.status_code == 200

    @pytest.mark.parametrize("address", ["2001:db8::1", "::1", "::ffff:192.0.2.1", "192.0.2.1", ""])
    def test_from_any_address(self, api: Api, ann: User, settings: Settings, address: str) -> None:
        settings.AXES_FAILURE_LIMIT = 3

        def log_in(password: str) -> int:
            body = {"username": "ann@example.com", "password": password}
            response = api.client.post("/api/auth/login/", body, content_type="application/json", REMOTE_ADDR=address)
            return int(response.status_code)

        assert [log_in(PASSWORD), log_in("no"), log_in("no"), log_in("no")] == [200, 401, 401, 429]
        assert log_in(PASSWORD) == 429

    def test_is_on_record_only_if_it_came_about(self, api: Api, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
        check = views._checked

        def check_slowly(*args: Any, **given: Any) -> User:
            user = check(*args, **given)
            User.objects.update(is_active=False)
            return user

        monkeypatch.setattr(views, "_checked", check_slowly)
        assert api.post("login", username="ann@example.com", password=PASSWORD).status_code == 401
        assert not SecurityEvent.objects.exists()
        assert User.objects.get().last_login is None

    @pytest.mark.parametrize("field", ["username", "password"])
    @pytest.mark.parametrize("value", [None, 5, [], {}, "", "a\0b", "x" * 2000])
    def test_no_name_or_password(self, api: Api, ann: User, field: str, value: Any) -> None:
        given = {"username": "ann@example.com", "password": PASSWORD} | {field: value}
        assert api.post("login", **given).status_code in {400, 401}


class TestRefresh:
    def test_gives_the_next_pair(self, api: Api, ann: User) -> None:
        first = api.log_in("ann@example.com")
        second = api.post("refresh", refresh=first["refresh"]).json()
        assert api.tasks(second["access"]) == 200
        assert api.post("refresh", refresh=second["refresh"]).status_code == 200

    def test_used_again_ends_the_login(self, api: Api, ann: User) -> None:
        first = api.log_in("ann@example.com")
        other = api.log_in("ann@example.com")
        second = api.post("refresh", refresh=first["refresh"]).json()
        assert api.post("refresh", refresh=first["refresh"]).status_code == 400
        assert api.post("refresh", refresh=second["refresh"]).status_code == 400
        assert api.tasks(first["access"]) == api.tasks(second["access"]) == 401
        assert api.tasks(other["access"]) == 200

    def test_a_deactivated_person(self, api: Api, ann: User) -> None:
        pair = api.log_in("ann@example.com")
        User.objects.update(is_active=False)
        assert api.tasks(pair["access"]) == 401
        assert api.post("refresh", refresh=pair["refresh"]).status_code == 400

    def test_expired(self, api: Api, ann: User) -> None:
        pair = api.log_in("ann@example.com")
        Login.objects.update(expires_at=timezone.now())
        assert api.post("refresh", refresh=pair["refresh"]).status_code == 400

    def test_an_access_token_is_none_and_the_other_way_round(self, api: Api, ann: User) -> None:
        pair = api.log_in("ann@example.com")
        assert api.post("refresh", refresh=pair["access"]).status_code == 400
        assert api.tasks(pair["refresh"]) == 401

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", 5, None, "é.é.é", "." * 3000])
    def test_garbage(self, api: Api, ann: User, token: Any) -> None:
        assert api.post("refresh", refresh=token).status_code == 400


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_one_of_forty_refreshes_wins_and_nothing_survives(self, ann: User) -> None:
        bob = UserFactory.create()
        bob.set_password(PASSWORD)
        bob.save()
        pairs = [Api().log_in(ann.username), Api().log_in(bob.username)]
        answers: list[tuple[int, Any]] = []
        start = threading.Barrier(40)

        def refresh(number: int) -> None:
            start.wait()
            response = Api().post("refresh", refresh=pairs[0]["refresh"])
            answers.append((response.status_code, response.json()))
            connection.close()

        threads = [threading.Thread(target=refresh, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(status for status, _ in answers) == [200] + [400] * 39
        (won,) = [body for status, body in answers if status == 200]
        assert Api().tasks(won["access"]) == 401
        assert Api().post("refresh", refresh=won["refresh"]).status_code == 400
        # And nobody else's.
        assert Api().tasks(pairs[1]["access"]) == 200


class TestLogOut:
    def test_ends_one_login(self, api: Api, ann: User) -> None:
        first, second = api.log_in("ann@example.com"), api.log_in("ann@example.com")
        assert api.post("logout", refresh=first["refresh"]).status_code == 204
        assert api.tasks(first["access"]) == 401
        assert api.post("refresh", refresh=first["refresh"]).status_code == 400
        assert api.tasks(second["access"]) == 200
        assert api.post("logout", refresh="x").status_code == 204

    def test_everywhere(self, api: Api, ann: User) -> None:
        first, second = api.log_in("ann@example.com"), api.log_in("ann@example.com")
        _, personal = issue_token(user_id="ann")
        browser = Client()
        browser.force_login(ann)
        assert browser.get("/connected-apps/").status_code == 200
        assert api.post("logout-everywhere", by=first["access"]).status_code == 204
        for token in [first["access"], second["access"], personal]:
            assert api.tasks(token) == 401
        assert api.post("refresh", refresh=second["refresh"]).status_code == 400
        assert browser.get("/connected-apps/").status_code == 302
        _, after = issue_token(user_id="ann")
        assert api.tasks(after) == 200
        assert api.tasks(api.log_in("ann@example.com")["access"]) == 200


class TestChangePassword:
    def test_cuts_off_what_was_issued(self, api: Api, ann: User) -> None:
        first, second = api.log_in("ann@example.com"), api.log_in("ann@example.com")
        _, personal = issue_token(user_id="ann")
        changed = api.post("password", by=first["access"], password=PASSWORD, new_password=ANOTHER)
        assert changed.status_code == 200
        for token in [first["access"], second["access"], personal]:
            assert api.tasks(token) == 401
        assert api.post("refresh", refresh=second["refresh"]).status_code == 400
        assert api.tasks(changed.json()["access"]) == 200
        assert api.post("login", username="ann@example.com", password=PASSWORD).status_code == 401
        api.log_in("ann@example.com", ANOTHER)

    def test_however_it_is_changed(self, api: Api, ann: User) -> None:
        for change in [lambda user: user.set_password(ANOTHER), User.set_unusable_password]:
            _, token = issue_token(user_id="ann")
            assert api.tasks(token) == 200
            user = User.objects.get(pk="ann")
            change(user)
            user.save()
            assert api.tasks(token) == 401

    def test_hashing_the_same_one_anew_cuts_off_nothing(self, api: Api, ann: User, settings: Settings) -> None:
        _, token = issue_token(user_id="ann")
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
        api.log_in("ann@example.com")
        assert User.objects.get(pk="ann").password.startswith("scrypt")
        assert api.tasks(token) == 200

    def test_hashing_the_former_one_anew_does_not_undo_it(self, api: Api, ann: User) -> None:
        User.objects.update(password=make_password(PASSWORD, hasher="pbkdf2_sha1"))
        checked = User.objects.get()
        ann.set_password(ANOTHER)
        ann.save()
        assert checked.check_password(PASSWORD)
        assert User.objects.get().check_password(ANOTHER)
        assert not User.objects.get().check_password(PASSWORD)

    def test_the_present_one_must_be_right(self, api: Api, ann: User) -> None:
        token = api.log_in("ann@example.com")["access"]
        assert api.post("password", by=token, password="no", new_password=ANOTHER).status_code == 401
        assert api.post("password", by=token, password=PASSWORD, new_password="short").status_code == 400
        assert api.tasks(token) == 200

    @pytest.mark.parametrize(
        ("change", "left"),
        [
            (lambda ann: ann.update(is_active=False, password="x"), [(False, "x")]),
            (lambda ann: ann.update(tokens_valid_from=timezone.now(), password="the owner's"), [(True, "the owner's")]),
            (lambda ann: ann.delete(), []),
        ],
        ids=["deactivated", "another password", "erased"],
    )
    @pytest.mark.parametrize("what", ["password", "delete-account"])
    def test_not_by_a_password_that_was_checked_before(
        self,
        api: Api,
        ann: User,
        monkeypatch: pytest.MonkeyPatch,
        change: Callable[[Any], Any],
        left: list[tuple[bool, str]],
        what: str,
    ) -> None:
        token = api.log_in("ann@example.com")["access"]
        check = views._owner

        def check_slowly(request: Any, password: str) -> User:
            user = check(request, password)
            change(User.objects.filter(pk="ann"))
            return user

        monkeypatch.setattr(views, "_owner", check_slowly)
        body = {"password": PASSWORD} | ({"new_password": ANOTHER} if what == "password" else {})
        assert api.post(what, by=token, **body).status_code == 401
        assert list(User.objects.values_list("is_active", "password")) == left

    def test_browsers_are_logged_out(self, ann: User) -> None:
        browser = Client()
        ann.is_staff = True
        ann.save()
        browser.force_login(ann)
        assert browser.get("/admin/").status_code == 200
        User.objects.filter(pk="ann").update(tokens_valid_from=timezone.now())
        assert browser.get("/admin/").status_code == 302


class TestDeleteAccount:
    def test_takes_everything_along(self, api: Api, ann: User) -> None:
        TaskFactory.create(user=ann)
        others = TaskFactory.create()
        token = api.log_in("ann@example.com")["access"]
        assert api.post("delete-account", by=token, password="no").status_code == 401
        assert api.post("delete-account", by=token, password=PASSWORD).status_code == 204
        assert not User.objects.filter(pk="ann").exists()
        assert list(Task.objects.all()) == [others]
        assert api.tasks(token) == 401

    def test_is_ones_own(self, api: Api, ann: User) -> None:
        other = UserFactory.create(username="ann@example.com", email="")
        other.set_password(PASSWORD)
        other.save()
        token = logins.log_in(user=User.objects.get(pk=other.pk)).access
        assert api.post("delete-account", by=token, password=PASSWORD).status_code == 401
        assert User.objects.filter(pk__in=["ann", other.pk]).count() == 2

    @pytest.mark.parametrize("mark", ["is_staff", "is_superuser"])
    def test_is_not_for_members_of_staff(self, api: Api, ann: User, mark: str) -> None:
        User.objects.filter(pk="ann").update(**{mark: True})
        token = api.log_in("ann@example.com")["access"]
        assert api.post("delete-account", by=token, password="no").status_code == 401
        refused = api.post("delete-account", by=token, password=PASSWORD)
        assert refused.status_code == 403
        assert "Members of staff can't delete their own account." in refused.json()["detail"]
        assert api.tasks(token) == 200


class TestAccount:
    def test_who_i_am(self, api: Api, ann: User) -> None:
        token = api.log_in("ann@example.com")["access"]
        account = api.client.get("/api/auth/account/", headers={"Authorization": f"Bearer {token}"})
        assert account.json()["id"] == "ann"
        assert api.client.get("/api/auth/account/").status_code == 401

    def test_is_nobody_elses(self, api: Api, ann: User, backend: User) -> None:
        _, token = issue_token(user_id=backend.pk)
        for whom, status in [("ann", 403), ("nobody", 403), (backend.pk, 200)]:
            headers = {"Authorization": f"Bearer {token}", "On-Behalf-Of": whom}
            assert api.client.get("/api/auth/account/", headers=headers).status_code == status
        headers = {"Authorization": f"Bearer {token}", "On-Behalf-Of": "ann"}
        assert api.client.post("/api/auth/logout-everywhere/", headers=headers).status_code == 403
        assert authenticate(token) is not None


def forged(of: Login, /, **changes: Any) -> str:
    """An access token as this server signs it, with other claims or another key."""
    headers = {"kid": changes.pop("kid", next(iter(jwts._current_keys())))}
    key = changes.pop("key", jwts._current_keys()[next(iter(jwts._current_keys()))])
    algorithm = changes.pop("algorithm", "HS256")
    now = timezone.now()
    claims = {"iss": "todoproj", "aud": "todoproj/access", "sub": of.user_id, "login": of.pk, "iat": now}
    claims |= {"exp": now + dt.timedelta(minutes=1)} | changes
    claims = {name: value for name, value in claims.items() if value is not ...}
    text = json.dumps(claims, default=lambda value: int(value.timestamp()))
    # Not jwt.encode(), which refuses what is to be refused here.
    return jwt.PyJWS().encode(text.encode(), key, algorithm, headers)


class TestClearing:
    def test_removes_what_has_ended_and_nothing_else(self, ann: User, capsys: pytest.CaptureFixture[str]) -> None:
        past = timezone.now() - dt.timedelta(days=1)
        kept, logged_out, expired = [logins.log_in(user=ann) for _ in range(3)]
        logins.log_out(token=logged_out.refresh)
        newest = Login.objects.latest("pk")
        Login.objects.filter(pk=newest.pk).update(refreshed_at=past, expires_at=past)
        call_command("clear_expired")
        assert "2 logins" in capsys.readouterr().out
        assert Login.objects.count() == 1
        assert logins.refresh(token=kept.refresh)
        for token in [logged_out.refresh, expired.refresh]:
            with pytest.raises(logins.RefreshRefused):
                logins.refresh(token=token)


class TestForgedTokens:
    @pytest.mark.parametrize(
        "changes",
        [
            {"algorithm": "none", "key": None},
            {"algorithm": "HS384"},
            {"key": b"k" * 32},
            {"kid": "unknown"},
            {"iss": "another"},
            {"iss": ...},
            {"aud": "todoproj/refresh"},
            {"aud": ["todoproj/access", "another"]},
            {"aud": ...},
            {"exp": ...},
            {"exp": 1},
            {"exp": "soon"},
            {"nbf": 4_000_000_000},
            {"iat": ...},
            {"iat": 4_000_000_000},
            {"sub": 5},
            {"sub": ...},
            {"sub": "another"},
            {"login": ...},
            {"login": "x"},
            {"login": None},
            {"login": 0},
        ],
        ids=str,
    )
    def test_is_refused(self, api: Api, ann: User, changes: dict[str, Any]) -> None:
        api.log_in("ann@example.com")
        login = Login.objects.get()
        assert api.tasks(forged(login)) == 200
        assert api.tasks(forged(login, **changes)) == 401
        assert Caller(forged(login, **changes)).raw_call("list_tasks").status_code == 401


class TestKeys:
    def test_a_former_secret_key_stays_good_until_it_is_dropped(self, api: Api, ann: User, settings: Settings) -> None:
        before = api.log_in("ann@example.com")
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a new secret key, which is also long enough for it to be taken"
        assert api.tasks(before["access"]) == 200
        after = api.post("refresh", refresh=before["refresh"]).json()
        settings.SECRET_KEY_FALLBACKS = []
        assert api.tasks(before["access"]) == 401
        assert api.tasks(after["access"]) == 200
