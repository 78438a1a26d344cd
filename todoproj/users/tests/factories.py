"""Made-up people, tokens and events."""

import factory

from todoproj.users.models import PersonalToken, SecurityEvent, User


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


class SecurityEventFactory(factory.django.DjangoModelFactory[SecurityEvent]):
    class Meta:
        model = SecurityEvent

    kind = SecurityEvent.Kind.LOGGED_IN
    user = factory.SubFactory(UserFactory)
    by = factory.SubFactory(UserFactory)
    address = "192.0.2.1"
