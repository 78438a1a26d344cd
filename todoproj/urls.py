"""What is served where."""

from django.contrib import admin
from django.urls import include, path
from django.views.decorators.clickjacking import xframe_options_deny
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from mcp_tools import urls as mcp_urls
from mcp_tools.activity import activity_page
from todoproj.oauth import urls as oauth_urls
from todoproj.oauth.views import limited

admin.site.login = limited(admin.site.login)  # type: ignore[assignment, method-assign]

urlpatterns = [
    # First, since it is asked for most.
    *mcp_urls.urlpatterns,
    *oauth_urls.urlpatterns,
    path("admin/activity/", admin.site.admin_view(activity_page), name="activity"),
    path("admin/", admin.site.urls),
    path("api/", include("tasks.urls")),
    path("api/", include("conversations.urls")),
    path("api/auth/", include("todoproj.users.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    # A page for people, though it lies among what programs call.
    path("api/docs/", xframe_options_deny(SpectacularSwaggerView.as_view(url_name="schema")), name="docs"),
]

handler400 = mcp_urls.handler400
handler404 = "todoproj.oauth.views.page_not_found"
handler500 = mcp_urls.handler500
