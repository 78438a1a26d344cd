"""The fetcher of documents, for which one name leads to this machine.

The server asks public addresses alone, and a test has none. So within a server with the settings beside this module,
HOST stands for 127.0.0.1, as it would in a hosts file, and counts as public. That is all that is not as it is in
production: the URL is checked, the document comes by HTTPS from a server whose certificate must be HOST's and signed
by somebody trusted, which is the test's authority by OpenSSL's own variable SSL_CERT_FILE, and it is read, limited and
narrowed as ever. Every other name and every address, those of this machine too, is dealt with by the real rule.
"""

from __future__ import annotations

from oauth2_provider import cimd

from mcp_tools.tests.oauth.documents import HOST
from todoproj.oauth.clients import DocumentFetcher as Fetcher

__all__ = ["Fetcher"]

_resolve_and_validate = cimd._resolve_and_validate


def _with_host(hostname: str, port: int) -> list[str]:
    addresses: list[str] = ["127.0.0.1"] if hostname == HOST else _resolve_and_validate(hostname, port)
    return addresses


cimd._resolve_and_validate = _with_host
