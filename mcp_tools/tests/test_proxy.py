"""The proxy that the README asks for, with the configuration of docs/nginx.conf, in front of the production server."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from mcp_tools.management.commands.serve import THREADS
from mcp_tools.tests.running import PATIENCE, RunningServer, free_port
from todoproj.users.services import issue_token
from todoproj.users.tests.factories import UserFactory

pytestmark = [pytest.mark.proxy, pytest.mark.django_db(transaction=True)]

WORKERS = 2
# Seconds that nginx waits for the next piece of a body here.
BODY_TIMEOUT = 3


class Proxy:
    def __init__(self, port: int, certificate: Path) -> None:
        self.port = port
        self.context = ssl.create_default_context(cafile=certificate)
        self.http = httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=self.context, timeout=PATIENCE)

    def connect(self) -> ssl.SSLSocket:
        return self.context.wrap_socket(socket.create_connection(("127.0.0.1", self.port)), server_hostname="127.0.0.1")


@pytest.fixture
def proxy(tmp_path: Path, server: RunningServer) -> Iterator[Proxy]:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make += ["-days", "1", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    make += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    port = free_port()
    configuration = (settings.BASE_DIR / "docs" / "nginx.conf").read_text()
    for documented, here in {
        "/etc/ssl/certs/todo.example.com.pem": str(certificate),
        "/etc/ssl/private/todo.example.com.key": str(key),
        "127.0.0.1:8000": f"127.0.0.1:{server.port}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen 80": f"listen 127.0.0.1:{free_port()}",
        "/var/log/nginx/todoproj.log": str(tmp_path / "access.log"),
        "client_body_timeout 20s": f"client_body_timeout {BODY_TIMEOUT}s",
    }.items():
        assert configuration.count(documented) == 1, documented
        configuration = configuration.replace(documented, here)
    folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    kept = "".join(f"{name}_temp_path {tmp_path}/{name};" for name in folders)
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/nginx.pid; events {{}}http {{ {kept} {configuration} }}"
    )
    nginx = ["nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "nginx.log")]
    with subprocess.Popen(nginx) as process:
        running = Proxy(port, certificate)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                assert running.http.get("/health").status_code == 200
                break
            except httpx.TransportError:
                assert process.poll() is None, (tmp_path / "nginx.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield running
        running.http.close()
        process.terminate()


def announce(proxy: Proxy, length: int) -> ssl.SSLSocket:
    """A connection on which a body was announced, of which one byte came."""
    client = proxy.connect()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{"
    )
    client.sendall(head.encode())
    return client


def test_slow_bodies_hold_up_nobody_and_end(proxy: Proxy) -> None:
    _, token = issue_token(user_id=UserFactory.create().pk)
    with ExitStack() as stack:
        slow = [stack.enter_context(announce(proxy, 100)) for _ in range(5 * WORKERS * THREADS)]
        reply = proxy.http.get("/api/tasks/", headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code == 200
        # None of them has had an answer, nor was cut off, by then.
        for client in slow:
            client.settimeout(0.001)
            with pytest.raises(TimeoutError):
                client.recv(1)
        for client in slow:
            client.settimeout(PATIENCE)
            # 408 where nginx says it; it may as well just close.
            assert client.recv(100)[:12] in {b"HTTP/1.1 408", b""}


def test_a_body_that_is_too_large_gets_the_applications_answer(proxy: Proxy) -> None:
    _, token = issue_token(user_id=UserFactory.create().pk)
    reply = proxy.http.post(
        "/mcp",
        content=b"[" * 6_000_000,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    assert reply.status_code == 413
    assert reply.json()["error"]


def test_a_header_with_an_underscore_is_dropped(proxy: Proxy, server: RunningServer) -> None:
    body = '{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    _, token = issue_token(user_id=UserFactory.create().pk)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    # To the application it is the revision, and none that there is.
    headers["MCP_Protocol_Version"] = "none"
    assert server.http.post(f"{server.site}/mcp", content=body, headers=headers).status_code == 400
    assert proxy.http.post("/mcp", content=body, headers=headers).status_code == 200


def test_its_log_holds_no_query(proxy: Proxy, tmp_path: Path) -> None:
    assert proxy.http.get("/admin/conversations/conversation/?q=secret").status_code == 302
    log = tmp_path / "access.log"
    # It is written once the answer is out.
    deadline = time.monotonic() + PATIENCE
    while "/admin/conversations/" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "secret" not in log.read_text()
