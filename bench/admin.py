"""`python -m bench.admin`: how long staff wait for the admin's pages in a large database.

The database is one that `manage.py seed` filled; DATABASE_URL names it. The bench adds one member of staff, who logs in
to the production server and opens one page after another, each time with other people, words and ids, and takes them
away again at the end. Every reply is looked at. `--plans FILE` writes how PostgreSQL runs the statements instead.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import quote, urlencode

import django

from bench import machine
from bench.measure import say
from bench.report import Table
from bench.running import running
from bench.servers import SERVERS, Server

OURS: Final = SERVERS[0]
CONVERSATIONS: Final = "/admin/conversations/conversation/"
MESSAGES: Final = "/admin/conversations/message/"
TOOL_CALLS: Final = "/admin/mcp_tools/toolcall/"
ACCESSES: Final = "/admin/conversations/chataccess/"
ACTIVITY: Final = "/admin/activity/"
# On a list that may be empty.
NONE_OR_SOME: Final = r'id="result_list"|>\s*0 (conversations|chat accesses)'
# Those that grow with use.
TABLES: Final = "messages|conversations|tool_calls|conversation_notes|chat_accesses|chat_days|tool_uses"
# Of how many of the longest conversations one is drawn.
LONGEST: Final = 100
STAFF: Final = "bench-staff"


@dataclass(frozen=True, slots=True)
class Asked:
    """A page: where it is, and what must be on it, as a regular expression.

    format: of an export, which is asked for by a form; no more than its first line is read.
    """

    path: str
    expected: str
    format: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of page, and how to draw one."""

    name: str
    draw: Callable[[Draw], Asked]


class Draw:
    """Draws people, conversations, times and words, the same ones in every run."""

    def __init__(self, seed: int) -> None:
        from django.db.models import Max, Min

        from conversations.models import Conversation
        from mcp_tools.wording import LANGUAGES

        self._random = Random(seed)  # noqa: S311 (made-up requests)
        bounds = Conversation.objects.aggregate(Min("pk"), Max("pk"))
        self._ids = (bounds["pk__min"], bounds["pk__max"])
        self._words = {
            name: language.words for name, (language, _) in zip(["en", "de", "es", "zh", "ar"], LANGUAGES, strict=True)
        }

    def conversation(self, **having: Any) -> Any:
        """One of those that have what is asked for."""
        from conversations.models import Conversation

        rows = Conversation.objects.select_related("user").filter(**having)
        found = rows.filter(pk__gte=self._random.randint(*self._ids)).order_by("pk").first()
        # After the last one, the first one comes.
        found = found or rows.order_by("pk").first()
        if found is None:
            raise SystemExit("There is no such conversation. Fill the database by manage.py seed.")
        return found

    def long_conversation(self) -> Any:
        return self._random.choice(self._longest)

    @cached_property
    def _longest(self) -> list[Any]:
        from conversations.models import Conversation

        return list(Conversation.objects.select_related("user").order_by("-message_count")[:LONGEST])

    def place(self) -> str:
        """Somewhere in the list of conversations, near or far."""
        row = self.conversation()
        return json.dumps(["after", row.updated_at.isoformat(), str(row.pk)])

    def word(self, first: int, last: int, language: str = "en") -> str:
        """One of the words from the first-th to the last-th most common."""
        return self._words[language][self._random.randint(first, last) - 1]

    def number(self) -> int:
        """What hardly any message has."""
        return self._random.randrange(10_000_000)


def listed(path: str, expected: str = "", **params: Any) -> Asked:
    """A list that is not empty, unless something else is expected."""
    return Asked(f"{path}?{urlencode(params)}", expected or 'id="result_list"')


def narrowed(**params: Any) -> Asked:
    """Conversations, of which there may be none."""
    return listed(CONVERSATIONS, NONE_OR_SOME, **params)


def found(*words: str, **params: Any) -> Asked:
    return narrowed(q=" ".join(words), **params)


def by_email(draw: Draw) -> Asked:
    person = draw.conversation().user
    return listed(CONVERSATIONS, re.escape(quote(person.pk)), q=person.email)


