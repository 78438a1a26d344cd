"""An OAuth client of a server that is reached by HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from mcp_tools.tests.running import PATIENCE
from todoproj.oauth.tests.clients import OAuthClient


@dataclass
class DistantClient(OAuthClient):
    """One that does everything right, unless it is told otherwise, at the server of this site."""

    site: str = ""

    def authorize_url(self, **changes: Any) -> str:
        return self.site + super().authorize_url(**{"resource": f"{self.site}/mcp"} | changes)

    def token_request(self, **form: Any) -> httpx.Response:
        wanted = {"client_id": self.application.client_id} | form
        data = {name: value for name, value in wanted.items() if value is not None}
        return httpx.post(f"{self.site}/o/token/", data=data, timeout=PATIENCE)
