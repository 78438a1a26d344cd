"""Settings of the peer django-mcpz."""

from todo_orm.base_settings import *  # noqa: F403

INSTALLED_APPS = ["todo_orm"]
