"""What the tests of the admin of conversations share."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory


@pytest.fixture
def staff(client: Client) -> Callable[..., User]:
    """Log somebody in who has these permissions."""

    def log_in(*codenames: str) -> User:
        user: User = UserFactory.create(is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return user

    return log_in
