"""Django as the production server calls it: bodies that it would misread, and work that it would do in vain."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from importlib import import_module
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.core.cache import BaseCache, caches, close_caches
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.base import reset_urlconf
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch

from todoproj.connections import close_unusable_connection

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# The longest body, in bytes, that is read although the request was refused: what docs/nginx.conf lets pass.
READ_OF_REFUSED = 8 * 2**20
# How many requests of a process may wait for that at once: fewer than it has threads, as nothing can end the wait.
MOST_READ_OF_REFUSED = 2
_PIECE = 2**16


def _leave_out_idle_work() -> None:
    """Spare every request, for a tenth of its time, what Django does around it that has no effect here.

    That is: to forget the queries that were logged, where none are; to look a second time, at its end, for connections
    to close, where they stay open and the next request looks first; to close caches that hold nothing open; and to
    forget the URLconf, which the next request sets.
    """
    if not settings.DEBUG:
        request_started.disconnect(reset_queries)
    if all(database["CONN_MAX_AGE"] != 0 for database in settings.DATABASES.values()):
        request_finished.disconnect(close_old_connections)
    if all(type(cache).close is BaseCache.close for cache in caches.all()):
        request_finished.disconnect(close_caches)
    request_finished.disconnect(reset_urlconf)


class Handler(WSGIHandler):
    """Django's own, but it sees to the database's connections itself, before each request, and remembers what is served
    at addresses that have no part that varies."""

    MOST_REMEMBERED = 100

    def __init__(self) -> None:
        super().__init__()
        self._matches: dict[str, ResolverMatch] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> HttpResponseBase:
        close_unusable_connection()
        return super().__call__(environ, start_response)

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        if hasattr(request, "urlconf"):
            return super().resolve_request(request)
        match = self._matches.get(request.path_info)
        if match is not None:
            request.resolver_match = match
            return match
        match = super().resolve_request(request)
        if not (match.args or match.kwargs) and len(self._matches) < self.MOST_REMEMBERED:
            self._matches[request.path_info] = match
        return match


class _Utf8:
    """A request in UTF-8, as all are here.

    A Content-Type can name any codec that Python has as its charset, also one that only inflates or can't decode, and
    Django would read the query with it.
    """

    @property
    def encoding(self) -> str | None:
        return None

    @encoding.setter
    def encoding(self, value: Any) -> None: ...


class Utf8Request(_Utf8, WSGIRequest): ...


class _Utf8ASGIRequest(_Utf8, ASGIRequest): ...


def accept_chunked(application: WSGIApplication) -> WSGIApplication:
    """The application, with a body that came in chunks (RFC 9112, section 7.1) handed to it in one piece.

    Django reads as many bytes as Content-Length says: of such a body, none. At most one byte is read beyond the longest
    body that Django takes, so that whoever is given that much knows that it is too much.
    """

    def accepting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" in environ:
            coding = environ.pop("HTTP_TRANSFER_ENCODING").strip().lower()
            if "CONTENT_LENGTH" in environ or coding != "chunked":
                # Whoever passed it on may have read another length out of it, and with it another request.
                return _refuse(start_response, 400, "Send either Content-Length or Transfer-Encoding: chunked.")
            if not environ.get("wsgi.input_terminated"):
                return _refuse(start_response, 411, "Send Content-Length: this server can't tell where chunks end.")
            body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ["CONTENT_LENGTH"] = str(len(body))
            environ["wsgi.input"] = io.BytesIO(body)
        return application(environ, start_response)

    return accepting


def whole_bodies(handler: WSGIHandler) -> WSGIApplication:
    """Django's application, but a body that is there as a whole is handed over so: the server asks for no more.

    What is left of a refused request's body is read first. Else the server would close the connection with bytes still
    to come, and by that can take the answer away from whoever is sending, such as a proxy. That is for those who send
    what they announced: whoever does not keeps few threads waiting, and those who come next are not waited for.
    """
    places = BoundedSemaphore(MOST_READ_OF_REFUSED)

    def handing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response: Any = handler(environ, start_response)
        if response.status_code >= 400 and environ.get("wsgi.input_terminated"):
            length = environ.get("CONTENT_LENGTH", "")
            if length.isdecimal() and int(length) <= READ_OF_REFUSED and places.acquire(blocking=False):
                try:
                    while environ["wsgi.input"].read(_PIECE):
                        pass
                finally:
                    places.release()
        if response.streaming:
            return response  # type: ignore[no-any-return]
        body = [response.content]
        response.close()
        return body

    return handing


def _refuse(start_response: StartResponse, status: int, detail: str) -> list[bytes]:
    # Not at the top: rest_framework wants settings to be there when it is imported.
    from todoproj.rest import PROBLEM_JSON, problem

    content = problem(status, detail)
    body = json.dumps(content).encode()
    start_response(f"{status} {content['title']}", [("Content-Type", PROBLEM_JSON), ("Content-Length", str(len(body)))])
    return [body]


def _set_up() -> None:
    django.setup(set_prefix=False)
    # Its counts are shared by the processes that are forked after it was imported; it wants settings to be there.
    import_module("todoproj.throttling")


def asgi_application() -> ASGIHandler:
    """Django's ASGI application. Of what is here, it needs no more than UTF-8."""
    _set_up()
    handler = ASGIHandler()
    handler.request_class = _Utf8ASGIRequest
    return handler


def web_application(request_class: type[WSGIRequest] = Utf8Request) -> WSGIApplication:
    """Django's WSGI application, with all that is here."""
    _set_up()
    handler = Handler()
    handler.request_class = request_class
    _leave_out_idle_work()
    request_started.disconnect(close_old_connections)
    return accept_chunked(whole_bodies(handler))
