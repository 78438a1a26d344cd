"""Hostile requests to the production server, byte by byte: what no test client of Django's would send or show."""

from __future__ import annotations

import json
import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from conftest import Caller
from mcp_tools.protocol import MAX_MESSAGE_SIZE, META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION
from mcp_tools.tests.replying import TELLTALES
from mcp_tools.tests.running import PATIENCE, REVISION, RunningServer
from tasks.models import Task
from todoproj.users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
PONG = b'{"jsonrpc":"2.0","id":1,"result":{}}'
REPLY = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


def chunks(body: bytes, size: int = 7) -> bytes:
    """The body in chunks, with the one that ends it."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@dataclass
class Wire:
    """A caller by bare sockets."""

    server: RunningServer
    token: str

    def request(
        self,
        body: bytes = PING,
        *extra: str,
        line: str = "POST /mcp HTTP/1.1",
        host: bool = True,
        length: bool = True,
        version: str | None = "2025-11-25",
    ) -> bytes:
        lines = [line, f"Authorization: Bearer {self.token}", "Content-Type: application/json", *extra]
        if host:
            lines.append(f"Host: 127.0.0.1:{self.server.port}")
        if version:
            lines.append(f"MCP-Protocol-Version: {version}")
        if length:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def chunked(self, body: bytes, *extra: str, line: str = "POST /mcp HTTP/1.1") -> bytes:
        return self.request(body, "Transfer-Encoding: chunked", *extra, line=line, length=False)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)

    def send(self, *pieces: bytes, pause: float = 0) -> bytes:
        """All that comes back until the server closes the connection, as it is asked to by one last request."""
        last = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{self.server.port}\r\nConnection: close\r\n\r\n"
        reply = b""
        with self.connect() as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause)
                connection.sendall(last.encode())
            except OSError:
                pass  # It has heard enough, and says why.
            try:
                while piece := connection.recv(65536):
                    reply += piece
            except ConnectionResetError:
                pass
        before, _, end = reply.rpartition(b"HTTP/1.1 ")
        return before if end.endswith(b'{"status": "ok"}') else reply

    def statuses(self, *pieces: bytes, pause: float = 0) -> list[int]:
        reply = self.send(*pieces, pause=pause)
        for telltale in TELLTALES:
            assert telltale not in reply, reply
        return [int(status) for status in REPLY.findall(reply)]


@pytest.fixture
def wire(server: RunningServer, ann: User, caller_for: Callable[..., Caller]) -> Iterator[Wire]:
    """Whatever was sent, the server serves on, and has failed at nothing."""
    log_so_far = len(server.log.read_bytes())
    wire = Wire(server, caller_for(ann).token)
    yield wire
    assert server.call(wire.token, "list_tasks")["status"] == "success"
    log = server.log.read_bytes()[log_so_far:]
    assert b"raised an exception" not in log
    assert b'"status_code":500' not in log


class TestChunked:
    @pytest.mark.parametrize("size", [1, 7, 4096])
    def test_is_read(self, wire: Wire, size: int) -> None:
        reply = wire.send(wire.chunked(chunks(PING, size)))
        assert reply.startswith(b"HTTP/1.1 200 ")
        assert reply.endswith(PONG)

    def test_in_the_newest_revision(self, wire: Wire) -> None:
        meta = {META_PROTOCOL_VERSION: REVISION, META_CLIENT_CAPABILITIES: {}}
        params = {"name": "add_task", "arguments": {"title": "x" * 200}, "_meta": meta}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = ["Mcp-Method: tools/call", "Mcp-Name: add_task", "Transfer-Encoding: chunked"]
        body = chunks(json.dumps(message).encode())
        assert wire.statuses(wire.request(body, *headers, length=False, version=REVISION)) == [200]
        assert Task.objects.get().title == "x" * 200

    def test_at_the_rest_api(self, wire: Wire) -> None:
        body = chunks(b'{"title": "Buy milk"}')
        assert wire.statuses(wire.chunked(body, line="POST /api/tasks/ HTTP/1.1")) == [201]
        assert Task.objects.get().title == "Buy milk"

    def test_with_extensions_and_trailers(self, wire: Wire) -> None:
        body = b'%x;name="a\tb"\r\n%b\r\n0\r\nHost: evil.example\r\nContent-Length: 5\r\n\r\n' % (len(PING), PING)
        assert wire.statuses(wire.chunked(body)) == [200]

    def test_an_empty_one(self, wire: Wire) -> None:
        assert wire.statuses(wire.chunked(chunks(b""))) == [400]

    def test_the_connection_serves_on(self, wire: Wire) -> None:
        assert wire.statuses(wire.chunked(chunks(PING)) * 3 + wire.request()) == [200] * 4

    @pytest.mark.parametrize(
        ("path", "size"), [("/mcp", MAX_MESSAGE_SIZE + 1), ("/mcp", 4_000_000), ("/api/tasks/", 4_000_000)]
    )
    def test_too_large(self, wire: Wire, path: str, size: int) -> None:
        body = chunks(b'"' + b"x" * size + b'"', 65536)
        assert wire.statuses(wire.chunked(body, line=f"POST {path} HTTP/1.1")) == [413]

    @pytest.mark.parametrize(
        "body", [b"zz\r\n" + PING, b"-1\r\n\r\n", b"fffffffffffffffff\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b""]
    )
    def test_what_is_no_chunk(self, wire: Wire, body: bytes) -> None:
        assert wire.statuses(wire.chunked(body) + wire.request()) in ([400], [])

    @pytest.mark.parametrize(
        "headers",
        [
            ["Content-Length: 5", "Transfer-Encoding: chunked"],
            ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ],
    )
    def test_with_a_length_smuggles_nothing(self, wire: Wire, headers: list[str]) -> None:
        """Whoever believed the length takes what follows for another request: the server must not."""
        smuggled = wire.request(b'{"title": "smuggled"}', line="POST /api/tasks/ HTTP/1.1")
        assert wire.statuses(wire.request(chunks(PING), *headers, length=False) + smuggled) == [200]
        assert not Task.objects.exists()

    @pytest.mark.parametrize(
        "coding", ["gzip, chunked", "chunked, chunked", "chunked, identity", "identity", "xchunked", "chunked\x0b"]
    )
    def test_other_codings(self, wire: Wire, coding: str) -> None:
        assert wire.statuses(wire.request(chunks(PING), f"Transfer-Encoding: {coding}", length=False)) == [400]

    def test_twice(self, wire: Wire) -> None:
        assert wire.statuses(wire.chunked(chunks(PING), "Transfer-Encoding: chunked")) == [400]

    def test_in_http_1_0(self, wire: Wire) -> None:
        assert wire.statuses(wire.chunked(chunks(PING), line="POST /mcp HTTP/1.0")) == [400]


class TestLength:
    @pytest.mark.parametrize("length", ["-1", "+40", "40, 41", "0x28", "4_0", "", "9" * 30, "40.0"])
    def test_that_is_none(self, wire: Wire, length: str) -> None:
        assert wire.statuses(wire.request(PING, f"Content-Length: {length}", length=False)) == [400]

    def test_two_that_differ(self, wire: Wire) -> None:
        assert wire.statuses(wire.request(PING, "Content-Length: 3")) == [400]

    def test_missing(self, wire: Wire) -> None:
        assert wire.statuses(wire.request(b"", length=False)) == [400]

    def test_shorter_than_the_body(self, wire: Wire) -> None:
        """What is left over is the next request, and none."""
        request = wire.request(PING, f"Content-Length: {len(PING) - 5}", length=False)
        assert wire.statuses(request) == [400, 400]

    @pytest.mark.parametrize(("path", "size"), [("/mcp", MAX_MESSAGE_SIZE + 1), ("/api/tasks/", 4_000_000)])
    def test_too_large(self, wire: Wire, path: str, size: int) -> None:
        assert wire.statuses(wire.request(b"x" * size, line=f"POST {path} HTTP/1.1")) == [413]

    @pytest.mark.parametrize("line", ["POST /mcp HTTP/1.1", "POST /mcp/none HTTP/1.1", "DELETE /mcp HTTP/1.1"])
    def test_whoever_is_still_sending_gets_the_answer(self, wire: Wire, line: str) -> None:
        """And the connection serves on."""
        refused = wire.request(b"x" * 6_000_000, line=line)
        statuses = wire.statuses(refused, refused, refused, wire.request())
        assert statuses[3:] == [200]
        assert len(set(statuses[:3])) == 1
        assert statuses[0] >= 400

    def test_the_client_may_wait_to_be_asked(self, wire: Wire) -> None:
        assert wire.statuses(wire.request(PING, "Expect: 100-continue")) == [100, 200]


class TestHeaders:
    @pytest.mark.parametrize(
        ("header", "status"),
        [
            ("Authorization: Bearer todo_x", 401),
            ("MCP-Protocol-Version: 2025-11-25", 400),
            ("Host: 127.0.0.1", 400),
            ("Origin: http://127.0.0.1.evil.example", 403),
            ("Origin: null", 403),
            ("Origin: \xff", 403),
            ("Accept: text/event-stream", 406),
        ],
    )
    def test_one_more(self, wire: Wire, header: str, status: int) -> None:
        assert wire.statuses(wire.request(PING, header)) == [status]

    @pytest.mark.parametrize("name", ["Mcp-Method", "Mcp-Name", "MCP-Protocol-Version"])
    def test_doubled_in_the_newest_revision(self, wire: Wire, name: str) -> None:
        values = {"Mcp-Method": "tools/call", "Mcp-Name": "list_tasks", "MCP-Protocol-Version": REVISION}
        meta = {META_PROTOCOL_VERSION: REVISION, META_CLIENT_CAPABILITIES: {}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_tasks", "_meta": meta}}
        headers = [f"{header}: {value}" for header, value in values.items()]
        body = json.dumps(message).encode()
        assert wire.statuses(wire.request(body, *headers, version=None)) == [200]
        reply = wire.send(wire.request(body, *headers, f"{name}: {values[name]}", version=None))
        assert reply.startswith(b"HTTP/1.1 400 ")
        assert json.loads(reply.split(b"\r\n\r\n")[1])["error"]["code"] == -32020

    @pytest.mark.parametrize("charset", ["zlib", "bz2", "undefined", "idna", "utf-16", '"', "nonsense"])
    @pytest.mark.parametrize(("authorization", "status"), [("Authorization:", 200), ("X-Nothing:", 401)])
    def test_a_charset_opens_no_codec(self, wire: Wire, charset: str, authorization: str, status: int) -> None:
        """Django would read the query with it, before anything looks at the token."""
        request = wire.request(PING, line="POST /mcp?status=%C3%A9 HTTP/1.1")
        request = request.replace(b"application/json", f"application/json; charset={charset}".encode())
        assert wire.statuses(request.replace(b"Authorization:", authorization.encode())) == [status]

    def test_a_charset_with_more_parameters_than_are_read(self, wire: Wire) -> None:
        request = wire.request(PING, line=f"POST /mcp?{'a&' * 2000} HTTP/1.1")
        request = request.replace(b"application/json", b"application/json; charset=utf-8")
        assert wire.statuses(request) == [200]

    def test_large(self, wire: Wire) -> None:
        assert wire.statuses(wire.request(PING, f"X-Large: {'x' * 100_000}")) == [200]
        assert wire.statuses(wire.request(PING, f"Mcp-Name: {'x' * 100_000}")) == [200]

    def test_too_large(self, wire: Wire) -> None:
        assert wire.statuses(wire.request(PING, f"X-Large: {'x' * 1_000_000}")) == [431]

    def test_too_many(self, wire: Wire) -> None:
        assert wire.statuses(wire.request(PING, *[f"X-{n}: x" for n in range(1000)])) == [431]

    @pytest.mark.parametrize(
        "header", ["X-A: a\0b", "X A: x", "X-A : x", ": x", "no colon", "X-A: a\r\n folded", "X-A: a\rb"]
    )
    def test_that_are_none(self, wire: Wire, header: str) -> None:
        assert wire.statuses(wire.request(PING, header)) == [400]


class TestRequestLine:
    def test_http_1_0(self, wire: Wire) -> None:
        assert wire.statuses(wire.request(line="POST /mcp HTTP/1.0")) == [200]

    def test_no_host(self, wire: Wire) -> None:
        assert wire.statuses(wire.request(host=False)) == [400]

    def test_absolute_target(self, wire: Wire) -> None:
        assert wire.statuses(wire.request(line=f"POST http://127.0.0.1:{wire.server.port}/mcp HTTP/1.1")) == [200]

    def test_absolute_target_of_a_foreign_host(self, wire: Wire) -> None:
        line = "POST http://evil.example/mcp HTTP/1.1"
        assert wire.statuses(wire.request(PING, "Origin: http://evil.example", line=line)) == [403]
        assert wire.statuses(wire.request(line=line, host=False)) == [400]

    def test_line_feeds_alone(self, wire: Wire) -> None:
        assert wire.statuses(wire.request().replace(b"\r\n", b"\n")) == [200]

    @pytest.mark.parametrize(
        ("line", "status"),
        [
            ("POST /mcp", 400),
            ("POST /mcp HTTP/9.9", 400),
            ("POST  /mcp HTTP/1.1", 400),
            ("PO\0ST /mcp HTTP/1.1", 400),
            ("POST /m cp HTTP/1.1", 400),
            ("post /mcp HTTP/1.1", 200),
            ("GET /mcp HTTP/1.1", 405),
            ("DELETE /mcp HTTP/1.1", 405),
            ("BREW /mcp HTTP/1.1", 405),
            ("POST /mcp/ HTTP/1.1", 404),
            ("POST /../mcp HTTP/1.1", 404),
            ("POST /mcp%00 HTTP/1.1", 404),
            ("POST /%ff%fe HTTP/1.1", 404),
            ("OPTIONS * HTTP/1.1", 404),
            ("CONNECT evil.example:443 HTTP/1.1", 404),
            (f"GET /{'x' * 60_000} HTTP/1.1", 404),
            (f"GET /{'x' * 70_000} HTTP/1.1", 414),
            ("GET /static/%2e%2e/manage.py HTTP/1.1", 404),
            ("GET /static/../manage.py HTTP/1.1", 404),
        ],
    )
    def test_odd_ones(self, wire: Wire, line: str, status: int) -> None:
        assert wire.statuses(wire.request(line=line)) == [status]

    @pytest.mark.parametrize(
        "garbage",
        [
            b"\0" * 100,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\r\n\r\nx\r\n\r\n",
            b"SSH-2.0-x\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        ],
    )
    def test_what_is_not_http_1(self, wire: Wire, garbage: bytes) -> None:
        assert wire.statuses(garbage) in ([400], [])

    def test_pipelined(self, wire: Wire) -> None:
        """Answers come in the order of the requests."""
        bodies = [PING.replace(b"1,", b"%d," % number) for number in range(10)]
        reply = wire.send(b"".join(map(wire.request, bodies)))
        assert [int(id) for id in re.findall(rb'"id":(\d+)', reply)] == list(range(10))


class TestSlow:
    def test_bytes_that_dribble_in(self, wire: Wire) -> None:
        request = wire.request()
        pieces = [request[at : at + 40] for at in range(0, len(request), 40)]
        assert wire.statuses(*pieces, pause=0.02) == [200]

    def test_chunks_that_dribble_in(self, wire: Wire) -> None:
        request = wire.chunked(chunks(PING, 1))
        pieces = [request[at : at + 40] for at in range(0, len(request), 40)]
        assert wire.statuses(*pieces, pause=0.02) == [200]

    def test_whoever_sends_only_headers_stops_nobody(self, wire: Wire) -> None:
        """Before the headers are there, no thread waits for them."""
        connections = [wire.connect() for _ in range(50)]
        for connection in connections:
            connection.sendall(wire.request()[:100])
        assert wire.statuses(wire.request()) == [200]
        for connection in connections:
            connection.close()

    @pytest.mark.parametrize(
        ("line", "extra", "status"),
        [
            ("POST /mcp HTTP/1.1", "Origin: null", 403),
            ("POST /nothing HTTP/1.1", "X-Nothing: x", 404),
            ("DELETE /mcp HTTP/1.1", "X-Nothing: x", 405),
        ],
    )
    def test_whoever_sends_no_more_of_what_was_refused_stops_nobody(
        self, wire: Wire, line: str, extra: str, status: int
    ) -> None:
        """More of them than there are threads; most are told that they are refused."""
        request = wire.request(b"{", extra, "Content-Length: 100", line=line, length=False)
        with ExitStack() as stack:
            slow = [stack.enter_context(wire.connect()) for _ in range(40)]
            for connection in slow:
                connection.sendall(request)
            assert wire.statuses(wire.request()) == [200]
            answered, _, _ = select.select(slow, [], [], PATIENCE)
            assert {connection.recv(12) for connection in answered} == {b"HTTP/1.1 %d" % status}

    @pytest.mark.parametrize("chunked", [False, True])
    def test_whoever_breaks_off_leaves_nothing_behind(self, wire: Wire, chunked: bool) -> None:
        """More of them than there are threads, and not a task comes of it."""
        body = b'{"title": "half'
        line = "POST /api/tasks/ HTTP/1.1"
        if chunked:
            request = wire.chunked(b"ff\r\n" + body, line=line)
        else:
            request = wire.request(body, "Content-Length: 1000", line=line, length=False)
        for _ in range(30):
            with wire.connect() as connection:
                connection.sendall(request)
        assert wire.statuses(wire.request()) == [200]
        assert not Task.objects.exists()

    def test_whoever_does_not_wait_for_the_reply(self, wire: Wire) -> None:
        for _ in range(30):
            with wire.connect() as connection:
                connection.sendall(wire.request())
        assert wire.statuses(wire.request()) == [200]
