"""The project's settings, but that passwords are hashed in an instant, and that documents which describe clients are
found where a test publishes them."""

from todoproj.settings import *  # noqa: F403
from todoproj.settings import OAUTH2_PROVIDER, PASSWORD_HASHERS
from todoproj.users.tests.passwords import QUICK_HASHER

PASSWORD_HASHERS = [QUICK_HASHER, *PASSWORD_HASHERS[1:]]

OAUTH2_PROVIDER = OAUTH2_PROVIDER | {"CIMD_METADATA_FETCHER": "mcp_tools.tests.oauth.fetcher.Fetcher"}
