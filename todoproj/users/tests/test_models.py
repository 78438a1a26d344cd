"""What the database holds of people and tokens, whoever writes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from todoproj.users.models import PersonalToken, User
from todoproj.users.tests.factories import PersonalTokenFactory, UserFactory

pytestmark = pytest.mark.django_db


class TestUser:
    def test_the_id_is_given_or_random(self) -> None:
        assert UserFactory.create(id="from-elsewhere").pk == "from-elsewhere"
        assert UUID(UserFactory.create().pk).version == 4

    def test_ids_are_compared_exactly(self) -> None:
        UserFactory.create(id="Ann")
        UserFactory.create(id="ann")
        assert not User.objects.filter(pk="ANN").exists()

    @pytest.mark.parametrize("id", ["", " ann", "ann ", "\n", "a\0", "\ud800", "x" * 256])
    def test_ids_that_are_refused(self, id: str) -> None:
        with pytest.raises(ValidationError) as refused:
            UserFactory.build(id=id).full_clean(exclude=["password"], validate_unique=False, validate_constraints=False)
        assert set(refused.value.message_dict) == {"id"}

    def test_the_database_refuses_an_empty_id(self) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            UserFactory.create(id="")

    def test_email_is_unique_without_case(self) -> None:
        UserFactory.create(email="Ann@example.com")
        with pytest.raises(IntegrityError), transaction.atomic():
            UserFactory.create(email="ann@EXAMPLE.com")

    def test_many_may_have_no_email(self) -> None:
        UserFactory.create_batch(2, email="")


class TestPersonalToken:
    @pytest.mark.parametrize("change", [{"scopes": ""}, {"digest": None}, {"user_id": None}])
    def test_the_database_refuses(self, change: dict[str, Any]) -> None:
        token = PersonalTokenFactory.create()
        with pytest.raises(IntegrityError), transaction.atomic():
            PersonalToken.objects.filter(pk=token.pk).update(**change)

    def test_digests_are_unique(self) -> None:
        token = PersonalTokenFactory.create()
        with pytest.raises(IntegrityError), transaction.atomic():
            PersonalTokenFactory.create(digest=token.digest)

    def test_tokens_go_with_their_person(self) -> None:
        PersonalTokenFactory.create().user.delete()
        assert not PersonalToken.objects.exists()
