"""What tests in a browser share: pages in which somebody has logged in, and what makes a page one for everybody."""

from __future__ import annotations

import os
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, ViewportSize

from mcp_tools.tests.running import PATIENCE
from todoproj.users.models import User

Scheme = Literal["light", "dark"]

PASSWORD = "a-long-made-up-password-7"
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
# Below what is in a picture.
MARGIN = 10
PICTURES = settings.BASE_DIR / "docs" / "pictures"


class Pages:
    """Opens pages, each in a browser of its own, with cookies of its own."""

    def __init__(self, browser: Browser, site: str) -> None:
        self.browser = browser
        self.site = site
        self.contexts: list[BrowserContext] = []

    def open(self, path: str, user: User | None = None, size: ViewportSize = DESKTOP, **options: Any) -> Page:
        """The page at the path, in a window of this size, in which the user has logged in."""
        context = self.browser.new_context(base_url=self.site, viewport=size, **options)
        context.set_default_timeout(PATIENCE * 1000)
        self.contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            session = client.cookies[settings.SESSION_COOKIE_NAME]
            context.add_cookies([{"name": session.key, "value": session.value, "url": self.site}])
        # The site has none, and browsers complain of that.
        context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        page = context.new_page()
        self.watch(page)
        page.goto(path)
        return page

    def watch(self, page: Page) -> None:
        """Is told of each page before it is opened."""

    def close(self) -> None:
        for context in self.contexts:
            context.close()


def follow(target: Locator, key: str | None = None) -> Response:
    """What a click on a link or a button leads to, or a key with the focus on it: the page has loaded.

    A click alone is over before the next page comes, and what is read then may still be of the last one.
    """
    with target.page.expect_navigation() as answer:
        if key is None:
            target.click()
        else:
            target.press(key)
    response = answer.value
    assert response is not None
    return response


def faults(page: Page) -> list[tuple[str, str]]:
    """The rules of axe-core's (WCAG 2 and good practice) that are broken on the page: the impact of each, and where."""
    return [
        (fault["impact"], f"{fault['id']}: {fault['help']}: {[node['html'] for node in fault['nodes']]}")
        for fault in Axe().run(page).response["violations"]
    ]


def serious_faults(page: Page) -> list[str]:
    """Those that keep people from using the page."""
    return [fault for impact, fault in faults(page) if impact in {"serious", "critical"}]


def assert_accessible(page: Page) -> None:
    """On every screen, no serious rule is broken, such as on contrast."""
    for size in [PHONE, DESKTOP]:
        page.set_viewport_size(size)
        assert serious_faults(page) == []


def take_picture(page: Page, name: str, *, of: str = "body", until: str) -> None:
    """Make the picture in docs/ anew, if that is asked for: of an element, down to the end of one that is in it."""
    if os.environ.get("UPDATE_SNAPSHOT"):
        # Boxes are measured from the top of what is seen.
        page.evaluate("scrollTo(0, 0)")
        whole, last = page.locator(of).bounding_box(), page.locator(until).bounding_box()
        assert whole is not None
        assert last is not None
        # Nothing is pointed at.
        page.mouse.move(0, 0)
        clip = whole | {"height": last["y"] + last["height"] + MARGIN - whole["y"]}
        page.screenshot(path=PICTURES / f"{name}.png", full_page=True, clip=clip)


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def has_cut_columns(page: Page) -> bool:
    """Whether a column of a list is out of sight."""
    return bool(page.locator(".results").evaluate("results => results.scrollWidth > results.clientWidth"))


def status_of_post(page: Page, path: str, **form: str) -> int:
    """What a form gets that is sent to this path with the token of the page."""
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    return page.request.post(path, form={**form, "csrfmiddlewaretoken": token}, max_redirects=0).status
