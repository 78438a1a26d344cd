"""What serves MCP, apart from the rest of the application or as a part of it."""

from django.urls import include, path

from mcp_tools.views import mcp
from todoproj.health import health
from todoproj.oauth.urls import resource_urlpatterns

urlpatterns = [
    path("mcp", mcp, name="mcp"),
    path("health", health, name="health"),
    path("", include((resource_urlpatterns, "resource"))),
]

handler400 = "todoproj.rest.bad_request"
handler404 = "todoproj.rest.page_not_found"
handler500 = "todoproj.rest.server_error"
