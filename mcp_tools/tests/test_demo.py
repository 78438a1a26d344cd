"""`make run`'s demo and server: what it prints works as printed."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth import authenticate as authenticate_password
from django.core.management import CommandError, call_command
from django.http import HttpRequest

from conftest import authenticate
from conversations.models import Message
from mcp_tools.management.commands import demo
from mcp_tools.management.commands.serve import free_address
from mcp_tools.tests.running import PATIENCE, RunningServer
from tasks.models import Task
from todoproj.users.models import PersonalToken, User
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

# A command, to the end of its code block or paragraph.
CURL = re.compile(r"^curl .*?(?=\n```|\n\n)", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(demo, "KEPT_IN", tmp_path / "kept.json")
    return tmp_path / "kept.json"


def run_demo(**options: Any) -> str:
    out = StringIO()
    call_command("demo", stdout=out, **options)
    return out.getvalue()


def run_curl(command: str, **environment: str) -> Any:
    done = subprocess.run(
        ["bash", "-euc", command.replace("curl ", "curl -sS --fail ", 1)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["result"]["structuredContent"]


@pytest.mark.django_db
class TestDemo:
    def test_makes_somebody_to_try_it_with(self, kept: Path) -> None:
        printed = run_demo()
        assert Task.objects.filter(user_id="demo").count() == 3
        assert Message.objects.owned_by("demo").count() == 2
        (token,) = set(re.findall(r"todo_[\w-]+", printed))
        principal = authenticate(token)
        assert principal is not None
        assert principal.user_id == "demo"
        password = re.search(r"password: (\S+)", printed)
        assert password is not None
        assert authenticate_password(HttpRequest(), username="admin", password=password[1])
        assert kept.stat().st_mode & 0o077 == 0

    def test_again_reuses_everything_and_loses_nothing(self) -> None:
        first = run_demo()
        Task.objects.filter(user_id="demo").earliest("pk").delete()
        left = list(Task.objects.values())
        assert run_demo() == first
        assert list(Task.objects.values()) == left
        assert (User.objects.count(), PersonalToken.objects.count()) == (2, 1)

    def test_after_the_admin_changed_the_password(self) -> None:
        run_demo()
        admin = User.objects.get(username="admin")
        admin.set_password("another one")
        admin.save()
        assert "password: (as you set it)" in run_demo()
        assert authenticate_password(HttpRequest(), username="admin", password="another one")

    def test_after_the_token_was_revoked_there_is_a_new_one(self) -> None:
        first = run_demo()
        PersonalToken.objects.all().revoke()
        assert run_demo() != first

    def test_the_client_configuration_is_json(self) -> None:
        printed = run_demo(host="::", port=8123)
        configuration, _ = json.JSONDecoder().raw_decode(printed[printed.index("{\n") :])
        assert configuration["mcpServers"]["todo"]["url"] == "http://127.0.0.1:8123/mcp"


@pytest.mark.django_db(transaction=True)
class TestCurl:
    def test_as_the_demo_prints_it(self, server: RunningServer) -> None:
        commands = CURL.findall(run_demo(port=server.port))
        assert len(commands) == 2
        for command in commands:
            assert len(run_curl(command)["data"]["tasks"]) == 2

    def test_as_the_readme_prints_it(self, server: RunningServer) -> None:
        _, token = issue_token(user_id=UserFactory.create(id="demo").pk)
        commands = CURL.findall((settings.BASE_DIR / "README.md").read_text())
        assert len(commands) >= 2
        for command in commands:
            reply = run_curl(command.replace("http://127.0.0.1:8000", server.site), TOKEN=token)
            assert reply["status"] == "success"


class TestServe:
    def test_a_taken_port_is_a_clear_message(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            refused = subprocess.run(
                [sys.executable, "manage.py", "serve"],
                cwd=settings.BASE_DIR,
                env=os.environ | {"PORT": str(port)},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        assert refused.returncode == 1
        assert refused.stderr.strip() == (
            f"CommandError: Port {port} on 127.0.0.1 is taken. Set PORT to another, such as {port + 1}."
        )

    @pytest.mark.parametrize(
        ("host", "port", "why"),
        [
            ("no such host", 8000, "Can't listen"),
            ("a..b", 8000, "Can't listen"),
            ("127.0.0.1", 99999, "There is no port"),
        ],
    )
    def test_an_address_that_can_not_be(self, host: str, port: int, why: str) -> None:
        with pytest.raises(CommandError, match=why):
            free_address(host, port)

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("signal", [signal.SIGTERM, signal.SIGINT])
    def test_ends_when_told_to(self, tmp_path: Path, signal: signal.Signals) -> None:
        with RunningServer(tmp_path / "server.log") as server:
            server.process.send_signal(signal)
            assert server.process.wait(timeout=PATIENCE) == 0
            with pytest.raises(httpx.TransportError):
                server.http.get(f"{server.site}/health")
        # On a busy machine, the server may say that of a worker which has ended but is not yet reported as ended.
        said = [line for line in (tmp_path / "server.log").read_text().splitlines() if "gracefully stop" not in line]
        assert said == []

    @pytest.mark.django_db(transaction=True)
    def test_leaves_nothing_behind_when_it_is_killed(self, tmp_path: Path) -> None:
        with RunningServer(tmp_path / "server.log") as server:
            server.process.kill()
            server.process.wait()
            deadline = time.monotonic() + PATIENCE
            while is_taken(server.port):
                assert time.monotonic() < deadline
                time.sleep(0.1)


def is_taken(port: int) -> bool:
    try:
        free_address("127.0.0.1", port)
    except CommandError:
        return True
    return False
