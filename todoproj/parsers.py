"""How REST reads bodies. By itself: rest_framework imports it before its own views, which `rest.py` needs."""

from typing import Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

from todoproj import strict_json


class JSONParser(parsers.JSONParser):
    """Reads JSON as strictly as /mcp does, whatever charset the request names."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return strict_json.decode(stream.read())
        except strict_json.Unreadable as fault:
            raise ParseError(f"The body can't be read: {fault}.") from None
