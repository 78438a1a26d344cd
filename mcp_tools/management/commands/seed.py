"""`manage.py seed`: many made-up people, and conversations with all that happens in them, to see things at size."""

import datetime as dt
import time
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcp_tools.seeding import Plan, seed
from todoproj.commands import Progress, moment

UNTIL = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


class Command(BaseCommand):
    help = (
        "Make people (ids seed-000001 and on), and conversations with messages, calls of tools, notes and accesses of "
        "staff. The same arguments make the same rows. All are made or none; rows of others stay as they are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--users", type=int, default=10, metavar="N", help="Default: %(default)s")
        parser.add_argument("--conversations", type=int, default=200, metavar="N", help="Default: %(default)s")
        parser.add_argument("--messages", type=int, default=4000, metavar="N", help="Default: %(default)s")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="Another one makes other rows.")
        parser.add_argument(
            "--until", type=moment, default=UNTIL, metavar="TIME", help="Nothing was said later. Default: %(default)s"
        )
        parser.add_argument("--days", type=int, default=730, metavar="N", help="In so many days. Default: %(default)s")
        parser.add_argument(
            "--first-id",
            type=int,
            default=1,
            metavar="N",
            help="Of conversations, and of each kind of row in them. Default: %(default)s",
        )

    def handle(self, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("What is made up has no place among real people: not with ENVIRONMENT=production.")
        began = time.monotonic()
        wanted = {name: options[name] for name in Plan.__dataclass_fields__}
        try:
            plan = Plan(**wanted)
            shown = Progress(self.stderr, plan.messages, "messages", shown=True)
            seed(plan, on_progress=shown.advance, on_step=shown.note)
            shown.finish()
        except ValidationError as error:
            raise CommandError(" ".join(_faults(error))) from None
        self.stdout.write(
            f"{plan.users:,} people, {plan.conversations:,} conversations and {plan.messages:,} messages "
            f"in {time.monotonic() - began:,.1f} s."
        )


def _faults(error: ValidationError) -> list[str]:
    if not hasattr(error, "error_dict"):
        return error.messages
    by_option = {name.replace("_", "-"): faults for name, faults in error.message_dict.items()}
    return [f"--{option}: {fault}" for option, faults in by_option.items() for fault in faults]
