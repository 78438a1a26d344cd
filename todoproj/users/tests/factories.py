"""Made-up people and tokens."""

import factory

from todoproj.users.models import PersonalToken, User


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"person{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")


class PersonalTokenFactory(factory.django.DjangoModelFactory[PersonalToken]):
    """The record of a token; a token that can be used comes from `services.issue_token`."""

    class Meta:
        model = PersonalToken

    user = factory.SubFactory(UserFactory)
    digest = factory.Sequence(lambda n: f"{n:064x}")
    scopes = "tasks:read tasks:write"
