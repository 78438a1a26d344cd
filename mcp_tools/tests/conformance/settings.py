"""The project's settings, with the fixture server in place of its own URLs."""

from todoproj.settings import *  # noqa: F403

ROOT_URLCONF = "mcp_tools.tests.conformance.urls"
