"""What commands share: how they show how far they are. Times as options are tested with the commands that take them."""

from __future__ import annotations

import io
import re

import pytest
from django.core.management.base import OutputWrapper

from todoproj import commands
from todoproj.commands import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown_by(stream: io.StringIO, *, total: int = 100, shown: bool | None = None) -> str:
    """What it says of a command that does so many."""
    progress = Progress(OutputWrapper(stream), total, "rows", shown=shown)
    for done in range(1, total + 1):
        progress.advance(done)
    progress.note("statistics")
    progress.finish()
    return stream.getvalue()


def test_on_a_terminal_it_is_one_line_until_there_is_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_PAUSE", 0)

    first, last, rest = shown_by(Terminal()).split("\n")

    states = first.split("\r")[1:]
    assert len(states) == 101
    assert re.fullmatch(r" 50% 50 of 100 rows, [\d,]+ a second", states[49])
    assert states[-1].endswith(" s: statistics")
    assert last.startswith("\r100% 100 of 100 rows")
    assert rest == ""


def test_on_a_terminal_it_is_written_no_more_often_than_somebody_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_PAUSE", 600)

    assert shown_by(Terminal()).count(" of 100 rows") <= 2


def test_elsewhere_it_is_a_line_for_each_tenth() -> None:
    lines = shown_by(io.StringIO(), shown=True).splitlines()

    assert [line.split()[0] for line in lines[:-1]] == [f"{tenth}0%" for tenth in range(1, 11)]
    assert lines[-1].endswith(" s: statistics")


def test_elsewhere_nobody_watches() -> None:
    assert shown_by(io.StringIO()) == ""


def test_nothing_is_all_of_it() -> None:
    assert shown_by(io.StringIO(), total=0, shown=True).splitlines()[-1].startswith("100% 0 of 0 rows")
