"""`manage.py erase_person`: take a person away for good, with all that is theirs."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from todoproj.commands import Progress
from todoproj.users.erasure import amounts_of, erase_person
from todoproj.users.models import User


class Command(BaseCommand):
    help = "Erase a person: their chats, tasks and credentials of every kind, and what is kept in text about them."

    def add_arguments(self, parser: CommandParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("user_id", metavar="ID", nargs="?", help="The person's id.")
        who.add_argument("--email", metavar="ADDRESS", help="The person's email address, in any case.")
        parser.add_argument("--dry-run", action="store_true", help="Only say how much would go.")
        parser.add_argument("--yes", action="store_true", help="Don't ask.")

    def handle(self, *, user_id: str | None, email: str | None, dry_run: bool, yes: bool, **options: Any) -> None:
        user = User.objects.with_email(email) if email else User.objects.filter(pk=user_id).first()
        if user is None:
            raise CommandError("There is no such person. An id is compared exactly; search the people in the admin.")
        amounts = amounts_of(user)
        self.stdout.write(f"With {user.pk} ({user.email or user.username}) {'would' if dry_run else 'will'} go:")
        for name, count in sorted(amounts.items()) or [("nothing else", 0)]:
            self.stdout.write(f"  {name}: {count:,}" if count else f"  {name}")
        if dry_run:
            return
        if not yes:
            self._ask(user)

        shown = Progress(self.stderr, amounts.total(), "rows")

        def show(gone: Counter[str]) -> None:
            # With the rows that were counted go some that belong to these.
            shown.advance(min(gone.total(), shown.total))

        gone = erase_person(user=user, means="by command", on_progress=show)
        show(gone)
        shown.finish()
        self.stdout.write(f"Erased, for good: {gone.total():,} rows.")

    def _ask(self, user: User) -> None:
        if not sys.stdin.isatty():
            raise CommandError("Nobody is there to ask. Add --yes to erase them, or --dry-run to look first.")
        if input(f"This can't be undone. To go on, type the id {user.pk}: ") != user.pk:
            raise CommandError("That is not the id. Nothing was erased.")
