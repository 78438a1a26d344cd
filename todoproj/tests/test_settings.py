"""Settings from the environment, each in a process of its own, as the operator starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings

GOOD = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "k3y-" + "abcdefghijklmnopqrstuvwxyz0123456789-ABCDEFGHIJKLMNOP",
    "ALLOWED_HOSTS": "todo.example.com",
}


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {*GOOD, "DEBUG", "PUBLIC_URL"}}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_production_passes_the_deployment_checks() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", **GOOD)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"DEBUG": "true"}, "DEBUG is on"),
        ({"SECRET_KEY": None}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too short"),
        ({"SECRET_KEY": "a" * 60}, "SECRET_KEY is too short"),
        ({"SECRET_KEY_FALLBACKS": "short"}, "SECRET_KEY_FALLBACKS has a key that is known or too short"),
        ({"SECRET_KEY_FALLBACKS": settings.DEVELOPMENT_SECRET_KEY}, "SECRET_KEY_FALLBACKS has a key that is known"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS is *"),
        ({"ALLOWED_HOSTS": "todo.example.com,*"}, "ALLOWED_HOSTS is *"),
        ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS is not set"),
        ({"PUBLIC_URL": "http://todo.example.com"}, "PUBLIC_URL is plain HTTP"),
        ({"PUBLIC_URL": "todo.example.com"}, "PUBLIC_URL is no scheme and host"),
        ({"PUBLIC_URL": "https://todo.example.com/todo"}, "PUBLIC_URL is no scheme and host"),
        ({"ENVIRONMENT": "prod"}, "Use development or production"),
        ({"DATABASE_URL": "mysql://localhost/x"}, "Use postgres"),
        ({"CACHE_URL": "memcache://127.0.0.1:11211"}, "CACHE_URL names no supported cache"),
        ({"CACHE_URL": "redis"}, "CACHE_URL names no supported cache"),
        ({"CACHE_URL": "redis://[x"}, "CACHE_URL names no supported cache"),
        ({"CACHE_URL": "dbcache://"}, "CACHE_URL names no supported cache"),
        ({"THROTTLE_TOOLS": "many"}, "THROTTLE_TOOLS is 'many'. Use a whole number"),
        ({"MCP_SERVER_PORT": "abc"}, "MCP_SERVER_PORT is 'abc'. Use a whole number"),
        ({"CONN_MAX_AGE": ""}, "CONN_MAX_AGE is ''. Use a whole number"),
        ({"THROTTLE_LOGIN": "-1"}, "THROTTLE_LOGIN is '-1'. Use a whole number"),
        ({"TRUST_X_FORWARDED_FOR": "true"}, "TRUST_X_FORWARDED_FOR is 'true'. Use a whole number"),
        ({"LOGIN_FAILURES": "0"}, "LOGIN_FAILURES is '0'. Use a whole number from 1 up"),
        ({"ACCESS_TOKEN_MINUTES": "0"}, "ACCESS_TOKEN_MINUTES is '0'. Use a whole number from 1 up"),
        ({"REFRESH_TOKEN_DAYS": "0"}, "REFRESH_TOKEN_DAYS is '0'. Use a whole number from 1 up"),
        ({"ON_BEHALF_OF_REQUIRED": "required"}, "ON_BEHALF_OF_REQUIRED is 'required'. Use true or false."),
        ({"SECURE_SSL_REDIRECT": "yess"}, "SECURE_SSL_REDIRECT is 'yess'. Use true or false."),
        ({"DATABASE_PREPARE": ""}, "DATABASE_PREPARE is ''. Use true or false."),
        ({"MCP_ALLOWED_ORIGINS": "https://a.example/"}, "MCP_ALLOWED_ORIGINS has 'https://a.example/'"),
        ({"LOG_LEVEL": "chatty"}, "LOG_LEVEL is 'CHATTY'. Use DEBUG"),
        ({"DATABASE_URL": "nonsense"}, "Use postgres"),
        ({"DATABASE_URL": "sqlite://"}, "DATABASE_URL names no file"),
        ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL names no file"),
        ({"OUTSIDE_ISSUERS": "[{}]"}, "OUTSIDE_ISSUERS is not a JSON list of issuers"),
    ],
)
def test_production_refuses_to_start(change: dict[str, str | None], why: str) -> None:
    environment = {name: value for name, value in (GOOD | change).items() if value is not None}
    refused = manage("check", **environment)
    assert refused.returncode != 0
    assert why in refused.stderr
    assert GOOD["SECRET_KEY"] not in refused.stderr + refused.stdout


@pytest.mark.parametrize("beyond", [{"ALLOWED_HOSTS": "todo.example.com"}, {"PUBLIC_URL": "https://todo.example.com"}])
def test_nobody_serves_others_with_the_key_that_everybody_knows(beyond: dict[str, str]) -> None:
    refused = manage("check", **beyond)
    assert refused.returncode != 0
    assert "SECRET_KEY is the one that everybody knows" in refused.stderr
    assert manage("check", **beyond, SECRET_KEY=GOOD["SECRET_KEY"]).returncode == 0


@pytest.mark.parametrize("command", ["serve", "mcp_server"])
def test_nor_on_an_address_that_others_reach(command: str) -> None:
    refused = manage(command, HOST="0.0.0.0", PORT="8765", MCP_SERVER_PORT="8765")  # noqa: S104 (it must not listen)
    assert refused.returncode != 0
    assert "Others can reach 0.0.0.0" in refused.stderr


def test_lists_may_have_spaces() -> None:
    show = "from django.conf import settings; print(settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT)"
    done = manage("shell", "--no-imports", "-c", show, **GOOD | {"ALLOWED_HOSTS": "a.example, b.example,"})
    assert done.stdout == "['a.example', 'b.example'] True\n", done.stderr


def test_every_fault_is_named_at_once() -> None:
    refused = manage("check", ENVIRONMENT="production", DEBUG="true")
    for name in ["DEBUG", "SECRET_KEY", "ALLOWED_HOSTS"]:
        assert name in refused.stderr


@pytest.mark.parametrize("command", ["demo", "seed"])
def test_what_is_made_up_is_not_for_production(command: str) -> None:
    refused = manage(command, **GOOD)
    assert refused.returncode != 0
    assert "ENVIRONMENT=production" in refused.stderr


def test_every_variable_is_documented() -> None:
    source = (settings.BASE_DIR / "todoproj" / "settings.py").read_text()
    names = set(re.findall(r'(?:env\.\w+|whole_number|flag|several)\(\s*"(\w+)"', source)) | {
        "HOST",
        "PORT",
        "WEB_CONCURRENCY",
    }
    assert len(names) > 10
    for document in ["README.md", ".env.example"]:
        text = (settings.BASE_DIR / document).read_text()
        assert not {name for name in names if name not in text}, document
