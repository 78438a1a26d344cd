"""Counts of calls in windows of time, shared by all processes that serve: what the limits of throttling.py count with.

A window is a fixed piece of time, aligned to the clock: with 60 seconds, each minute of UTC is one.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import secrets
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import django.db
from django.utils.crypto import salted_hmac

from todoproj.statements import execute

logger = logging.getLogger(__name__)

Clock = Callable[[], float]


class Counters(ABC):
    """How often each key has called in the window that it is.

    seconds: how long a window is.
    clock: seconds since 1970, the same for all processes that share the counts.
    """

    def __init__(self, *, seconds: int, clock: Clock = time.time) -> None:
        self.seconds = seconds
        self.clock = clock

    @abstractmethod
    def take(self, key: str, most: int) -> float | None:
        """Count a call by the key, unless that makes more than `most`: then the seconds until the next window."""


# --- Embedded: memory that a server's processes share --------------------------------------------------------------


class SharedMemoryCounters(Counters):
    """Counts in memory that this process shares with those that it forks from then on, and those with each other.

    It is a count-min sketch (Cormode and Muthukrishnan, 2005). There are ROWS rows of cells; a key has one cell in
    each, picked by its hash, and is taken to have called as often as the least of them says. So there is nothing to
    claim, to move out or to run full. Keys that share a cell add up in it, which matters only to one that meets busy
    keys in every row, and only until the window ends: while 1,000 keys are at their limit, of 20 million others one is
    held. Without the hash's secret salt nobody can choose whom to meet.

    Each process has a column: a copy of all cells that it alone writes and all read, so that no count is lost though no
    process ever waits for another. A cell is one aligned word of the machine, written in one piece: the window's number
    and the count in it, so that a new window starts at 0 by itself.

    A call is written down first, and taken back if all columns together then say that it is one too many. Two processes
    that do so in the same microsecond may both refuse the last call that there is room for, and the next one gets it.
    Should the machine show one's writing to the other too late, both may allow it: a window never admits more than the
    limit and one call for each other process.

    A process takes a free column when it first counts, by a lock on a byte of a file without a name, which the system
    takes from it when it ends, however it ends; whoever takes the column next goes on from its counts. Processes beyond
    COLUMNS use the last one together, and may lose counts.

    Memory: up to 2 MiB for each process that counts, as far as keys reach it; of addresses, 128 MiB.
    """

    ROWS = 4
    COLUMNS = 64
    COUNT_BITS = 32
    # At its start is a byte for each column, 1 once it was taken.
    HEADER = mmap.PAGESIZE

    def __init__(self, *, seconds: int, clock: Clock = time.time, cell_bits: int = 16) -> None:
        """cell_bits: a row has two to the power of this many cells; 16 in each of four rows use a whole hash up."""
        super().__init__(seconds=seconds, clock=clock)
        self._mask = (1 << cell_bits) - 1
        # Where each row starts in a column, and the bits of the hash that pick a cell of it.
        self._rows = [(row << cell_bits, row * cell_bits) for row in range(self.ROWS)]
        self._size = (self.ROWS << cell_bits) * 8
        self._memory = mmap.mmap(-1, self.HEADER + self.COLUMNS * self._size)
        self._view = memoryview(self._memory)
        with tempfile.TemporaryFile() as file:
            self._locks = os.dup(file.fileno())
        # Python's own hash has a secret key too, unless PYTHONHASHSEED takes it away.
        self._salt = secrets.token_hex(16)
        self._start()
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        """Begin in a new process, in which nobody holds the lock that another thread may have held in its parent."""
        self._lock = threading.Lock()
        self._mine: memoryview | None = None
        self._taken = b""
        self._columns: list[memoryview] = []

    def take(self, key: str, most: int) -> float | None:
        hashed = hash(self._salt + key)
        places = [start + (hashed >> shift & self._mask) for start, shift in self._rows]
        with self._lock:
            # Read in here, a thread that has waited does not write a window that is over.
            now = self.clock()
            window = int(now // self.seconds)
            zero = window << self.COUNT_BITS
            end = (window + 1) << self.COUNT_BITS
            mine = self._mine if self._mine is not None else self._take_column()
            for place in places:
                count = mine[place]
                mine[place] = count + 1 if zero < count < end else zero + 1
            if self._memory[: self.COLUMNS] != self._taken:
                self._find_columns()
            for place in places:
                total = 0
                for column in self._columns:
                    count = column[place]
                    if zero < count < end:
                        total += count - zero
                if total <= most:
                    return None
            for place in places:
                mine[place] -= 1
            return (window + 1) * self.seconds - now

    def _take_column(self) -> memoryview:
        number = next((number for number in range(self.COLUMNS) if self._lock_column(number)), self.COLUMNS - 1)
        self._memory[number] = 1
        self._mine = self._column(number)
        return self._mine

    def _lock_column(self, number: int) -> bool:
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):  # which of them, depends on the system
            return False
        return True

    def _find_columns(self) -> None:
        """Note the columns that somebody has written; none is given up while the server runs."""
        self._taken = self._memory[: self.COLUMNS]
        self._columns = [self._column(number) for number, taken in enumerate(self._taken) if taken]

    def _column(self, number: int) -> memoryview:
        start = self.HEADER + number * self._size
        return self._view[start : start + self._size].cast("Q")


# --- In a cache that machines share --------------------------------------------------------------------------------


class Cache(ABC):
    """Numbers that other machines see too.

    One that can't be reached must not keep people from their lists: a call is allowed then, and the fault is logged,
    once a minute at most. It is left alone for some seconds after a fault, so that not every call waits for the next.
    """

    PAUSE = 5
    WARNING_INTERVAL = 60

    # What can be wrong with it.
    faults: tuple[type[Exception], ...]

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._resume_at = self._warn_at = clock()

    @abstractmethod
    def increment(self, key: str, seconds: int) -> int:
        """Add 1 to the number of the key, which is forgotten some time after so many seconds; what it is then.

        key: of at most 200 ASCII characters. Raises one of `faults`.
        """

    def count(self, key: str, seconds: int) -> int:
        """As increment(), but 0 while the cache can't be reached."""
        now = self.clock()
        if now < self._resume_at:
            return 0
        try:
            return self.increment(key, seconds)
        except self.faults as fault:
            self._resume_at = now + self.PAUSE
            if now >= self._warn_at:
                self._warn_at = now + self.WARNING_INTERVAL
                # Not what the fault says: that can hold the address of the cache, and with it a password.
                logger.warning("CACHE_URL can't be used (%s): calls are not limited.", type(fault).__name__)
            return 0


