"""What is served of OAuth. django-oauth-toolkit has more routes, which let any person make clients."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from oauth2_provider.views import OAuthServerMetadataView

from todoproj.oauth import views

# Mounted with /mcp, by whatever serves that.
resource_urlpatterns = [
    path(".well-known/oauth-protected-resource", views.ProtectedResourceView.as_view(), name="oauth-resource-metadata"),
    path(".well-known/oauth-protected-resource/mcp", views.ProtectedResourceView.as_view()),
]
# Under the names by which the toolkit looks for them.
_endpoints = [
    path(".well-known/oauth-authorization-server", OAuthServerMetadataView.as_view(), name="oauth-server-metadata"),
    path("o/authorize/", views.AuthorizeView.as_view(), name="authorize"),
    path("o/token/", views.TokenView.as_view(), name="token"),
    path("o/revoke_token/", views.RevokeTokenView.as_view(), name="revoke-token"),
    path("o/register/", views.register, name="dcr-register"),
]

urlpatterns = [
    path("", include((_endpoints, "oauth2_provider"))),
    path("login/", views.LogInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("connected-apps/", views.ConnectedAppsView.as_view(), name="connected-apps"),
]
