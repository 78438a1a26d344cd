"""MCP over HTTP: "Streamable HTTP" of the specification, stateless, with JSON replies.

What is HTTP's own is decided here (method, origin, size, token, headers, status); the rest, in `protocol.py`.
"""

import logging
import re
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from mcp_tools.protocol import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    MAX_MESSAGE_SIZE,
    METHOD_NOT_FOUND,
    Answer,
    Id,
    Message,
    ProtocolError,
    Revision,
    Server,
    decode,
    revision_of,
)
from mcp_tools.server import SERVER
from todoproj import throttling
from todoproj.addresses import issuer, resource
from todoproj.logs import apology
from todoproj.text import header_value
from todoproj.throttling import Throttled
from todoproj.users import events
from todoproj.users.models import MCP_SCOPES
from todoproj.users.principals import Caller, Unauthenticated, bearer_token, caller_of

logger = logging.getLogger(__name__)

# The parameter that Mcp-Name repeats, for the methods that have one.
NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def mcp_view(server: Server) -> Callable[[HttpRequest], HttpResponse]:
    """The view that serves this server."""

    def view(request: HttpRequest) -> HttpResponse:
        return _serve(server, request)

    # As by the decorator, which would wrap it. A browser sends the session cookie to whom it likes: it never counts
    # here, so there is nothing to protect from CSRF.
    view.csrf_exempt = True  # type: ignore[attr-defined]
    return view


def _serve(server: Server, request: HttpRequest) -> HttpResponse:
    """One JSON-RPC message in the body, one in the reply; 202 without a body for a notification."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None and not _origin_allowed(request, origin):
        return _refused(403, "This origin is not allowed. The operator can add it to MCP_ALLOWED_ORIGINS.")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    token = bearer_token(request.META.get("HTTP_AUTHORIZATION"))
    if token is None:
        return _unauthenticated(request)
    # The message's, once it is known: whatever happens from then on is said of it.
    id: Id | None = None
    try:
        named = request.META.get("HTTP_ON_BEHALF_OF")
        caller = caller_of(token, partial(resource, request), on_behalf_of=named)
        caller.client_name = request.META.get("HTTP_USER_AGENT", "")
        try:
            message = decode(_body(request))
            id = message.id
            response = _answer(server, request, message, caller)
        except _Unreadable as refusal:
            response = _refused(refusal.status, str(refusal))
        except ProtocolError as error:
            response = _response(error.answer(id), 400)
        # A tool looks the token up on its way; whatever was answered without that waits for it here.
        if not caller.authenticated:
            caller.authenticate()
    except Unauthenticated:
        wait = throttling.ADDRESS.hit(throttling.client_address(request))
        if wait is not None:
            return _throttled(Throttled(wait), id)
        return _unauthenticated(request, ', error="invalid_token"', id)
    except Throttled as throttled:
        return _throttled(throttled, id)
    except Exception:
        logger.exception("MCP request failed")
        return _response(ProtocolError(INTERNAL_ERROR, apology()).answer(id), 500)
    return response


class _Unreadable(Exception):
    """A body that HTTP refuses to take."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def _body(request: HttpRequest) -> bytes:
    """Raises _Unreadable."""
    meta = request.META
    if meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
        raise _Unreadable(415, "The body must be JSON: Content-Type: application/json.")
    if not _accepts_json(meta.get("HTTP_ACCEPT", "*/*")):
        raise _Unreadable(406, "The reply is JSON: Accept: application/json, text/event-stream.")
    body = request.read(MAX_MESSAGE_SIZE + 1)
    if len(body) > MAX_MESSAGE_SIZE:
        raise _Unreadable(413, f"The body must be at most {MAX_MESSAGE_SIZE} bytes.")
    return body


def _answer(server: Server, request: HttpRequest, message: Message, caller: Caller) -> HttpResponse:
    """What the caller gets, provided that the token is good.

    Raises ProtocolError, Throttled, and Unauthenticated if that has come out by now.
    """
    stated = request.META.get("HTTP_MCP_PROTOCOL_VERSION")
    revision = revision_of(message, stated=stated)
    if not revision.handshake:
        _check_headers(request, message)
    if message.is_notification:
        return HttpResponse(status=202)
    answer = server.answer(message, revision, caller)
    if answer.missing_scope:
        principal = caller.principal
        events.record_refusal(user_id=principal.user_id, detail=f"without the scope {answer.missing_scope}")
        response = _response(answer, 403)
        response["WWW-Authenticate"] = (
            f'Bearer error="insufficient_scope", scope="{answer.missing_scope}", {_metadata(request)}'
        )
        return response
    return _response(answer, _status(revision, answer.error_code))


