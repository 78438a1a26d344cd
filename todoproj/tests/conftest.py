from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

    from todoproj.tests.browsing import Pages, Scheme

# What a browser needs is not imported at the top, since most tests here have no use for it.


@pytest.fixture(scope="module")
def browser(django_db_setup: None) -> Iterator[Browser]:
    """A browser for all tests of a module, each of which opens pages, or contexts, of its own."""
    from todoproj.tests.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture
def pages(browser: Browser, live_server: LiveServer) -> Iterator[Pages]:
    from todoproj.tests.browsing import Pages

    pages = Pages(browser, live_server.url)
    yield pages
    pages.close()


@pytest.fixture
def admin(db: None) -> User:
    """An administrator, who can log in with the password."""
    from todoproj.tests.browsing import PASSWORD

    user: User = User.objects.create_superuser(
        username="admin", email="admin@example.com", password=PASSWORD, id="admin"
    )
    return user


@pytest.fixture
def scheme() -> Scheme:
    """The colours that the system of whoever looks at `page` asks for."""
    return "light"


@pytest.fixture
def page(pages: Pages, admin: User, scheme: Scheme) -> Page:
    """A page in which an administrator has logged in."""
    return pages.open(reverse("admin:index"), admin, color_scheme=scheme)


@pytest.fixture
def open_as(pages: Pages) -> Callable[..., Page]:
    """Opens a page for a member of staff with some permissions."""

    def open(path: str, *permissions: str, width: int = 1280, scheme: Scheme = "light", **options: Any) -> Page:
        # By a name that is the same in every picture.
        user = UserFactory.create(is_staff=True, username=f"staff{len(pages.contexts) + 1}")
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        return pages.open(path, user, {"width": width, "height": 900}, color_scheme=scheme, **options)

    return open
