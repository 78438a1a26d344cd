"""The WSGI application of a server that serves MCP and nothing else."""

import os

from todoproj.web import Utf8Request, web_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproj.settings")


class _Request(Utf8Request):
    urlconf = "mcp_tools.urls"


application = web_application(_Request)
