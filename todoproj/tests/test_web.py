"""What surrounds every view: middleware, and the WSGI application."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.test import Client

from mcp_tools.tests.running import run_python

SHOW_RECEIVERS = """
import json
import todoproj.wsgi
from django.core import signals
names = {kind: [receiver[1]().__name__ for receiver in getattr(signals, kind).receivers]
    for kind in ["request_started", "request_finished"]}
print(json.dumps(names))
"""


def receivers(**environment: str) -> dict[str, list[str]]:
    """The names of what Django does around each request, in a server with these settings."""
    names: dict[str, list[str]] = json.loads(run_python(SHOW_RECEIVERS, **environment))
    return names


class TestIdleWork:
    def test_is_left_out(self) -> None:
        around = receivers(CONN_MAX_AGE="60", DEBUG="false")
        assert around["request_started"] == []
        assert not {"close_old_connections", "close_caches"} & set(around["request_finished"])

    def test_stays_where_connections_end_with_the_request(self) -> None:
        assert "close_old_connections" in receivers(CONN_MAX_AGE="0")["request_finished"]

    def test_stays_where_queries_are_logged(self) -> None:
        assert "reset_queries" in receivers(DEBUG="true")["request_started"]


ASK_ASGI = """
import asyncio
import httpx
from todoproj.asgi import application

async def ask():
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        odd = {"Content-Type": "text/plain; charset=zlib_codec"}
        asked = [("GET", "/health", {}), ("GET", "/api/docs/?q=1", odd), ("POST", "/mcp?q=1", odd)]
        return [(await client.request(method, path, headers=headers)).status_code for method, path, headers in asked]

print(asyncio.run(ask()))
"""


def test_asgi_serves_the_same(tmp_path: Path) -> None:
    assert run_python(ASK_ASGI, DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3").endswith("[200, 200, 401]")


@pytest.mark.django_db
class TestPagesForPeople:
    @pytest.mark.parametrize("page", ["/admin/login/", "/api/docs/"])
    def test_are_not_drawn_into_frames(self, client: Client, page: str) -> None:
        assert client.get(page).headers["X-Frame-Options"] == "DENY"

    def test_take_no_forged_form(self) -> None:
        client = Client(enforce_csrf_checks=True)
        assert client.post("/admin/login/", {"username": "ann", "password": "x"}).status_code == 403
        page = client.get("/admin/login/")
        form = {"username": "ann", "password": "x", "csrfmiddlewaretoken": page.context["csrf_token"]}
        assert client.post("/admin/login/", form).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/mcp", "/api/tasks/", "/health"])
def test_programs_get_no_cookie(client: Client, path: str) -> None:
    response = client.get(path)
    assert not response.cookies
    assert response.headers["X-Content-Type-Options"] == "nosniff"
