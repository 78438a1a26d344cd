"""Lines of JSON and CSV, written piece by piece, so that there may be any number of them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

# About how many bytes a piece has.
PIECE = 2**16

JSONL_TYPE = "application/jsonl"
CSV_TYPE = "text/csv; charset=utf-8"

# What makes a spreadsheet take a cell for a formula, by its first character (OWASP, "CSV Injection"), and the mark that
# is put in front: also of the mark itself, so that to take one away gives any text back. A spreadsheet whose separator
# is another than the comma has cells begin, and quotes end, in the middle of a text.
_MARK = "'"
_SIGNS = "[=+\\-@\uff1d\uff0b\uff0d\uff20']"
_STARTS_FORMULA = re.compile(f'\\A(?=[\\t\\r\\n]|{_SIGNS})|(?<=[;\\t\\r\\n])(?="*{_SIGNS})')

_encode = msgspec.json.Encoder().encode


def with_end(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines, and one more that says how many they were.

    What was sent before a failure looks whole to whoever gets it, but that it lacks this one.
    """
    number = 0
    for number, line in enumerate(lines, 1):  # noqa: B007 (it is the count in the end)
        yield line
    yield {"kind": "end", "lines": number}


def to_jsonl(lines: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Each line as an object of JSON, in UTF-8."""
    return _in_pieces(_encode(line) + b"\n" for line in lines)


def to_csv(lines: Iterable[dict[str, Any]], fields: Sequence[str]) -> Iterator[bytes]:
    """Each line as a row (RFC 4180) under a header, in UTF-8, with the mark by which spreadsheets know that.

    What is no text is written as JSON has it. All cells are in quotes. What a spreadsheet could take for a formula has
    a ' in front: at the start of a text or line, and after a semicolon or tab, which can be separators as well.
    """

    def rows() -> Iterator[bytes]:
        yield "\ufeff".encode() + _row(fields)
        for line in lines:
            yield _row([_cell(line.get(name)) for name in fields])

    return _in_pieces(rows())


def _row(cells: Sequence[str]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerow(cells)
    return written.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        # A number may begin with a minus.
        return str(_encode(value), "ascii")
    text = value if isinstance(value, str) else _encode(value).decode().strip('"')
    return _STARTS_FORMULA.sub(_MARK, text)


def _in_pieces(written: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces, each of which costs the server some work."""
    piece = bytearray()
    for some in written:
        piece += some
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
