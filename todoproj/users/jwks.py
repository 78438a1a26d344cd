"""The public keys of another system, which it publishes as a JSON Web Key Set (RFC 7517 section 5)."""

from __future__ import annotations

import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError

import jwt

from todoproj import strict_json

logger = logging.getLogger(__name__)

# Seconds that an answer may keep silent, and what it may hold.
TIMEOUT = 5
MAX_SIZE = 256 * 1024
MAX_KEYS = 100

# Seconds: after which keys are fetched anew; between two attempts to fetch any; and for which keys that can't be
# fetched anew go on.
FRESH = 600
RETRY_INTERVAL = 30
LONGEST_USE = 24 * 3600


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none: the operator named the place, and no other is to be believed or even asked."""


_opener = urllib.request.build_opener(_NoRedirects)


class KeySet:
    """The keys at a URL, fetched when they are first needed and kept in the memory of this process.

    A key that is not among them makes it look again, but not more often than every RETRY_INTERVAL, whatever strangers
    send. While the other system can't be reached, the last keys that it gave go on for up to LONGEST_USE.
    """

    def __init__(self, url: str, algorithms: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        """algorithms: those that the keys may be for, as RFC 7518 section 3.1 names them."""
        self.url = url
        self.algorithms = tuple(algorithms)
        self.clock = clock
        self._lock = threading.Lock()
        self._keys: dict[tuple[str | None, str], jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")

    def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key of that id for the algorithm; with None, the one that has no id. None if there is no such key."""
        wanted = (key_id, algorithm)
        if wanted not in self._keys or self.clock() - self._fetched_at >= FRESH:
            self._refresh(wait=wanted not in self._keys)
        if self.clock() - self._fetched_at >= LONGEST_USE:
            return None
        return self._keys.get(wanted)

    def _refresh(self, *, wait: bool) -> None:
        """Fetch the keys, unless that was tried just now.

        wait: whether to wait for another thread that is about it.
        """
        if self.clock() - self._tried_at < RETRY_INTERVAL or not self._lock.acquire(blocking=wait):
            return
        try:
            if self.clock() - self._tried_at < RETRY_INTERVAL:
                return
            try:
                self._keys = _usable(_fetch(self.url), self.algorithms)
                self._fetched_at = self.clock()
            except (OSError, HTTPException, ValueError) as error:
                logger.warning("The keys at %s can't be had: %s", self.url, error)
            self._tried_at = self.clock()
        finally:
            self._lock.release()


def _fetch(url: str) -> list[Any]:
    """The keys at the URL. Raises OSError, HTTPException, or ValueError for what is no key set."""
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "todoproj"})  # noqa: S310 (issuers.py lets no other scheme than http and https through)
    try:
        with _opener.open(request, timeout=TIMEOUT) as response:
            body = response.read(MAX_SIZE + 1)
    except HTTPError as error:
        with error:
            raise OSError(f"HTTP status {error.code}") from None
    if len(body) > MAX_SIZE:
        raise ValueError(f"more than {MAX_SIZE} bytes")
    document = strict_json.decode(body)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError("no JSON Web Key Set")
    if len(keys) > MAX_KEYS:
        raise ValueError(f"more than {MAX_KEYS} keys")
    return keys


def _usable(keys: list[Any], algorithms: Iterable[str]) -> dict[tuple[str | None, str], jwt.PyJWK]:
    """The keys that verify signatures, by id and algorithm. Raises ValueError if there are none.

    A key that does not name its algorithm is good for all that its type is good for.
    """
    usable: dict[tuple[str | None, str], jwt.PyJWK] = {}
    for key in keys:
        if not isinstance(key, dict) or key.get("use", "sig") != "sig":
            continue
        key_id = key.get("kid")
        if key_id is not None and not isinstance(key_id, str):
            continue
        for algorithm in algorithms:
            if key.get("alg", algorithm) == algorithm:
                try:
                    usable[key_id, algorithm] = jwt.PyJWK(key, algorithm)
                except jwt.PyJWTError:
                    # Not of the type that the algorithm takes, or not well formed: the others still count.
                    continue
    if not usable:
        raise ValueError("no key for any of the algorithms")
    return usable
