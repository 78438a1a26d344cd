"""`manage.py delete_old_conversations`: keep conversations for so many days, and no longer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from conversations.retention import BATCH, delete_old_conversations, in_words, old_conversations
from todoproj.commands import Progress


class Command(BaseCommand):
    help = "Delete conversations without activity for so many days, with all that is in them. Run it every day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than", type=int, metavar="DAYS", help="Days since the last message. Without: CHAT_RETENTION_DAYS."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say how many would go.")
        parser.add_argument(
            "--batch", type=int, default=BATCH, metavar="N", help=f"How many go in one transaction; {BATCH}."
        )

    def handle(self, *, older_than: int | None, dry_run: bool, batch: int, **options: Any) -> None:
        days = settings.CHAT_RETENTION_DAYS if older_than is None else older_than
        if days < 1:
            raise CommandError("Say for how many days to keep conversations: --older-than 365, or CHAT_RETENTION_DAYS.")
        if batch < 1:
            raise CommandError("--batch must be 1 or more.")
        try:
            before = timezone.now() - timedelta(days=days)
        except OverflowError:
            raise CommandError("There were no conversations so many days ago. Use a smaller number.") from None
        old = old_conversations(before=before)
        if dry_run:
            self.stdout.write(f"{in_words(old)}, last active before {before:%Y-%m-%d %H:%M} UTC, would be deleted.")
            return
        shown = Progress(self.stderr, old["conversations"], "conversations")
        gone = delete_old_conversations(
            before=before, batch=batch, on_progress=lambda gone: shown.advance(gone["conversations"])
        )
        shown.finish()
        self.stdout.write(f"{in_words(gone)}, last active before {before:%Y-%m-%d %H:%M} UTC, were deleted.")