def by_id(draw: Draw) -> Asked:
    pk = draw.conversation().pk
    return listed(CONVERSATIONS, f">{pk}</a>", q=f"#{pk}")


def of_one_person(draw: Draw, **params: Any) -> Asked:
    person = draw.conversation().user
    return listed(CONVERSATIONS, re.escape(quote(person.pk)), user__id__exact=person.pk, **params)


def transcript(conversation: Any, expected: str = "", **params: Any) -> Asked:
    return Asked(
        f"{CONVERSATIONS}{conversation.pk}/?{urlencode(params)}",
        expected or re.escape(conversation.user.get_username()),
    )


def said(draw: Draw) -> Any:
    return draw.conversation(message_count__gt=0)


def did(draw: Draw) -> Any:
    return draw.conversation(tool_call_count__gt=0)


def noted(draw: Draw) -> Any:
    return draw.conversation(note_count__gt=0)


def with_calls(draw: Draw) -> Asked:
    # Short enough that all of it is on one page.
    return transcript(draw.conversation(tool_call_count__gt=0, message_count__lte=30), 'id="call-')


def exported(format: str, **params: Any) -> Asked:
    expected = {"jsonl": r'^\{"kind":"message"', "csv": '^\ufeff"kind",'}[format]
    return Asked(f"{CONVERSATIONS}export/?{urlencode(params)}", expected, format)


CASES: Final = [
    Case("list, newest", lambda draw: listed(CONVERSATIONS)),
    Case("list, a page anywhere", lambda draw: narrowed(p=draw.place())),
    Case("filter: last message by a person", lambda draw: narrowed(p=draw.place(), last_role__exact="user")),
    Case("filter: has errors", lambda draw: narrowed(p=draw.place(), errors="yes")),
    Case("filter: has no errors", lambda draw: narrowed(p=draw.place(), errors="no")),
    Case("filter: has notes", lambda draw: listed(CONVERSATIONS, notes="yes")),
    Case("filter: has notes, a page anywhere", lambda draw: narrowed(p=draw.place(), notes="yes")),
    Case("filter: since a date", lambda draw: listed(CONVERSATIONS, updated_at__gte="2026-11-01 00:00:00+00:00")),
    Case("filter: before a date", lambda draw: listed(CONVERSATIONS, updated_at__lt="2025-12-01 00:00:00+00:00")),
    Case("filter: one person", of_one_person),
    Case(
        "filter: by the assistant, with errors",
        lambda draw: narrowed(p=draw.place(), last_role__exact="assistant", errors="yes"),
    ),
    Case("search: id", by_id),
    Case("search: email address", by_email),
    Case("search: very common word", lambda draw: found(draw.word(1, 20))),
    Case("search: common word", lambda draw: found(draw.word(21, 150))),
    Case("search: medium word", lambda draw: found(draw.word(151, 2_000))),
    Case("search: rare word", lambda draw: found(draw.word(2_001, 12_000))),
    Case("search: a number said once", lambda draw: found(str(draw.number()))),
    Case("search: no such word", lambda draw: listed(CONVERSATIONS, "0 conversations", q=f"qx{draw.number()}")),
    Case("search: two common words", lambda draw: found(draw.word(21, 150), draw.word(21, 150))),
    Case("search: a medium and a rare word", lambda draw: found(draw.word(151, 2_000), draw.word(2_001, 12_000))),
    Case("search: Chinese word", lambda draw: found(draw.word(1, 30, "zh"))),
    Case("search: rarer Chinese word", lambda draw: found(draw.word(40, 400, "zh"))),
    Case("search: Arabic word", lambda draw: found(draw.word(1, 300, "ar"))),
    Case(
        "search: common word of one person",
        lambda draw: found(draw.word(21, 150), user__id__exact=draw.conversation().user.pk),
    ),
    Case("search: common word, with errors", lambda draw: found(draw.word(21, 150), errors="yes")),
    Case("messages, newest", lambda draw: listed(MESSAGES)),
    Case("messages: of one person", lambda draw: listed(MESSAGES, user__id__exact=said(draw).user.pk)),
    Case("messages: of one conversation", lambda draw: listed(MESSAGES, conversation__id__exact=said(draw).pk)),
    Case(
        "messages: of a long conversation",
        lambda draw: listed(MESSAGES, conversation__id__exact=draw.long_conversation().pk),
    ),
    Case("tool calls, newest", lambda draw: listed(TOOL_CALLS)),
    Case("tool calls: one tool", lambda draw: listed(TOOL_CALLS, tool="delete_task")),
    Case("tool calls: of one person", lambda draw: listed(TOOL_CALLS, user__id__exact=did(draw).user.pk)),
    Case("chat accesses, newest", lambda draw: listed(ACCESSES)),
    Case("chat accesses: of one conversation", lambda draw: listed(ACCESSES, q=f"#{noted(draw).pk}")),
    Case("chat accesses: of one person", lambda draw: listed(ACCESSES, q=noted(draw).user.email)),
    Case("chat accesses: exports", lambda draw: listed(ACCESSES, NONE_OR_SOME, action__exact="exported")),
    Case("a conversation's page", lambda draw: transcript(draw.conversation())),
    Case("a conversation's page: tool calls", with_calls),
    Case("a conversation's page: notes", lambda draw: transcript(noted(draw), 'id="note-')),
    Case("a conversation's page: long, newest", lambda draw: transcript(draw.long_conversation())),
    Case("a conversation's page: long, oldest", lambda draw: transcript(draw.long_conversation(), oldest=1)),
    Case("activity", lambda draw: Asked(ACTIVITY, "Share of errors a day")),
    Case("export: all, JSON Lines", lambda draw: exported("jsonl")),
    Case("export: all, CSV", lambda draw: exported("csv")),
    Case("export: one person", lambda draw: exported("jsonl", user__id__exact=draw.conversation().user.pk)),
    Case("export: with errors", lambda draw: exported("jsonl", errors="yes")),
    Case("export: with a common word", lambda draw: exported("jsonl", q=draw.word(21, 150))),
]


