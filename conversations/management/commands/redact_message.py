"""`manage.py redact_message ID`: take out what a message says, for good."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.models import Message
from conversations.services import redact_message


class Command(BaseCommand):
    help = "Take out what message ID says, for good: here, and from searches."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("message_id", metavar="ID", type=int, help="The message's number.")
        parser.add_argument("--dry-run", action="store_true", help="Only say which message it is.")

    def handle(self, *, message_id: int, dry_run: bool, **options: Any) -> None:
        try:
            message = Message.objects.defer("content").get(pk=message_id)
            if not dry_run:
                redact_message(actor_id=None, message_id=message_id)
        except Message.DoesNotExist:
            raise CommandError(f"There is no message {message_id}. The transcript shows the number of each.") from None
        which = (
            f"Message {message.pk} of conversation {message.conversation_id}, by {message.role} "
            f"at {message.created_at:%Y-%m-%d %H:%M:%S} UTC, person {message.user_id}"
        )
        if message.redacted_at is not None:
            outcome = "was redacted before"
        else:
            outcome = "would be redacted" if dry_run else "was redacted"
        self.stdout.write(f"{which}: {outcome}.")
