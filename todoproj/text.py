"""What holds for every text that people give, and for numbers in those that they get."""

import base64
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_storable(value: str) -> bool:
    """Whether a database can keep the text: it holds neither NUL nor half of a UTF-16 pair."""
    return _UNSTORABLE.search(value) is None


def validate_storable(value: str) -> None:
    """Raise ValidationError for a text that a database can't keep."""
    if not is_storable(value):
        raise ValidationError("It holds a NUL or a lone surrogate, which can't be kept. Remove it.", "unstorable")


class LinesField(forms.CharField):
    """Text whose lines end as agents end them: a browser's CRLF would look like a change, and be two characters where
    the browser counted one."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


def counted(number: int, one: str) -> str:
    """So many of what one is called that, as in `1 message` and `2,000 messages`."""
    return f"{number:,} {one if number == 1 else one + 's'}"


def header_value(value: str | None) -> str | None:
    """A header's value, with `=?base64?…?=` decoded; None for a header that is missing or not validly encoded."""
    if value is None:
        return None
    value = value.strip()
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except ValueError:
        return None
