"""Django's middleware for pages that people open in a browser.

Programs bring a token with every request: for them there is no session, nobody logged in by it, and no message to show.
Each of these costs every call some microseconds, so what only programs call passes them by.
"""

from collections.abc import Awaitable

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

# Nothing here may count a cookie as anything.
PROGRAMS_ONLY = ("/mcp", "/api/", "/health")


class ForBrowsers(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if request.path_info.startswith(PROGRAMS_ONLY):
            return self.get_response(request)
        return super().__call__(request)


class SessionMiddleware(ForBrowsers, sessions.SessionMiddleware): ...


class AuthenticationMiddleware(ForBrowsers, auth.AuthenticationMiddleware): ...


class MessageMiddleware(ForBrowsers, messages.MessageMiddleware): ...
