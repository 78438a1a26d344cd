"""The settings of a server that tests send bad input to: it writes down where it connects to."""

from __future__ import annotations

import os
import sys
from typing import Any

from mcp_tools.tests.oauth.settings import *  # noqa: F403
from todoproj.settings import PASSWORD_HASHERS
from todoproj.users.tests.passwords import TENTH_HASHER

PASSWORD_HASHERS = [TENTH_HASHER, *PASSWORD_HASHERS[1:]]

# In the order that they are made in, by whichever process: a line each.
_connections = os.open(os.environ["CONNECTIONS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _write_down(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        os.write(_connections, f"{arguments[1]}\n".encode())


# Nothing in Python opens a connection without telling its audit hooks (PEP 578).
sys.addaudithook(_write_down)
