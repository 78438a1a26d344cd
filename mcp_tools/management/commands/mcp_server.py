"""`manage.py mcp_server`: MCP alone, apart from the rest of the application, on the same database."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from mcp_tools.management.commands.serve import add_worker_arguments, free_address, run_server


class Command(BaseCommand):
    help = (
        "Serve /mcp with the production server, and nothing else but /health and the metadata that tell OAuth clients "
        "who issues tokens for it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=int, default=settings.MCP_SERVER_PORT, help="Default: $MCP_SERVER_PORT or 5000"
        )
        add_worker_arguments(parser)

    def handle(self, *, host: str, port: int, workers: int, **options: Any) -> None:
        address = free_address(host, port, chosen_by="MCP_SERVER_PORT")
        run_server(address=address, port=port, workers=workers, application="mcp_tools.wsgi:application", files=False)
