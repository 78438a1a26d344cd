"""Which web pages of other origins may call what (the CORS protocol of the Fetch standard)."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

# A client in any page may connect: a page can't use anything here that it was not given, since no cookie counts.
FOR_ANY_ORIGIN = ("/.well-known/oauth-", "/o/token/", "/o/register/", "/o/revoke_token/")

EXPOSED_HEADERS = "WWW-Authenticate, Mcp-Session-Id, Mcp-Protocol-Version, X-Request-ID"
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, "
        "Last-Event-ID, X-Request-ID"
    ),
    "Access-Control-Max-Age": "86400",
}


def cors_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Tell browsers which pages may read the answers, and answer what they ask before they send a request.

    Never with credentials: a browser then sends no cookie. Of what else there is, browsers keep other origins out.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        origin = request.META.get("HTTP_ORIGIN")
        # What is no web page sends none: most calls end here.
        allowed = origin and _allowed(request.path_info, origin)
        if not allowed:
            return get_response(request)
        if request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META:
            response = HttpResponse(status=204, headers=PREFLIGHT_HEADERS)
        else:
            response = get_response(request)
        response["Access-Control-Allow-Origin"] = allowed
        response["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        if allowed != "*":
            patch_vary_headers(response, ["Origin"])
        return response

    return middleware


def _allowed(path: str, origin: str) -> str | None:
    """Whom the answer is for, in the words of Access-Control-Allow-Origin; None for nobody else's page."""
    if path == "/mcp":
        return origin if origin in settings.MCP_ALLOWED_ORIGINS else None
    return "*" if path.startswith(FOR_ANY_ORIGIN) else None
