"""A proxy that adds a token to each request, for a client that can't send one."""

from __future__ import annotations

import shutil
import socket
from itertools import takewhile
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from types import TracebackType
from typing import Self


class TokenProxy(ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1 until the `with` ends, and forwards to another port.

    Headers and body go through as they came, for the suite also tests odd ones. A connection serves one request, so
    that what follows its first need not be understood.
    """

    daemon_threads = True

    def __init__(self, target_port: int, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.target_port = target_port
        self.added = f"Authorization: Bearer {token}\r\nConnection: close\r\n".encode()
        self.site = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Forward(StreamRequestHandler):
    server: TokenProxy

    def handle(self) -> None:
        lines = list(takewhile(lambda line: line != b"\r\n", self.rfile))
        if not lines:
            return
        start, *headers = lines
        kept = [header for header in headers if not header.lower().startswith(b"connection:")]
        size = sum(int(header[15:]) for header in headers if header.lower().startswith(b"content-length:"))
        with socket.create_connection(("127.0.0.1", self.server.target_port)) as target:
            target.sendall(start + self.server.added + b"".join(kept) + b"\r\n" + self.rfile.read(size))
            with target.makefile("rb") as reply:
                shutil.copyfileobj(reply, self.wfile)
