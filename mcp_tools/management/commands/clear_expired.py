"""`manage.py clear_expired`: remove what is good no more."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from todoproj.idempotency.services import remove_expired_keys
from todoproj.oauth.services import remove_idle_clients
from todoproj.users.logins import remove_ended


class Command(BaseCommand):
    help = (
        "Remove sessions, logins, OAuth tokens and idempotency keys that have expired or ended, and OAuth clients that "
        "nobody uses. Run it every day."
    )

    def handle(self, **options: Any) -> None:
        call_command("clearsessions")
        # Of django-oauth-toolkit.
        call_command("cleartokens")
        call_command("clearcimdapplications", stdout=self.stdout)
        self.stdout.write(f"{remove_idle_clients()} OAuth clients that have held nothing for long were removed.")
        self.stdout.write(f"{remove_ended()} logins that had ended were removed.")
        self.stdout.write(f"{remove_expired_keys()} idempotency keys that had expired were removed.")
