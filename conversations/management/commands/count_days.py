"""`manage.py count_days`: count what was said on each day that is over, for the page of activity."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from conversations.days import count_days, first_day


class Command(BaseCommand):
    help = "Count the messages and people of each day that is over and was not counted. Run it every day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--again", action="store_true", help="Also days that were counted, such as after an import of old messages."
        )

    def handle(self, *, again: bool, **options: Any) -> None:
        today = timezone.now().date()
        counted = count_days(first=first_day() or today, last=today, again=again)
        self.stdout.write(f"{counted:,} days were counted.")
