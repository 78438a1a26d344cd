"""`manage.py issue_token USER_ID`: print a new personal token on stdout, and nothing else there."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from todoproj.users.models import Scope, User
from todoproj.users.services import issue_token


class Command(BaseCommand):
    help = "Issue a personal token for USER_ID. The token alone goes to stdout; what else there is to say, to stderr."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user_id", metavar="USER_ID", help="The person that the token acts for.")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            help="What it allows; may be given twice. Without it: everything.",
        )
        parser.add_argument("--days", type=int, help="How many days it lasts. Without it: until it is revoked.")
        parser.add_argument("--name", default="", help="What or who uses it, to know it by in the admin.")

    def handle(self, *, user_id: str, scope: list[str] | None, days: int | None, name: str, **options: Any) -> None:
        try:
            expires_at = None if days is None else timezone.now() + timedelta(days=days)
        except OverflowError:
            raise CommandError("--days is too large. Leave it out for a token that lasts until revoked.") from None
        try:
            record, token = issue_token(user_id=user_id, scopes=scope or Scope.values, name=name, expires_at=expires_at)
        except User.DoesNotExist:
            raise CommandError("There is no active person with this id. Add them in the admin first.") from None
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        lasts = "until it is revoked" if record.expires_at is None else f"until {record.expires_at:%Y-%m-%d %H:%M} UTC"
        self.stderr.write(f"Token {record} for {user_id}: {record.scopes}, {lasts}. It is shown only this once.")
        self.stdout.write(token)
