"""Settings of the peer django-mcp-server: its own view, stateless, without its sixth tool."""

from todo_orm.base_settings import *  # noqa: F403

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "todo_orm", "mcp_server", "todo"]
DJANGO_MCP_GLOBAL_SERVER_CONFIG = {"name": "todo", "instructions": "A person's todo list.", "stateless": True}
DJANGO_MCP_GET_SERVER_INSTRUCTIONS_TOOL = False
