"""A person's browser, as far as links and forms go. It runs no JavaScript, which no page here needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx

from mcp_tools.tests.running import PATIENCE
from todoproj.users.models import User
from todoproj.users.tests.factories import UserFactory

PASSWORD = "correct horse battery"


@dataclass
class Form:
    """A form of a page: what it holds, and its buttons by what they say."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._button: dict[str, str | None] | None = None
        self._says = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        if tag == "form":
            self.forms.append(Form(about.get("action") or ""))
        elif tag == "input" and (name := about.get("name")):
            self.forms[-1].values[name] = about.get("value") or ""
        elif tag == "button":
            self._button, self._says = about, ""

    def handle_data(self, data: str) -> None:
        self._says += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None:
            name = self._button.get("name")
            self.forms[-1].buttons[self._says.strip()] = {name: self._button.get("value") or ""} if name else {}
            self._button = None


class Browser:
    """Whose pages are those of one site, until the `with` ends."""

    def __init__(self, site: str, user: User) -> None:
        """user: a person who knows PASSWORD."""
        self.site = site
        self.user = user
        self.http = httpx.Client(timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def open(self, url: str) -> httpx.Response:
        """The page at a URL, or the redirect that leads away from the site."""
        return self._follow(self.http.get(urljoin(self.site, url)))

    def press(self, page: httpx.Response, button: str, **typed: str) -> httpx.Response:
        """The page after a button was pressed, with this typed into its form."""
        assert page.status_code == 200, page.text
        form = next(form for form in _Forms(page.text).forms if button in form.buttons)
        assert typed.keys() <= form.values.keys(), form
        url = urljoin(str(page.url), form.action)
        sent = form.values | typed | form.buttons[button]
        return self._follow(self.http.post(url, data=sent, headers={"Origin": self.site, "Referer": str(page.url)}))

    def log_in(self, page: httpx.Response) -> httpx.Response:
        """The page that was asked for, where another asks who it is first."""
        if page.url.path != "/login/":
            return page
        return self.press(page, "Log in", username=self.user.username, password=PASSWORD)

    def answer(self, url: str, button: str = "Connect") -> str:
        """Where an app sends the person, they answer; the URL that they are sent back to."""
        back = self.press(self.log_in(self.open(url)), button)
        assert back.is_redirect, back.text
        return back.headers["Location"]

    def disconnect(self) -> None:
        """End what the first app may do that is listed."""
        page = self.log_in(self.open("/connected-apps/"))
        assert self.press(page, "Disconnect").status_code == 200

    def _follow(self, response: httpx.Response) -> httpx.Response:
        while response.next_request is not None and str(response.next_request.url).startswith(self.site + "/"):
            response = self.http.send(response.next_request)
        return response


def person(**about: str) -> User:
    """Somebody who knows PASSWORD."""
    user: User = UserFactory.build(**about)
    user.set_password(PASSWORD)
    user.save()
    return user
