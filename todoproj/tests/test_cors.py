"""Which web pages may call what."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

PAGE = "https://inspector.example.com"
FOR_ANY = [
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/o/token/",
    "/o/register/",
    "/o/revoke_token/",
]


def preflight(path: str, origin: str = PAGE) -> Any:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    return Client().options(path, headers=headers)


@pytest.mark.django_db
class TestAnyPage:
    @pytest.mark.parametrize("path", FOR_ANY)
    def test_may_ask(self, path: str) -> None:
        response = preflight(path)

        assert response.status_code == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers

    @pytest.mark.parametrize("path", FOR_ANY)
    def test_may_read_the_answer(self, path: str) -> None:
        method = Client().get if "well-known" in path else Client().post

        response = method(path, headers={"Origin": PAGE})

        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]

    @pytest.mark.parametrize("path", ["/o/authorize/", "/login/", "/connected-apps/", "/admin/login/", "/api/tasks/"])
    def test_may_not_read_the_rest(self, path: str) -> None:
        for response in [preflight(path), Client().get(path, headers={"Origin": PAGE})]:
            assert not [name for name in response.headers if name.startswith("Access-Control")]


@pytest.mark.django_db
class TestMcp:
    def test_is_for_the_pages_that_the_operator_allowed(self, settings: Any) -> None:
        settings.MCP_ALLOWED_ORIGINS = [PAGE]

        for response in [preflight("/mcp"), Client().post("/mcp", headers={"Origin": PAGE})]:
            assert response.headers["Access-Control-Allow-Origin"] == PAGE
            assert response.headers["Vary"] == "Origin"
        assert response.status_code == 401
        assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]

    def test_is_for_no_other(self, settings: Any) -> None:
        settings.MCP_ALLOWED_ORIGINS = [PAGE]

        response = preflight("/mcp", "https://evil.example.com")

        assert response.status_code == 403
        assert "Access-Control-Allow-Origin" not in response.headers

    def test_programs_get_none_of_it(self) -> None:
        assert not [name for name in Client().post("/mcp").headers if name.startswith("Access-Control")]
