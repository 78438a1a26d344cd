"""What holds for every text that people give."""

import re

from django.core.exceptions import ValidationError

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_storable(value: str) -> bool:
    """Whether a database can keep the text: it holds neither NUL nor half of a UTF-16 pair."""
    return _UNSTORABLE.search(value) is None


def validate_storable(value: str) -> None:
    """Raise ValidationError for a text that a database can't keep."""
    if not is_storable(value):
        raise ValidationError("It holds a NUL or a lone surrogate, which can't be kept. Remove it.", "unstorable")
