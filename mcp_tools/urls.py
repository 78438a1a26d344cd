from django.urls import path

from mcp_tools.views import mcp

urlpatterns = [path("mcp", mcp, name="mcp")]
