"""MCP over HTTP: "Streamable HTTP" of the specification, stateless, with JSON replies.

What is HTTP's own is decided here (method, origin, size, token, headers, status); the rest, in `protocol.py`.
"""

import base64
import binascii
import logging
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from mcp_tools.protocol import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Answer,
    Message,
    ProtocolError,
    Revision,
    decode,
    revision_of,
    supported_revision,
)
from mcp_tools.server import SERVER
from todoproj.logs import current_request_id
from todoproj.users.principals import Caller, Unauthenticated, bearer_token

logger = logging.getLogger(__name__)

# Far more than the longest title and description need, in bytes.
MAX_BODY_SIZE: Final = 256 * 1024

# The parameter that Mcp-Name repeats, for the methods that have one.
NAMED_BY: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


# A browser sends the session cookie to whom it likes: it never counts here, so there is nothing to protect from CSRF.
@csrf_exempt
def mcp(request: HttpRequest) -> HttpResponse:
    """One JSON-RPC message in the body, one in the reply; 202 without a body for a notification."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None and not _origin_allowed(request, origin):
        return _refused(403, "This origin is not allowed. The operator can add it to MCP_ALLOWED_ORIGINS.")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    token = bearer_token(request.META.get("HTTP_AUTHORIZATION"))
    if token is None:
        return _unauthenticated()
    caller = Caller(token)
    try:
        response = _answer(request, caller)
        # A tool looks the token up on its way; whatever was answered without that waits for it here.
        if not caller.authenticated:
            caller.authenticate()
    except Unauthenticated:
        return _unauthenticated(', error="invalid_token"')
    return response


def _answer(request: HttpRequest, caller: Caller) -> HttpResponse:
    """What the caller gets, provided that the token is good. Raises Unauthenticated if that has come out by now."""
    meta = request.META
    if meta.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
        return _refused(415, "The body must be JSON: Content-Type: application/json.")
    if not _accepts_json(meta.get("HTTP_ACCEPT", "*/*")):
        return _refused(406, "The reply is JSON: Accept: application/json, text/event-stream.")
    body = request.read(MAX_BODY_SIZE + 1)
    if len(body) > MAX_BODY_SIZE:
        return _refused(413, f"The body must be at most {MAX_BODY_SIZE} bytes.")

    message = None
    try:
        message = decode(body)
        stated = meta.get("HTTP_MCP_PROTOCOL_VERSION")
        if message.is_notification:
            if stated is not None:
                supported_revision(stated)
            return HttpResponse(status=202)
        revision = revision_of(message, stated)
        if not revision.handshake:
            _check_headers(request, message)
        answer = SERVER.answer(message, revision, caller)
    except ProtocolError as error:
        return _response(error.answer(message.id if message else None), 400)
    except Unauthenticated:
        raise
    except Exception:
        logger.exception("MCP request failed")
        fault = ProtocolError(INTERNAL_ERROR, f"Internal error. Try again, or report {current_request_id()}.")
        return _response(fault.answer(message.id if message else None), 500)

    if answer.missing_scope:
        response = _response(answer, 403)
        response["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{answer.missing_scope}"'
        return response
    return _response(answer, _status(revision, answer.error_code))


def _status(revision: Revision, error_code: int | None) -> int:
    if error_code is None or revision.handshake:
        return 200
    return 404 if error_code == METHOD_NOT_FOUND else 400


def _response(answer: Answer, status: int) -> HttpResponse:
    return HttpResponse(answer.body, status=status, content_type="application/json")


def _unauthenticated(error: str = "") -> HttpResponse:
    response = _refused(401, "Send a valid token: Authorization: Bearer todo_….")
    response["WWW-Authenticate"] = f'Bearer scope="tasks:read tasks:write"{error}'
    return response


def _refused(status: int, why: str) -> HttpResponse:
    """A refusal by HTTP itself, before the message was read: so its id is null."""
    return _response(ProtocolError(INVALID_REQUEST, why).answer(), status)


def _origin_allowed(request: HttpRequest, origin: str) -> bool:
    """Whether a web page may call: one of this server's own origin, or one that the operator allowed.

    The Host header is known to be one of ours by now (ALLOWED_HOSTS), so a name that was rebound to this address is not
    "our own". An Origin of `null` equals nothing.
    """
    if origin in settings.MCP_ALLOWED_ORIGINS:
        return True
    return origin.lower() == f"{request.scheme}://{request.get_host()}".lower() and bool(urlsplit(origin).netloc)


def _accepts_json(accept: str) -> bool:
    accept = accept.lower()
    return "application/json" in accept or "*/*" in accept or "application/*" in accept


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
        if isinstance(name, str) and _header_value(meta.get("HTTP_MCP_NAME")) != name:
            raise ProtocolError(HEADER_MISMATCH, f"The Mcp-Name header must equal params.{named_by}.")


def _header_value(value: str | None) -> str | None:
    """A header's value, with `=?base64?…?=` decoded; None for a header that is missing or not validly encoded."""
    if value is None:
        return None
    value = value.strip()
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
