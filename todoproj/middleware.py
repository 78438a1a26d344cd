"""Django's middleware for pages that people open in a browser.

Programs bring a token with every request: for them there is no session, nobody logged in by it, no message to show, no
form to forge and no frame to be drawn into. Each of these costs every call some microseconds, so what only programs
call passes them by.
"""

from collections.abc import Awaitable, Callable

from axes.helpers import get_lockout_response
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware import clickjacking, common, csrf
from django.utils.deprecation import MiddlewareMixin

# Nothing here may count a cookie as anything.
PROGRAMS_ONLY = ("/mcp", "/api/", "/health", "/.well-known/", "/o/token", "/o/revoke_token", "/o/register")


class ForBrowsers(MiddlewareMixin):
    """Passed by whatever only programs call: those that follow one another, in one step."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        # Django wraps each middleware, and says so as functools.wraps does.
        following = getattr(get_response, "__wrapped__", None)
        beyond = following.beyond if isinstance(following, ForBrowsers) else get_response
        self.beyond: Callable[[HttpRequest], HttpResponseBase] = beyond

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if request.path_info.startswith(PROGRAMS_ONLY):
            return self.beyond(request)
        return super().__call__(request)


class CommonMiddleware(ForBrowsers, common.CommonMiddleware):
    """For programs, an address is right or wrong: no redirect to one with a slash, on which the body would be lost."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        # Whoever asks: a name that was rebound to this address is none of ours. But a probe knows an address alone.
        if request.path_info != "/health":
            request.get_host()
        return super().__call__(request)


class SessionMiddleware(ForBrowsers, sessions.SessionMiddleware): ...


class CsrfViewMiddleware(ForBrowsers, csrf.CsrfViewMiddleware): ...


class AuthenticationMiddleware(ForBrowsers, auth.AuthenticationMiddleware): ...


class MessageMiddleware(ForBrowsers, messages.MessageMiddleware): ...


class XFrameOptionsMiddleware(ForBrowsers, clickjacking.XFrameOptionsMiddleware): ...


class LockoutMiddleware(ForBrowsers):
    """Tells people who gave too many wrong passwords to wait, in place of showing the form again."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if getattr(request, "axes_locked_out", False):
            return get_lockout_response(request, original_response=response)  # type: ignore[no-any-return]
        return response