def _status(revision: Revision, error_code: int | None) -> int:
    if error_code is None or revision.handshake:
        return 200
    return 404 if error_code == METHOD_NOT_FOUND else 400


def _response(answer: Answer, status: int) -> HttpResponse:
    return HttpResponse(answer.body, status=status, content_type="application/json")


def _metadata(request: HttpRequest) -> str:
    """Where a client finds out how to get a token (RFC 9728 section 5.1)."""
    return f'resource_metadata="{issuer(request)}/.well-known/oauth-protected-resource/mcp"'


def _unauthenticated(request: HttpRequest, error: str = "", id: Id | None = None) -> HttpResponse:
    response = _refused(401, "Send a valid token: Authorization: Bearer ….", id)
    response["WWW-Authenticate"] = f'Bearer {_metadata(request)}, scope="{" ".join(MCP_SCOPES)}"{error}'
    return response


def _throttled(throttled: Throttled, id: Id | None) -> HttpResponse:
    response = _refused(429, f"Too many calls. Try again in {throttled.wait} seconds.", id)
    response["Retry-After"] = str(throttled.wait)
    return response


def _refused(status: int, why: str, id: Id | None = None) -> HttpResponse:
    """A refusal by HTTP itself. id: the message's, if it was read by then."""
    return _response(ProtocolError(INVALID_REQUEST, why).answer(id), status)


def _origin_allowed(request: HttpRequest, origin: str) -> bool:
    """Whether a web page may call: one of this server's own origin, or one that the operator allowed.

    The Host header is known to be one of ours by now (ALLOWED_HOSTS), so a name that was rebound to this address is not
    "our own". An Origin of `null` equals nothing.
    """
    if origin in settings.MCP_ALLOWED_ORIGINS:
        return True
    return origin.lower() == f"{request.scheme}://{request.get_host()}".lower() and bool(urlsplit(origin).netloc)


# What clients send, so that hardly any call waits for it to be parsed.
_USUAL_ACCEPT: Final = {
    "application/json, text/event-stream",
    "text/event-stream, application/json",
    "application/json",
    "*/*",
}
_NO_QUALITY: Final = re.compile(r"q=0(\.0*)?")


def _accepts_json(accept: str) -> bool:
    """Whether an Accept header takes JSON (RFC 9110, section 12.5.1): the range that fits it best says so."""
    if accept in _USUAL_ACCEPT:
        return True
    taken: dict[str, bool] = {}
    for item in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in item.split(";"))
        refused = any(_NO_QUALITY.fullmatch(parameter) for parameter in parameters)
        taken[media_range] = taken.get(media_range, False) or not refused
    return next((taken[fitting] for fitting in ("application/json", "application/*", "*/*") if fitting in taken), False)


def _check_headers(request: HttpRequest, message: Message) -> None:
    """The headers of 2026-07-28, by which proxies route, must say what the body says. Raises ProtocolError.

    A header that was sent twice arrives joined by a comma, and so differs.
    """
    meta = request.META
    if "HTTP_MCP_PROTOCOL_VERSION" not in meta:
        raise ProtocolError(HEADER_MISMATCH, "The MCP-Protocol-Version header is missing. Send what _meta says.")
    if meta.get("HTTP_MCP_METHOD", "").strip() != message.method:
        raise ProtocolError(HEADER_MISMATCH, "The Mcp-Method header must equal the message's method.")
    named_by = NAMED_BY.get(message.method)
    if named_by is not None:
        name = message.params.get(named_by)
        if isinstance(name, str) and header_value(meta.get("HTTP_MCP_NAME")) != name:
            raise ProtocolError(HEADER_MISMATCH, f"The Mcp-Name header must equal params.{named_by}.")


mcp = mcp_view(SERVER)
