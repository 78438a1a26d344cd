"""Personal tokens: issued, used, expired, revoked."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from conftest import authenticate
from todoproj.users.models import PersonalToken, Scope, User
from todoproj.users.principals import bearer_token
from todoproj.users.services import issue_token, token_digest

pytestmark = pytest.mark.django_db


class TestIssueToken:
    def test_only_the_digest_is_kept(self, ann: User) -> None:
        record, token = issue_token(user_id="ann", name=" laptop ")
        assert token.startswith("todo_")
        assert len(token) == len("todo_") + 43  # 256 bits
        kept = PersonalToken.objects.values().get()
        assert token not in str(kept)
        assert token[5:] not in str(kept)
        assert kept["digest"] == token_digest(token)
        assert (kept["name"], kept["expires_at"]) == ("laptop", None)
        assert kept["scopes"] == "tasks:read tasks:write chats:read chats:write"
        assert record.revoked_at is None

    @pytest.mark.parametrize(
        "wrong",
        [
            {"scopes": []},
            {"scopes": ["tasks:read", "everything"]},
            {"expires_at": timezone.now() - timedelta(days=1)},
            {"name": "x" * 101},
            {"name": "\0"},
        ],
    )
    def test_refuses(self, ann: User, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError) as refused:
            issue_token(user_id="ann", **wrong)
        assert set(refused.value.message_dict) == set(wrong)
        assert not PersonalToken.objects.exists()

    def test_nobody_and_the_deactivated_get_none(self, ann: User) -> None:
        with pytest.raises(User.DoesNotExist):
            issue_token(user_id="nobody")
        User.objects.update(is_active=False)
        with pytest.raises(User.DoesNotExist):
            issue_token(user_id="ann")


class TestAuthenticate:
    def test_a_person(self, ann: User) -> None:
        _, token = issue_token(user_id="ann", scopes=[Scope.TASKS_READ])
        principal = authenticate(token)
        assert principal is not None
        assert (principal.user_id, principal.acts_for_any_user) == ("ann", False)
        assert principal.scopes == {"tasks:read"}
        assert principal.may_act_for("ann")
        assert not principal.may_act_for("Ann")

    def test_a_service_account(self, backend: User) -> None:
        principal = authenticate(issue_token(user_id="backend")[1])
        assert principal is not None
        assert principal.acts_for_any_user
        assert principal.may_act_for("anyone")

    def test_costs_one_query_once_it_was_used(self, ann: User, django_assert_num_queries: Any) -> None:
        _, token = issue_token(user_id="ann")
        authenticate(token)
        with django_assert_num_queries(1):
            authenticate(token)
        with django_assert_num_queries(0):
            authenticate("some other kind of token")

    @pytest.mark.parametrize("change", ["expire", "revoke", "deactivate", "delete"])
    def test_ends_at_once(self, ann: User, change: str) -> None:
        record, token = issue_token(user_id="ann", expires_at=timezone.now() + timedelta(hours=1))
        assert authenticate(token) is not None
        assert PersonalToken.objects.usable().exists()
        match change:
            case "expire":
                PersonalToken.objects.update(expires_at=timezone.now())
            case "revoke":
                assert PersonalToken.objects.all().revoke() == 1
                assert PersonalToken.objects.all().revoke() == 0
            case "deactivate":
                User.objects.update(is_active=False)
            case "delete":
                record.delete()
        assert authenticate(token) is None
        assert not PersonalToken.objects.usable().exists()

    @pytest.mark.parametrize(
        ("header", "token"),
        [
            (None, None),
            ("", None),
            ("Bearer", None),
            ("Bearer  ", None),
            ("Basic x", None),
            ("Bearer x", "x"),
            ("BEARER  x ", "x"),
        ],
    )
    def test_the_header(self, header: str | None, token: str | None) -> None:
        assert bearer_token(header) == token


class TestCommand:
    def run(self, *arguments: str) -> tuple[str, str]:
        out, err = StringIO(), StringIO()
        call_command("issue_token", *arguments, stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    def test_prints_the_token_alone(self, ann: User) -> None:
        out, err = self.run("ann")
        token = out.removesuffix("\n")
        assert "\n" not in token
        assert authenticate(token) is not None
        assert token not in err
        assert "ann" in err

    def test_options(self, ann: User) -> None:
        out, err = self.run("ann", "--scope", "tasks:read", "--days", "7", "--name", "Claude on my laptop")
        record = PersonalToken.objects.get()
        assert (record.scopes, record.name) == ("tasks:read", "Claude on my laptop")
        assert record.expires_at is not None
        assert abs(record.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
        assert "Claude on my laptop" in err
        assert out.startswith("todo_")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["nobody"],
            ["ann", "--days", "0"],
            ["ann", "--days", "-1"],
            ["ann", "--days", "999999999999"],
            ["ann", "--scope", "x"],
        ],
    )
    def test_what_it_refuses(self, ann: User, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            self.run(*arguments)
        assert not PersonalToken.objects.exists()
