"""`manage.py stdio_server`: MCP over this process's standard input and output, for one person."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
from io import BufferedReader, BufferedWriter
from queue import SimpleQueue
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from mcp_tools.management.commands.serve import STOP_SIGNALS, STOP_TIMEOUT, free_address, run_server
from mcp_tools.stdio import StdioTransport
from todoproj.users.principals import LocalCaller, Unauthenticated

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Serve MCP over standard input and output, for clients that start their servers themselves. Whoever may start "
        "it acts for the person, without a token. Ends with its input, or when told to, once what was asked is "
        "answered; told twice, at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, metavar="ID", help="Whose list: an active person's id.")
        parser.add_argument("--http", metavar="HOST:PORT", help="Serve the web application there, too, meanwhile.")

    def handle(self, *, user: str, http: str | None, **options: Any) -> None:
        try:
            LocalCaller(user).authenticate()
        except Unauthenticated:
            raise CommandError(f"There is no active person with the id {user!r}. The admin lists them.") from None
        # Calls are served by threads that have connections of their own.
        connections.close_all()
        if http is None:
            transport = _transport(user)
            _run(transport)
            _end(transport)
            return
        address, port = _address(http)
        transport = _transport(user)
        try:
            run_server(address=address, port=port, workers=1, beside=transport.run)
        finally:
            _end(transport)


def _address(http: str) -> tuple[str, int]:
    host, _, port = http.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port):
        raise CommandError(f"--http was {http!r}. Use HOST:PORT, such as 127.0.0.1:8000.")
    return free_address(host.strip("[]"), int(port), chosen_by="--http"), int(port)


def _transport(user: str) -> StdioTransport:
    """On the process's own input and output; whatever else would be written there goes to stderr from now on."""
    source: BufferedReader = os.fdopen(os.dup(0), "rb")
    sink: BufferedWriter = os.fdopen(os.dup(1), "wb")
    sys.stdout.flush()
    os.dup2(2, 1)

    def let_go() -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        for taken in [source, sink]:
            os.dup2(nothing, taken.fileno())
        os.close(nothing)

    # The client is this process's alone: as long as a fork had its pipes, it could not tell that this one has ended.
    os.register_at_fork(after_in_child=let_go)
    return StdioTransport(source, sink, lambda: LocalCaller(user))


def _run(transport: StdioTransport) -> None:
    """Serve until the input ends, or a signal comes."""
    # Not an event: a handler may put into this while its own thread gets from it.
    told: SimpleQueue[None] = SimpleQueue()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: told.put(None))

    def run() -> None:
        try:
            transport.run()
        finally:
            told.put(None)

    threading.Thread(target=run, daemon=True).start()
    told.get()


def _end(transport: StdioTransport) -> None:
    """End once what was asked is answered; but at once if a signal comes, and soon if no answers do."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    is_done = transport.finish(STOP_TIMEOUT)
    # What is left to do may have to wait, too, for the database or for whoever reads the logs.
    signal.alarm(STOP_TIMEOUT)
    if not is_done:
        logger.warning("ended with requests open, since none was answered for %s seconds", STOP_TIMEOUT)
        # Without the threads that work on them.
        os._exit(1)
