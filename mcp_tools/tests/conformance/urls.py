"""The fixture server's URL, and the one that says that it is up."""

from django.urls import path

from mcp_tools.tests.conformance.fixtures import FIXTURES
from mcp_tools.views import mcp_view
from todoproj.health import health

urlpatterns = [path("fixtures", mcp_view(FIXTURES)), path("health", health)]
