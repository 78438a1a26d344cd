"""Made-up clients, and what they hold."""

import datetime as dt
from uuid import uuid4

import factory
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, Grant, RefreshToken

from todoproj.users.tests.factories import UserFactory


def _soon() -> dt.datetime:
    return timezone.now() + dt.timedelta(minutes=1)


class ApplicationFactory(factory.django.DjangoModelFactory[Application]):
    """A client that people run themselves."""

    class Meta:
        model = Application

    name = factory.Sequence(lambda n: f"App {n}")
    client_type = Application.CLIENT_PUBLIC
    authorization_grant_type = Application.GRANT_AUTHORIZATION_CODE
    redirect_uris = "https://app.example.com/callback"


class AccessTokenFactory(factory.django.DjangoModelFactory[AccessToken]):
    """The record of a token; one that can be used comes from `/o/token/`."""

    class Meta:
        model = AccessToken

    user = factory.SubFactory(UserFactory)
    application = factory.SubFactory(ApplicationFactory)
    token_checksum = factory.Sequence(lambda n: f"{n:064x}")
    expires = factory.LazyFunction(_soon)
    scope = "tasks:read"


class RefreshTokenFactory(factory.django.DjangoModelFactory[RefreshToken]):
    """The record of a token; one that can be used comes from `/o/token/`."""

    class Meta:
        model = RefreshToken

    access_token = factory.SubFactory(AccessTokenFactory)
    user = factory.SelfAttribute("access_token.user")
    application = factory.SelfAttribute("access_token.application")
    token_checksum = factory.Sequence(lambda n: f"{n:064x}")
    token_family = factory.LazyFunction(uuid4)


class GrantFactory(factory.django.DjangoModelFactory[Grant]):
    class Meta:
        model = Grant

    user = factory.SubFactory(UserFactory)
    application = factory.SubFactory(ApplicationFactory)
    code = factory.Sequence(lambda n: f"code{n}")
    expires = factory.LazyFunction(_soon)
    redirect_uri = "https://app.example.com/callback"
    scope = "tasks:read"
