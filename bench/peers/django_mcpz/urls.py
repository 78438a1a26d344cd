"""The server itself is the view."""

from django.urls import path
from tools import server

urlpatterns = [path("mcp", server)]