@dataclass(frozen=True, slots=True)
class Times:
    """What pages of one kind took: milliseconds to the first byte of the reply, and to the last."""

    name: str
    first: list[float]
    last: list[float]


class Browser:
    """Somebody who is logged in to the admin, over one connection."""

    def __init__(self, port: int, username: str, password: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._cookies: dict[str, str] = {}
        self._request("GET", "/admin/login/")
        form = {"username": username, "password": password, "csrfmiddlewaretoken": self._cookies["csrftoken"]}
        status, *_ = self._request("POST", "/admin/login/?next=/admin/", urlencode(form))
        if status != 302:
            raise SystemExit(f"The login was answered by {status}.")

    def open(self, asked: Asked) -> tuple[int, str, float, float]:
        """Status and body, and milliseconds to the first byte and to the last."""
        if not asked.format:
            return self._request("GET", asked.path)
        form = {"format": asked.format, "csrfmiddlewaretoken": self._cookies["csrftoken"]}
        return self._request("POST", asked.path, urlencode(form), one_line=True)

    def _request(
        self, method: str, path: str, body: str | None = None, *, one_line: bool = False
    ) -> tuple[int, str, float, float]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        began = time.perf_counter()
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        beginning = response.read(1)
        first = time.perf_counter()
        content = (beginning + (response.readline() if one_line else response.read())).decode()
        last = time.perf_counter()
        if one_line:
            # What is left could be gigabytes.
            self._connection.close()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return response.status, content, (first - began) * 1e3, (last - began) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.admin", description=__doc__)
    parser.add_argument("--requests", type=int, default=100, metavar="N", help="Of each kind. Default: %(default)s")
    parser.add_argument("--only", default="", metavar="TEXT", help="Kinds of pages whose name has this in it.")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="Another one asks for others.")
    parser.add_argument("--plans", type=Path, metavar="FILE", help="Write the plans of all statements there.")
    options = parser.parse_args()
    if "DATABASE_URL" not in os.environ:
        raise SystemExit("Set DATABASE_URL to the database that manage.py seed filled.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "todoproj.settings")
    django.setup()
    cases = [case for case in CASES if options.only in case.name]
    with _staff() as (username, password):
        if options.plans:
            _save_plans(options.plans, cases, options.seed)
        else:
            _measure(cases, options.requests, options.seed, username, password)


@contextmanager
def _staff() -> Iterator[tuple[str, str]]:
    from todoproj.users.models import User

    # A run that was killed leaves its own.
    User.objects.filter(pk=STAFF).delete()
    password = secrets.token_urlsafe(20)
    staff = User.objects.create_superuser(STAFF, f"{STAFF}@example.com", password, id=STAFF)
    try:
        yield STAFF, password
    finally:
        staff.delete()


def _measure(cases: list[Case], requests: int, seed: int, username: str, password: str) -> None:
    measured = []
    load = os.getloadavg()[0]
    with running(OURS, database_url=os.environ["DATABASE_URL"], workers=1, core=None, ask=_ask_for_health) as life:
        browser = Browser(life.port, username, password)
        for case in cases:
            # Another draw of each kind: what the last one read is not what the next one asks for.
            draw = Draw(seed)
            times = Times(case.name, [], [])
            for _ in range(requests):
                asked = case.draw(draw)
                status, body, first, last = browser.open(asked)
                if status != 200 or not re.search(asked.expected, body):
                    raise SystemExit(f"{case.name}: {asked.path} was answered by {status}:\n{body[:2000]}")
                times.first.append(first)
                times.last.append(last)
            measured.append(times)
            say(f"{case.name}: {percentile(times.last, 50):.0f} ms, 95 %: {percentile(times.last, 95):.0f} ms")
    about = machine.describe()
    table = Table(
        f"{requests} requests of each kind, one after another; {about['cpu']}, {about['cores']} cores; "
        f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after",
        ["page", "first byte, 95 % ms", "median ms", "95 % ms", "99 % ms", "longest ms"],
        [
            [
                times.name,
                f"{percentile(times.first, 95):.0f}",
                *(f"{percentile(times.last, share):.0f}" for share in (50, 95, 99, 100)),
            ]
            for times in measured
        ],
    )
    sys.stdout.write(f"\n{table.markdown()}\n")


def _ask_for_health(server: Server, port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/health")
    status = connection.getresponse().status
    connection.close()
    return "" if status == 200 else str(status)


def percentile(times: list[float], share: int) -> float:
    """What so many of a hundred took at most (the nearest rank)."""
    return sorted(times)[max(0, ceil(len(times) * share / 100) - 1)]


def _save_plans(path: Path, cases: list[Case], seed: int) -> None:
    """Of each case, each kind of statement once: the one that took longest. Raises SystemExit for a plan that reads the
    messages from end to end."""
    from django.conf import settings
    from django.db import connection
    from django.test import Client

    from todoproj.users.models import User

    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client()
    client.force_login(User.objects.get(pk=STAFF))
    lines = []
    for case in cases:
        slowest: dict[str, tuple[float, int, str, Any]] = {}

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any, seen: Any = slowest) -> Any:
            began = time.perf_counter()
            result = execute(sql, params, many, context)
            took = time.perf_counter() - began
            known, times, *_ = seen.get(sql, (0.0, 0))
            if re.match(rf"SELECT.*\"({TABLES})\"", sql, re.DOTALL):
                seen[sql] = (
                    (took, times + 1, sql, params) if took >= known else (*seen[sql][:1], times + 1, *seen[sql][2:])
                )
            return result

        asked = case.draw(Draw(seed))
        with connection.execute_wrapper(note):
            response: Any = (
                client.post(asked.path, {"format": asked.format}) if asked.format else client.get(asked.path)
            )
            if asked.format:
                next(iter(response.streaming_content))
                response.close()
        if response.status_code != 200:
            raise SystemExit(f"{case.name}: {response.status_code}")
        lines += [f"== {case.name}: {asked.path}", ""]
        for _, times, sql, params in slowest.values():
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
                plan = [line for (line,) in cursor.fetchall()]
            lines += [f"-- {times} statement{'s' * (times > 1)} like this" if times > 1 else "-- once", *plan, ""]
    path.write_text("\n".join(lines))
    if "Seq Scan on messages" in "\n".join(lines):
        raise SystemExit(f"A statement reads all messages: see {path}.")


if __name__ == "__main__":
    main()
