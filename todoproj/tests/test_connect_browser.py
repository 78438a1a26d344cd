"""The pages on which people connect apps, in a real browser: what they say, and that everybody can use them."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.utils import timezone
from oauth2_provider.models import Application
from playwright.sync_api import Page, Response, ViewportSize, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from mcp_tools.tests.running import PATIENCE
from todoproj.oauth.tests.factories import AccessTokenFactory, ApplicationFactory, RefreshTokenFactory
from todoproj.tests.browsing import DESKTOP, PASSWORD, PHONE, PICTURES, Pages, faults, follow
from todoproj.tests.distant import DistantClient
from todoproj.users.models import MCP_SCOPES, Scope, User
from todoproj.users.tests.factories import UserFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SMALLEST: ViewportSize = {"width": 320, "height": 568}
PICTURE: ViewportSize = {"width": 420, "height": 640}


@dataclass
class App(DistantClient):
    """An app on the person's own computer, to which the browser brings the answer (RFC 8252 section 7.3)."""

    answers: list[dict[str, str]] = field(default_factory=list)

    def statuses(self, token: str) -> set[int]:
        """What the tools and the REST API answer the token with."""
        headers = {"Authorization": f"Bearer {token}"}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        by_tools = httpx.post(f"{self.site}/mcp", json=message, headers=headers, timeout=PATIENCE)
        by_rest = httpx.get(f"{self.site}/api/tasks/", headers=headers, timeout=PATIENCE)
        return {by_tools.status_code, by_rest.status_code}


@pytest.fixture
def ann(db: None) -> User:
    user: User = UserFactory.create(id="ann", username="ann", email="ann@example.com")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def app(live_server: LiveServer) -> Iterator[App]:
    application = ApplicationFactory.create(name="Claude", redirect_uris="http://127.0.0.1/callback")
    app = App(application, site=live_server.url)

    class Callback(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            app.answers.append({name: value for name, [value] in parse_qs(urlsplit(self.path).query).items()})
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b'<title>Back in the app</title><link rel="icon" href="data:,">')

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Callback) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        app.redirect_uri = f"http://127.0.0.1:{server.server_port}/callback"
        yield app
        server.shutdown()
        thread.join()


def stranger(name: str = "Claude") -> Application:
    """A client that introduced itself by a document at its id."""
    application: Application = ApplicationFactory.create(
        name=name,
        client_id="https://client.example.com/metadata.json",
        redirect_uris="https://app.example.com/callback",
        registration_source=Application.RegistrationSource.CIMD,
        cimd_expires_at=timezone.now() + dt.timedelta(days=1),
    )
    return application


def press(page: Page, button: str) -> Response:
    """The answer to a form, after all redirects."""
    return follow(page.get_by_role("button", name=button))


def log_in(page: Page, password: str = PASSWORD) -> Response:
    """The answer to the form, after all redirects."""
    page.get_by_label("Email address or username").fill("ann@example.com")
    page.get_by_label("Password").fill(password)
    return press(page, "Log in")


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def assert_fits(page: Page) -> None:
    """Nothing has to be scrolled sideways, and nothing is cut off at the side."""
    widest = page.evaluate(
        """Math.max(
            document.documentElement.scrollWidth,
            ...[...document.body.querySelectorAll("*")].map((element) => element.getBoundingClientRect().right)
        )"""
    )
    assert widest <= page.evaluate("document.documentElement.clientWidth")


class TestLogin:
    def test_leads_on_to_what_was_asked(self, pages: Pages, app: App, ann: User) -> None:
        page = pages.open(app.authorize_url())
        expect(page.get_by_role("main")).to_contain_text("An app asks to be connected.")

        log_in(page)

        assert heading(page) == "Connect Claude?"

    def test_says_what_to_do_about_a_wrong_password(self, pages: Pages, app: App, ann: User) -> None:
        page = pages.open(app.authorize_url())

        assert log_in(page, "wrong").status == 200

        expect(page.get_by_role("alert")).to_contain_text("Check both, and try again.")
        expect(page.get_by_label("Email address or username")).to_have_value("ann@example.com")
        expect(page.get_by_label("Password")).to_be_focused()
        log_in(page)
        assert heading(page) == "Connect Claude?"

    def test_tells_whoever_gave_too_many_wrong_passwords_to_wait(
        self, pages: Pages, app: App, ann: User, settings: Settings
    ) -> None:
        settings.AXES_FAILURE_LIMIT = 2
        page = pages.open(app.authorize_url())
        log_in(page, "wrong")

        refused = log_in(page, "wrong")

        assert (refused.status, refused.headers["retry-after"]) == (429, "900")
        expect(page.get_by_role("alert")).to_contain_text("Too many wrong passwords")
        expect(page.get_by_role("main")).to_contain_text("Wait 15 minutes")
        follow(page.get_by_role("link", name="Back to the login"))
        expect(page.get_by_role("main")).to_contain_text("An app asks to be connected.")
        assert log_in(page).status == 429

    @pytest.mark.parametrize("path", ["/connected-apps/", "/admin/"])
    def test_tells_an_address_that_tries_too_often_to_wait(
        self, pages: Pages, ann: User, settings: Settings, path: str
    ) -> None:
        settings.THROTTLE_LOGIN = 1
        page = pages.open(path)

        # A new minute may begin meanwhile.
        for _ in range(3):
            page.fill("#id_username", "ann")
            page.fill("#id_password", "wrong")
            answer = press(page, "Log in")
            if answer.status != 200:
                break

        assert answer.status == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        expect(page.get_by_role("main")).to_contain_text("Wait a minute, and try again.")
        follow(page.get_by_role("link", name="Back to the login"))
        expect(page.get_by_label("Password")).to_be_visible()


