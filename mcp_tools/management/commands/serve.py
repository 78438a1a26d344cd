"""`manage.py serve`: the whole application on the production server (granian)."""

import errno
import os
import socket
import sys
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

THREADS = 4


class Command(BaseCommand):
    help = "Serve the whole application with the production server. Run as many identical ones as you need."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1", help="Default: $HOST or 127.0.0.1")
        parser.add_argument("--port", type=int, default=os.environ.get("PORT") or 8000, help="Default: $PORT or 8000")
        parser.add_argument(
            "--workers",
            type=int,
            default=os.environ.get("WEB_CONCURRENCY") or 1,
            help=f"Processes, of {THREADS} threads each. One a core is a good start. Default: $WEB_CONCURRENCY or 1",
        )
        parser.add_argument("--demo", action="store_true", help="Make a demo person first, and say how to connect.")

    def handle(self, *, host: str, port: int, workers: int, demo: bool, **options: Any) -> None:
        require_free(host, port)
        if demo:
            call_command("demo", host=host, port=port, stdout=self.stdout)
        run_server(host=host, port=port, workers=workers)


def require_free(host: str, port: int) -> None:
    """Raise CommandError, which says what to do, if nothing can listen there."""
    if not 0 < port < 65536:
        raise CommandError(f"There is no port {port}. Set PORT to one from 1 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} on {host} is taken. Set PORT to another, such as {port + 1}.") from None
        raise CommandError(f"Can't listen on {host}, port {port}: {error}. Set HOST and PORT to others.") from None


def run_server(*, host: str, port: int, workers: int) -> NoReturn:
    """Become the production server. Files under static/ it serves itself, without asking Django."""
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "todoproj.wsgi:application"]
    command += ["--host", host, "--port", str(port), "--workers", str(workers), "--blocking-threads", str(THREADS)]
    command += ["--respawn-failed-workers", "--no-ws", "--log-level", "warning"]
    if settings.STATIC_ROOT.is_dir():
        command += ["--static-path-route", "/static", "--static-path-mount", str(settings.STATIC_ROOT)]
    sys.stdout.flush()
    os.chdir(settings.BASE_DIR)
    os.execv(sys.executable, command)  # noqa: S606 (our own interpreter, no shell)
