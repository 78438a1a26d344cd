"""`manage.py demo`: somebody to try the server with, and how to connect."""

import json
import secrets
import shlex
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from conversations.services import add_message, start_conversation
from mcp_tools.protocol import META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION, NEWEST_HANDSHAKE, REVISIONS
from tasks.services import add_task, complete_task
from todoproj.users.models import User
from todoproj.users.principals import Person, Unauthenticated, caller_of
from todoproj.users.services import issue_token

# The admin's password and the token, which the database knows only by their hashes: kept so that a second call can
# print them again.
KEPT_IN = settings.BASE_DIR / ".demo.json"


class Command(BaseCommand):
    help = "Make a demo person (id `demo`) and an admin, unless they are there, and print how to connect."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *, host: str, port: int, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo has a well-known person and is not for ENVIRONMENT=production.")
        kept = _read(KEPT_IN)
        database = settings.DATABASES["default"]
        key = "{ENGINE} {HOST}:{PORT} {NAME}".format(**{"HOST": "", "PORT": "", **database})
        secrets_here = kept.setdefault(key, {})
        with transaction.atomic():
            _make_demo_person()
            password = _make_admin(secrets_here)
            token = _make_token(secrets_here)
        _write(KEPT_IN, kept)
        self.stdout.write(_how_to_connect(_reachable(host), port, password, token))


def _make_demo_person() -> None:
    _, is_new = User.objects.get_or_create(
        id="demo", defaults={"username": "demo", "first_name": "Dana", "email": "demo@example.com"}
    )
    if not is_new:
        return
    demo = Person("demo")
    add_task(person=demo, title="Water the plants")
    done = add_task(person=demo, title="Book the train to Bern", description="Second class, before ten.")
    complete_task(person=demo, task_id=done.id)
    add_task(person=demo, title="Buy milk", description="Two litres, the kind in glass.")
    conversation = start_conversation(user_id="demo", title="Shopping")
    for role, content in [
        ("user", "Remind me to buy milk. Two litres, the kind in glass."),
        ("assistant", "It is on your list: **Buy milk**, two litres, the kind in glass."),
    ]:
        add_message(user_id="demo", conversation_id=conversation.pk, role=role, content=content)


def _make_admin(kept: dict[str, str]) -> str | None:
    """The admin's password, or None if somebody has changed it."""
    admin = User.objects.filter(username="admin").first()
    if admin is None:
        kept["admin_password"] = secrets.token_urlsafe(12)
        User.objects.create_superuser("admin", "admin@example.com", kept["admin_password"], id="admin")
        return kept["admin_password"]
    password = kept.get("admin_password")
    return password if password and admin.check_password(password) else None


def _make_token(kept: dict[str, str]) -> str:
    try:
        caller_of(kept.get("token", "")).authenticate()
    except Unauthenticated:
        _, kept["token"] = issue_token(user_id="demo", name="demo")
    return kept["token"]


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _write(path: Path, kept: dict[str, dict[str, str]]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(kept, indent=2))


def _reachable(host: str) -> str:
    """An address that a client on this machine can use, for one to listen on."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 (compared, not listened on)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _curl(url: str, token: str, revision: str) -> str:
    params: dict[str, Any] = {"name": "list_tasks", "arguments": {"status": "pending"}}
    headers = [
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"MCP-Protocol-Version: {revision}",
    ]
    if not REVISIONS[revision].handshake:
        headers += ["Mcp-Method: tools/call", "Mcp-Name: list_tasks"]
        params["_meta"] = {META_PROTOCOL_VERSION: revision, META_CLIENT_CAPABILITIES: {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    lines = [
        f"curl {url}",
        *(f"-H {shlex.quote(header)}" for header in headers),
        f"-d {shlex.quote(json.dumps(message))}",
    ]
    return " \\\n    ".join(lines)


def _how_to_connect(host: str, port: int, password: str | None, token: str) -> str:
    site = f"http://{host}:{port}"
    newest = next(iter(REVISIONS))
    client = {
        "mcpServers": {
            "todo": {"type": "http", "url": f"{site}/mcp", "headers": {"Authorization": f"Bearer {token}"}},
        }
    }
    return f"""\

  Admin    {site}/admin/   user: admin   password: {password or "(as you set it)"}
  REST     {site}/api/docs/
  MCP      {site}/mcp
  Token    {token}   (acts for the person `demo`)

MCP client configuration:

{json.dumps(client, indent=2)}

By hand, in the revision {newest}:

{_curl(f"{site}/mcp", token, newest)}

and in {NEWEST_HANDSHAKE}:

{_curl(f"{site}/mcp", token, NEWEST_HANDSHAKE)}

Ctrl-C ends the server.
"""
