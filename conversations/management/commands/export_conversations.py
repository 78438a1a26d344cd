"""`manage.py export_conversations`: chats as JSON Lines or CSV."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.exports import Format, export_conversations
from conversations.models import Conversation
from todoproj.commands import Progress, moment
from todoproj.users.models import User


class Command(BaseCommand):
    help = "Write conversations, a message or call of a tool a line. That it was done is kept among the chat accesses."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=Format.values, default=Format.JSONL.value)
        parser.add_argument(
            "--output", default="-", metavar="FILE", help="Where to; - is stdout, which is the default."
        )
        parser.add_argument("--user", metavar="ID", help="Only this person's.")
        parser.add_argument(
            "--conversation", type=int, action="append", metavar="ID", help="Only this; may be repeated."
        )
        parser.add_argument("--since", type=moment, metavar="TIME", help="Only those last active then or later; UTC.")
        parser.add_argument("--until", type=moment, metavar="TIME", help="Only those last active before; UTC.")
        parser.add_argument("--progress", action="store_true", help="Show how far it is, also without a terminal.")

    def handle(
        self,
        *,
        format: str,
        output: str,
        user: str | None,
        conversation: list[int] | None,
        since: datetime | None,
        until: datetime | None,
        progress: bool,
        **options: Any,
    ) -> None:
        chosen = Conversation.objects.all()
        filters = []
        if user is not None:
            if not User.objects.filter(pk=user).exists():
                raise CommandError("There is no person with this id. It is compared exactly.")
            chosen = chosen.owned_by(user)
            filters.append("one person's")
        if conversation is not None:
            chosen = chosen.filter(pk__in=conversation)
            if missing := set(conversation) - set(chosen.values_list("pk", flat=True)):
                raise CommandError(f"There is no conversation {', '.join(map(str, sorted(missing)))}.")
            filters.append("by id")
        if since is not None:
            chosen = chosen.filter(updated_at__gte=since)
            filters.append(f"last active since {since.isoformat()}")
        if until is not None:
            chosen = chosen.filter(updated_at__lt=until)
            filters.append(f"last active before {until.isoformat()}")

        count = chosen.count()
        only = chosen.values("pk", "user_id").first() if count == 1 else None
        shown = Progress(self.stderr, count, "conversations", shown=progress or None)
        done = 0

        def advance(_: Conversation) -> None:
            nonlocal done
            done += 1
            shown.advance(done)

        with _written(output) as file:
            pieces = export_conversations(
                conversations=chosen,
                format=Format(format),
                actor=None,
                detail=f"{count:,} conversations by command, {', '.join(filters) or 'all there are'}",
                person_id=user or (only["user_id"] if only else ""),
                conversation_id=only["pk"] if only else None,
                on_progress=advance,
            )
            for piece in pieces:
                file.write(piece)
        shown.finish()
        self.stderr.write(f"{done:,} conversations were exported.")


@contextmanager
def _written(output: str) -> Iterator[BinaryIO]:
    """A file to write to, which nobody else may read, and which has its name only once it is whole."""
    if output == "-":
        with suppress(BrokenPipeError):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    path = Path(output)
    if path.is_dir():
        raise CommandError(f"{path} is a folder. Name a file in it.")
    try:
        descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise CommandError(f"{path.parent} can't be written to: {error.strerror}. Name another --output.") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
