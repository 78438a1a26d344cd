"""JSON as it is read from strangers."""

import json
import sys
from typing import Any, NoReturn


class Unreadable(ValueError):
    """The text says to whoever sent it what is wrong."""


def _refuse_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Two readers of a doubled key might each take another value: one that checks, and one that acts.
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unreadable("a key occurs twice in an object")
    return members


_decode = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique).decode


def decode(body: bytes) -> Any:
    """What the body says. Raises Unreadable for anything but JSON in UTF-8 (RFC 8259): also for NaN, a key that occurs
    twice in an object, a number of thousands of digits, and what nests too deeply to be read."""
    try:
        return _decode(body.decode("utf-8"))
    except Unreadable:
        raise
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON at character {error.pos + 1}") from None
    except RecursionError:
        raise Unreadable("it nests too deeply") from None
    except ValueError:
        # Of whole numbers alone: to read one takes time that grows with the square of its length.
        raise Unreadable(f"a number has more than {sys.get_int_max_str_digits()} digits") from None
