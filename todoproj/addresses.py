"""What this server is called in OAuth: who issues tokens, and for which resource."""

from django.conf import settings
from django.http import HttpRequest


def issuer(request: HttpRequest) -> str:
    """The authorization server's identifier (RFC 8414 section 2)."""
    return settings.PUBLIC_URL or request.build_absolute_uri("/").rstrip("/")


def resource(request: HttpRequest) -> str:
    """The identifier of what every token is for (RFC 8707 section 2): the only one that may be asked for."""
    return f"{issuer(request)}/mcp"