class TestConsent:
    def test_says_who_asks_for_what(self, pages: Pages, app: App, ann: User) -> None:
        page = pages.open(app.authorize_url(), user=ann)

        assert heading(page) == "Connect Claude?"
        main = page.get_by_role("main")
        allowed = [scope.label for scope in MCP_SCOPES]
        for said in ["ann@example.com", *allowed, app.redirect_uri.removesuffix("/callback"), f"{app.site}/mcp"]:
            expect(main).to_contain_text(str(said))
        expect(main).not_to_contain_text("conversations")
        expect(main).to_contain_text("a program on your own computer")

    def test_names_the_host_of_a_document_and_warns(self, pages: Pages, ann: User, live_server: LiveServer) -> None:
        app = App(stranger(), site=live_server.url)

        main = pages.open(app.authorize_url(), user=ann).get_by_role("main")

        for said in ["client.example.com", "https://app.example.com", "nobody has checked it"]:
            expect(main).to_contain_text(said)
        expect(main).not_to_contain_text("your own computer")

    def test_agreed_to_connects_the_app(self, pages: Pages, app: App, ann: User) -> None:
        page = pages.open(app.authorize_url(), user=ann)

        press(page, "Connect")

        expect(page).to_have_title("Back in the app")
        [answer] = app.answers
        assert (answer["state"], answer["iss"]) == ("xyz", app.site)
        assert app.statuses(app.redeem(answer["code"]).json()["access_token"]) == {200}

    def test_cancelled_tells_the_app(self, pages: Pages, app: App, ann: User) -> None:
        page = pages.open(app.authorize_url(), user=ann)

        press(page, "Cancel")

        expect(page).to_have_title("Back in the app")
        [answer] = app.answers
        assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "xyz", app.site)

    @pytest.mark.parametrize("size", [DESKTOP, SMALLEST], ids=["desktop", "smallest"])
    @pytest.mark.parametrize(
        "name",
        [
            "<script>document.title = 'owned'</script><h1>Trusted</h1>",
            "</bdi></h1><form action='https://evil.example.com'><button>Connect</button></form>",
            "{{ user.password }}{% debug %}",
            "X" * 100,
            "🦊🧨🎉" * 33,
            "مرحبا بالعالم",
            "Stack" + "\N{COMBINING GRAVE ACCENT}" * 95,
        ],
        ids=["script", "form", "template", "long", "emoji", "right to left", "stacked marks"],
    )
    def test_shows_any_name_as_no_more_than_a_name(
        self, pages: Pages, app: App, ann: User, name: str, size: ViewportSize
    ) -> None:
        Application.objects.update(name=name)

        page = pages.open(app.authorize_url(), ann, size)

        headings = page.get_by_role("heading")
        expect(headings).to_have_count(1)
        expect(headings).to_have_text(f"Connect {name}?")
        expect(page).to_have_title("Connect an app - todoproj")
        expect(page.get_by_role("main").get_by_role("button")).to_have_text(["Connect", "Cancel"])
        assert_fits(page)
        press(page, "Connect")
        assert "code" in app.answers[0]

    def test_keeps_a_name_that_is_read_from_right_to_left_in_its_place(self, pages: Pages, app: App, ann: User) -> None:
        Application.objects.update(name="\N{HEBREW LETTER ALEF}")

        page = pages.open(app.authorize_url(), user=ann)

        name_ends, mark_begins = page.evaluate(
            """() => {
                const name = document.querySelector("h1 bdi")
                const mark = document.createRange()
                mark.selectNode(name.nextSibling)
                return [name.getBoundingClientRect().right, mark.getBoundingClientRect().left]
            }"""
        )
        assert mark_begins >= name_ends


class TestConnectedApps:
    def test_are_closed_to_whoever_has_logged_out(self, pages: Pages, ann: User) -> None:
        page = pages.open("/connected-apps/", user=ann)

        press(page, "Log out")

        page.goto("/connected-apps/")
        assert heading(page) == "Log in"

    def test_say_what_each_may(self, pages: Pages, app: App, ann: User) -> None:
        press(pages.open(app.authorize_url(scope="tasks:read"), user=ann), "Connect")
        app.redeem(app.answers[0]["code"])

        shown = pages.open("/connected-apps/", user=ann).get_by_role("region", name="Claude")

        expect(shown).to_contain_text(str(Scope.TASKS_READ.label))
        expect(shown).to_contain_text("http://127.0.0.1")
        expect(shown).not_to_contain_text(str(Scope.TASKS_WRITE.label))


