"""`manage.py serve`: the whole application on the production server (granian)."""

import ctypes
import errno
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

THREADS = 4
# Seconds that calls have to end in once the server is told to stop.
STOP_TIMEOUT = 10
STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM]
# From <linux/prctl.h>: which signal a process gets when its parent ends.
PR_SET_PDEATHSIG = 1


class Command(BaseCommand):
    help = "Serve the whole application with the production server. Run as many identical ones as you need."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=os.environ.get("PORT") or 8000, help="Default: $PORT or 8000")
        add_worker_arguments(parser)
        parser.add_argument("--demo", action="store_true", help="Make a demo person first, and say how to connect.")

    def handle(self, *, host: str, port: int, workers: int, demo: bool, **options: Any) -> None:
        address = free_address(host, port)
        if demo:
            call_command("demo", host=host, port=port, stdout=self.stdout)
        run_server(address=address, port=port, workers=workers)


def add_worker_arguments(parser: CommandParser) -> None:
    """Where and in how many processes a server runs."""
    parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1", help="Default: $HOST or 127.0.0.1")
    parser.add_argument(
        "--workers",
        type=int,
        default=os.environ.get("WEB_CONCURRENCY") or 1,
        help=f"Processes, of {THREADS} threads each. One a core is a good start. Default: $WEB_CONCURRENCY or 1",
    )


def free_address(host: str, port: int, *, chosen_by: str = "PORT") -> str:
    """The IP address of a host of this machine, at which nobody listens on the port.

    chosen_by: what the operator chooses the port by. Raises CommandError, which says what to do.
    """
    if not 0 < port < 65536:
        raise CommandError(f"There is no port {port}. Set {chosen_by} to one from 1 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    # UnicodeError: what can't be a host name, such as one with two dots in a row.
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} on {host} is taken. Set {chosen_by} to another, such as {port + 1}."
            ) from None
        raise CommandError(f"Can't listen on {host}, port {port}: {error}. Choose another host or port.") from None
    return str(address[0])


def run_server(
    *,
    address: str,
    port: int,
    workers: int,
    application: str = "todoproj.wsgi:application",
    files: bool = True,
    beside: Callable[[], None] | None = None,
) -> None:
    """Serve a WSGI application, `module:name`, until a signal ends it.

    address: the IP address to listen at.
    files: whether the server gives out those under static/ itself, without asking Django.
    beside: what this process does meanwhile, in a thread of its own, once there is a worker. The server ends with it.

    The application is loaded here, once, and the worker processes are forks of this one: they start in an instant and
    share its memory. Raises CommandError where others could reach it and sign tokens by themselves.
    """
    if settings.SECRET_KEY == settings.DEVELOPMENT_SECRET_KEY and not ip_address(address).is_loopback:
        raise CommandError(
            f"Others can reach {address}, and SECRET_KEY is the one that everybody knows. Set it to a long random text."
        )
    # What a server must not share with its children.
    connections.close_all()
    import_module(application.partition(":")[0])
    static = [settings.STATIC_ROOT] if files and settings.STATIC_ROOT.is_dir() else []
    server = Granian(
        application,
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        # A body over HTTP/2 need not tell its length, and Django would read it as empty. Proxies speak HTTP/1.1.
        http=HTTPModes.http1,
        workers=workers,
        blocking_threads=THREADS,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_TIMEOUT,
        static_path_route=["/static"] if static else [],
        static_path_mount=static,
        log_dictconfig=settings.LOGGING,
        log_level=LogLevels.warning,
    )
    # A worker takes over this process's handlers, and would swallow a signal by them until it has its own.
    os.register_at_fork(
        before=_hold_signals, after_in_parent=_release_signals, after_in_child=partial(_begin_as_worker, os.getpid())
    )
    if beside is not None:
        _do_beside(beside, end=server.signal_handler_interrupt)
    # All that is loaded stays: the collector need not look at it again, nor by that unshare it.
    gc.freeze()
    server.serve()


def _do_beside(beside: Callable[[], None], *, end: Callable[[], None]) -> None:
    # Whatever lock another thread holds at a fork, stays locked in the worker for ever.
    forked = threading.Event()
    os.register_at_fork(after_in_parent=forked.set)

    def run() -> None:
        forked.wait()
        try:
            beside()
        finally:
            end()

    threading.Thread(target=run, daemon=True).start()


def _hold_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _begin_as_worker(parent: int) -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        # It would keep the port, and nobody could tell it to end, if its parent were killed.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            signal.raise_signal(signal.SIGTERM)
    _release_signals()