class CacheCounters(Counters):
    """Counts in a cache: right across machines, at the price of a round trip for each call.

    name: keeps the keys of one limit apart from another's.
    """

    def __init__(self, cache: Cache, name: str, *, seconds: int, clock: Clock = time.time) -> None:
        super().__init__(seconds=seconds, clock=clock)
        self.cache = cache
        self.name = name

    def take(self, key: str, most: int) -> float | None:
        now = self.clock()
        window = int(now // self.seconds)
        # Whoever looks into the cache learns no address, and a key may be long.
        digest = salted_hmac(__name__, key.encode("utf-8", "surrogatepass"), algorithm="sha256").hexdigest()[:32]
        if self.cache.count(f"throttle:{self.name}:{window}:{digest}", self.seconds) <= most:
            return None
        return (window + 1) * self.seconds - now


class RedisCache(Cache):
    """Redis, asked once for each call."""

    def __init__(self, url: str, options: dict[str, Any], clock: Clock = time.monotonic) -> None:
        # Not at the top: whoever does without it does not wait for its import.
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        super().__init__(clock)
        self.faults = (redis.RedisError, OSError)
        # Once more at once, for a connection that was closed meanwhile; never a pause that a caller waits for.
        self._redis = redis.Redis.from_url(url, **options, retry=Retry(NoBackoff(), 1))

    def increment(self, key: str, seconds: int) -> int:
        # A transaction is sent in one piece: no key can be left behind without an end.
        steps = self._redis.pipeline(transaction=True)
        steps.incr(key)
        # Clocks of machines differ a little: one that is late must not find the window gone.
        steps.expire(key, 2 * seconds)
        return int(steps.execute()[0])


class DatabaseCache(Cache):
    """The table of Django's database cache, written once for each call.

    Django's own cache reads a number and then writes it, and so loses counts.
    """

    faults = (django.db.Error,)

    def __init__(self, table: str, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        table = django.db.connection.ops.quote_name(table)
        self._increment = f"""
            INSERT INTO {table} (cache_key, value, expires) VALUES (%s, '1', %s)
            ON CONFLICT (cache_key) DO UPDATE SET value = CAST(CAST({table}.value AS integer) + 1 AS text)
            RETURNING CAST(value AS integer)"""
        self._forget = f"DELETE FROM {table} WHERE expires < %s AND cache_key LIKE 'throttle:%%' RETURNING cache_key"
        self._forget_at = clock()

    def increment(self, key: str, seconds: int) -> int:
        now = time.time()
        if self.clock() >= self._forget_at:
            self._forget_at = self.clock() + self.WARNING_INTERVAL
            execute(self._forget, [datetime.fromtimestamp(now, UTC)])
        rows = execute(self._increment, [key, datetime.fromtimestamp(now + 2 * seconds, UTC)])
        return int(rows[0][0])
