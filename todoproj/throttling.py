"""How often somebody may call.

A limit counts calls by key, such as a person's id or an address. What it counts with depends on CACHE_URL:

- empty: memory that the processes of one server share, right for each server by itself, at a few microseconds a call;
- `redis://…`: Redis, right across machines, at one round trip a call;
- `dbcache://table`: the database, in the table that `manage.py createcachetable` makes, at one write a call.

While the cache can't be reached, all calls are allowed and a warning is logged: people get on with their lists.

This module must be imported before a server forks its processes, or each counts for itself: todoproj/web.py does.
"""

from __future__ import annotations

import math
import time
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

from todoproj.counters import Cache, CacheCounters, Clock, Counters, DatabaseCache, RedisCache, SharedMemoryCounters

# No address is longer, with an IPv6 zone or a port.
_LONGEST_ADDRESS = 64


@lru_cache(maxsize=1)
def _cache() -> Cache:
    configured = settings.CACHES["default"]
    if configured["BACKEND"] == "django.core.cache.backends.db.DatabaseCache":
        return DatabaseCache(configured["LOCATION"])
    return RedisCache(configured["LOCATION"], configured["OPTIONS"])


class Limit:
    """How many calls a key may make in each window of so many seconds, aligned to the clock.

    name: the setting that says how many; 0 turns the limit off.
    """

    def __init__(self, name: str, *, seconds: int, clock: Clock = time.time, counters: Counters | None = None) -> None:
        self.name = name
        self.seconds = seconds
        if counters is None and settings.CACHE_URL:
            counters = CacheCounters(_cache(), name, seconds=seconds, clock=clock)
        self._counters = counters or SharedMemoryCounters(seconds=seconds, clock=clock)

    def hit(self, key: str) -> float | None:
        """Count a call by the key; None if it is allowed, else the seconds until it may be tried again.

        key: any text, of any length. It is kept as a hash only.
        """
        most: int = getattr(settings, self.name)
        return self._counters.take(key, most) if most else None

    def require(self, key: str) -> None:
        """Count a call by the key. Raises Throttled if it is one too many."""
        wait = self.hit(key)
        if wait is not None:
            raise Throttled(wait)


class Throttled(Exception):
    """Too many calls; it may be tried again in `wait` seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = max(1, math.ceil(wait))


# By person; the first call of a token, by token.
TOOLS = Limit("THROTTLE_TOOLS", seconds=60)
SERVICE_ACCOUNTS = Limit("THROTTLE_SERVICE_ACCOUNTS", seconds=60)
# By person.
API = Limit("THROTTLE_API", seconds=60)
# Kept rows of refusals, by person; see todoproj/users/events.py.
REFUSALS = Limit("REFUSALS_KEPT", seconds=60)
# By address, for calls without a good credential.
ADDRESS = Limit("THROTTLE_ADDRESS", seconds=60)
LOGIN = Limit("THROTTLE_LOGIN", seconds=60)
REGISTER = Limit("THROTTLE_REGISTER", seconds=3600)
TOKEN = Limit("THROTTLE_TOKEN", seconds=60)


def client_address(request: HttpRequest) -> str:
    """The address to count a request by.

    It is that of the peer, or behind TRUST_X_FORWARDED_FOR proxies, each of which adds the address of its own peer to
    the right of X-Forwarded-For, the one that the outermost of them added. What is further left, anybody can write. A
    request that has come past the proxies counts for its peer.

    Of IPv6 addresses a household has as many as it likes, so each network of 64 bits counts as one (RFC 6177). One
    without an address, as by a Unix socket, counts as "".
    """
    proxies: int = settings.TRUST_X_FORWARDED_FOR
    if proxies:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(forwarded) >= proxies and (address := _network(forwarded[-proxies])):
            return address
    return _network(request.META.get("REMOTE_ADDR", ""))


def _network(text: str) -> str:
    """An address as it is counted; "" for what is none."""
    address = _parse(text.strip())
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(IPv6Network((int(address), 64), strict=False))
        address = address.ipv4_mapped
    return "" if address is None else str(address)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    if len(text) > _LONGEST_ADDRESS:
        return None
    # Some proxies add the port: 192.0.2.1:4711 and [2001:db8::1]:4711.
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return ip_address(text)
    except ValueError:
        return None
