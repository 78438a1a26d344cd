"""What commands share: times as options, and how far they are, for whoever watches."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime

from django.core.management.base import OutputWrapper

# Seconds between two states of the line on a terminal.
_PAUSE = 0.2


def moment(text: str) -> datetime:
    """A day, or a day and time (ISO 8601), in UTC unless it says otherwise: the type of an option.

    Raises ArgumentTypeError for any other text.
    """
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time. Use one such as 2026-01-31 or 2026-01-31T14:00."
        ) from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


class Progress:
    """How many of a number are done, and how many a second: on a terminal one line, elsewhere a line for each tenth.

    out: a command's stderr, so that it is never among what the command gives. shown: None for only on a terminal.
    """

    def __init__(self, out: OutputWrapper, total: int, unit: str, *, shown: bool | None = None) -> None:
        self._out = out
        self.total = total
        self._unit = unit
        self._on_terminal = out.isatty()
        self._shown = self._on_terminal if shown is None else shown
        self._start = time.monotonic()
        self._done = 0
        self._last_at = 0.0
        self._last_tenth = 0

    def advance(self, done: int) -> None:
        """So many are done by now."""
        self._done = done
        now, tenth = time.monotonic(), int(self._share * 10)
        if now - self._last_at < _PAUSE if self._on_terminal else tenth == self._last_tenth:
            return
        self._last_at, self._last_tenth = now, tenth
        self._write(self._state, "" if self._on_terminal else "\n")

    def note(self, what: str) -> None:
        """What is being done that isn't counted, on a line of its own."""
        self._write(f"{time.monotonic() - self._start:,.0f} s: {what}", "\n")

    def finish(self) -> None:
        """Leave the last state as it is in the end."""
        if self._on_terminal or self._last_tenth < 10:
            self._write(self._state, "\n")

    @property
    def _share(self) -> float:
        return self._done / self.total if self.total else 1.0

    @property
    def _state(self) -> str:
        rate = self._done / max(time.monotonic() - self._start, 1e-9)
        return f"{self._share:4.0%} {self._done:,} of {self.total:,} {self._unit}, {rate:,.0f} a second"

    def _write(self, line: str, ending: str) -> None:
        if self._shown:
            # Not in the colour of errors, which is that of stderr else.
            self._out.write(f"\r{line}" if self._on_terminal else line, str, ending)
            self._out.flush()
