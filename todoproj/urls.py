"""What is served where."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from mcp_tools.views import mcp
from todoproj.health import health

admin.site.site_header = admin.site.site_title = "todoproj"

urlpatterns = [
    path("mcp", mcp, name="mcp"),
    path("admin/", admin.site.urls),
    path("api/", include("tasks.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("health", health, name="health"),
]

handler404 = "todoproj.rest.page_not_found"
handler500 = "todoproj.rest.server_error"