def walk(page: Page, app: App, press: Callable[[Page, str], Any]) -> None:
    """All the way: log in, connect the app, disconnect it. The page is the one where it begins."""
    press(page, "Log in")
    assert heading(page) == "Connect Claude?"
    press(page, "Connect")
    expect(page).to_have_title("Back in the app")
    tokens = app.redeem(app.answers[0]["code"]).json()
    assert app.statuses(tokens["access_token"]) == {200}

    page.goto("/connected-apps/")
    expect(page.get_by_role("region", name="Claude")).to_be_visible()
    press(page, "Disconnect")
    expect(page.get_by_role("status")).to_contain_text("Disconnected.")
    expect(page.get_by_role("main")).to_contain_text("No app is connected.")
    assert app.statuses(tokens["access_token"]) == {401}
    assert app.refresh(tokens["refresh_token"]).status_code == 400


class TestAllTheWay:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
    def test_with_a_mouse(self, pages: Pages, app: App, ann: User, scheme: str, script: bool) -> None:
        page = pages.open(app.authorize_url(), color_scheme=scheme, java_script_enabled=script)
        page.get_by_label("Email address or username").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)

        walk(page, app, press)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_with_a_finger(self, pages: Pages, app: App, ann: User, scheme: str) -> None:
        page = pages.open(app.authorize_url(), size=PHONE, color_scheme=scheme, is_mobile=True, has_touch=True)
        page.get_by_label("Email address or username").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)

        def tap(page: Page, name: str) -> None:
            button = page.get_by_role("button", name=name)
            size = button.bounding_box()
            assert size is not None
            assert size["height"] >= 44
            with page.expect_navigation():
                button.tap()

        walk(page, app, tap)

    def test_with_the_keyboard(self, pages: Pages, app: App, ann: User) -> None:
        page = pages.open(app.authorize_url())
        # The cursor waits in the first field.
        expect(page.get_by_label("Email address or username")).to_be_focused()
        page.keyboard.type("ann")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)

        def tab_and_enter(page: Page, name: str) -> None:
            button = page.get_by_role("button", name=name)
            for _ in range(20):
                page.keyboard.press("Tab")
                if button.evaluate("button => button === document.activeElement"):
                    break
            # Whoever gets there sees that they are there.
            assert button.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
            with page.expect_navigation():
                page.keyboard.press("Enter")

        walk(page, app, tab_and_enter)


# How each page is reached from the consent page, on which Ann is logged in.


def consent(page: Page, app: App) -> None:
    assert heading(page) == "Connect Claude?"


def consent_for_a_stranger(page: Page, app: App) -> None:
    page.goto(App(stranger(), site=app.site).authorize_url())
    expect(page.get_by_role("main")).to_contain_text("client.example.com")


def error(page: Page, app: App) -> None:
    page.goto(app.authorize_url(client_id="unknown"))
    assert heading(page) == "The app can't be connected"


def forged_form(page: Page, app: App) -> None:
    page.evaluate("document.querySelector('main [name=csrfmiddlewaretoken]').remove()")
    assert press(page, "Connect").status == 403


def login(page: Page, app: App) -> None:
    page.context.clear_cookies()
    page.reload()
    assert heading(page) == "Log in"


def refused_login(page: Page, app: App) -> None:
    login(page, app)
    log_in(page, "wrong")


def lockout(page: Page, app: App) -> None:
    refused_login(page, app)
    assert log_in(page, "wrong").status == 429


def connected_apps(page: Page, app: App) -> None:
    for application in [app.application, stranger("MCP Inspector")]:
        held = AccessTokenFactory.create(user=User.objects.get(), application=application, scope=" ".join(MCP_SCOPES))
        RefreshTokenFactory.create(access_token=held)
    page.goto("/connected-apps/")
    expect(page.get_by_role("region")).to_have_count(2)


def disconnected_app(page: Page, app: App) -> None:
    RefreshTokenFactory.create(access_token__user=User.objects.get(), access_token__application=app.application)
    page.goto("/connected-apps/")
    press(page, "Disconnect")


# Those that README.md shows.
PICTURED = {login: "login", consent_for_a_stranger: "consent", connected_apps: "connected-apps"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "reach",
    [
        consent,
        consent_for_a_stranger,
        error,
        forged_form,
        login,
        refused_login,
        lockout,
        connected_apps,
        disconnected_app,
    ],
)
def test_every_page_is_for_everybody(
    pages: Pages, app: App, ann: User, settings: Settings, reach: Callable[[Page, App], None], scheme: str
) -> None:
    """On every screen it fits, and breaks no rule of axe-core's, such as on contrast."""
    settings.AXES_FAILURE_LIMIT = 2
    page = pages.open(app.authorize_url(), user=ann, color_scheme=scheme)
    reach(page, app)

    for size in [SMALLEST, PHONE, DESKTOP]:
        page.set_viewport_size(size)
        assert_fits(page)
        assert faults(page) == []

    if os.environ.get("UPDATE_SNAPSHOT") and reach in PICTURED:
        page.set_viewport_size(PICTURE)
        page.screenshot(path=PICTURES / f"{PICTURED[reach]}-{scheme}.png")
