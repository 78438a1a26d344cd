"""Limits: what they count with, and by which address."""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import signal
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.db import connection, connections
from django.test import RequestFactory

from mcp_tools.tests.running import run_python
from todoproj.counters import Cache, CacheCounters, Counters, DatabaseCache, RedisCache, SharedMemoryCounters
from todoproj.throttling import Limit, client_address

REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
PROCESSES = THREADS = 4
# Forks, as the workers of the production server are.
FORK = multiprocessing.get_context("fork")


class FakeClock:
    """A clock that stands still until it is set; in the middle of a minute and of an hour."""

    def __init__(self) -> None:
        self.now = 500_000 * 3600 + 1830.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def allowed(counters: Counters, key: str, most: int, tries: int) -> int:
    """How many of so many calls get through."""
    return sum(counters.take(key, most) is None for _ in range(tries))


def in_threads(work: Callable[[], int]) -> int:
    """What all threads together come to."""
    with ThreadPoolExecutor(THREADS) as pool:
        return sum(future.result() for future in [pool.submit(work) for _ in range(THREADS)])


def in_process(work: Callable[[], int]) -> int:
    """What a fork of this process comes to."""
    return in_processes(work, 1)


def in_processes(work: Callable[[], int], number: int = PROCESSES) -> int:
    """What so many forks, which start to work together, come to in all."""
    barrier = FORK.Barrier(number)
    results = FORK.SimpleQueue()

    def run() -> None:
        barrier.wait(60)
        results.put(work())

    processes = [FORK.Process(target=run) for _ in range(number)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    return sum(results.get() for _ in processes)


class TestSharedMemory:
    @pytest.fixture
    def counters(self, clock: FakeClock) -> SharedMemoryCounters:
        return SharedMemoryCounters(seconds=60, clock=clock)

    def test_the_limit_and_what_is_told_beyond_it(self, counters: SharedMemoryCounters, clock: FakeClock) -> None:
        clock.now += 12.5
        assert [counters.take("ann", 2) for _ in range(4)] == [None, None, 17.5, 17.5]
        assert counters.take("bob", 2) is None

    def test_a_new_window_starts_at_zero(self, counters: SharedMemoryCounters, clock: FakeClock) -> None:
        for _ in range(3):
            assert allowed(counters, "ann", 5, 9) == 5
            clock.now += 60

    def test_the_wait_ends_with_the_window(self, counters: SharedMemoryCounters, clock: FakeClock) -> None:
        assert allowed(counters, "ann", 1, 1) == 1
        wait = counters.take("ann", 1)
        assert wait is not None
        clock.now += wait - 0.001
        assert counters.take("ann", 1) is not None
        clock.now += 0.001
        assert counters.take("ann", 1) is None

    def test_a_clock_that_is_set_back_locks_nobody_out(self, counters: SharedMemoryCounters, clock: FakeClock) -> None:
        assert allowed(counters, "ann", 5, 9) == 5
        clock.now -= 86_400
        assert allowed(counters, "ann", 5, 9) == 5

    def test_refused_calls_do_not_count(self, counters: SharedMemoryCounters) -> None:
        assert allowed(counters, "ann", 5, 100) == 5
        assert allowed(counters, "ann", 6, 100) == 1

    @pytest.mark.parametrize("key", ["", "é", "\0", "\ud800", "x" * 10_000])
    def test_any_key(self, counters: SharedMemoryCounters, key: str) -> None:
        assert allowed(counters, key, 2, 5) == 2

    @pytest.mark.parametrize("limit", [1, 50, 4_000])
    def test_processes_and_threads_on_one_key(self, counters: SharedMemoryCounters, limit: int) -> None:
        total = in_processes(lambda: in_threads(lambda: allowed(counters, "ann", limit, 1_500)))
        # The overshoot that is admitted: one call for each other process.
        assert limit <= total <= limit + PROCESSES - 1

    def test_no_count_is_lost(self, counters: SharedMemoryCounters) -> None:
        assert in_processes(lambda: in_threads(lambda: allowed(counters, "ann", 10**6, 1_500))) == 24_000
        assert counters.take("ann", 24_001) is None
        assert counters.take("ann", 24_001) is not None

    def test_parent_and_children_count_together(self, counters: SharedMemoryCounters) -> None:
        assert allowed(counters, "ann", 10, 3) == 3
        assert in_process(lambda: allowed(counters, "ann", 10, 4)) == 4
        assert allowed(counters, "ann", 10, 9) == 3

    def test_a_worker_that_was_killed_is_followed_by_one_that_goes_on(self, counters: SharedMemoryCounters) -> None:
        counted = FORK.Event()

        def count_and_stay() -> None:
            allowed(counters, "ann", 100, 4)
            counted.set()
            signal.pause()

        for _ in range(3):
            worker = FORK.Process(target=count_and_stay)
            worker.start()
            assert counted.wait(60)
            counted.clear()
            worker.kill()
            worker.join(60)
        assert allowed(counters, "ann", 100, 200) == 88
        # One after the other, the workers and then this process had the same column.
        assert counters._memory[: counters.COLUMNS].count(1) == 1

    def test_a_fork_while_another_thread_counts(self, counters: SharedMemoryCounters) -> None:
        with counters._lock:
            worker = FORK.Process(target=allowed, args=(counters, "ann", 10, 4))
            worker.start()
            worker.join(60)
        assert worker.exitcode == 0
        assert allowed(counters, "ann", 10, 20) == 6

    def test_more_processes_than_columns(self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(SharedMemoryCounters, "COLUMNS", 2)
        counters = SharedMemoryCounters(seconds=60, clock=clock)
        assert allowed(counters, "ann", 100, 1) == 1
        assert in_processes(lambda: allowed(counters, "ann", 100, 10)) == 40
        # What those that share a column counted at once may be lost; the rest holds.
        assert 100 - 41 <= allowed(counters, "ann", 100, 200) < 100

    def test_keys_that_meet_are_held_to_the_limit_together_and_no_longer(self, clock: FakeClock) -> None:
        counters = SharedMemoryCounters(seconds=60, clock=clock, cell_bits=0)
        assert allowed(counters, "ann", 5, 9) == 5
        assert allowed(counters, "bob", 5, 9) == 0
        clock.now += 60
        assert allowed(counters, "bob", 5, 9) == 5

    def test_a_crowded_table_never_admits_too_many(self, clock: FakeClock) -> None:
        counters = SharedMemoryCounters(seconds=60, clock=clock, cell_bits=6)
        for _ in range(2):
            shares = [allowed(counters, f"user-{number}", 5, 8) for number in range(500)]
            assert max(shares) == 5
            assert min(shares) < 5
            clock.now += 60

    def test_100_000_keys_do_not_disturb_one_another(self, counters: SharedMemoryCounters) -> None:
        busy = [f"busy-{number}" for number in range(1_000)]
        for key in busy:
            allowed(counters, key, 20, 20)
        assert sum(allowed(counters, f"user-{number}", 20, 1) for number in range(100_000)) == 100_000
        assert all(counters.take(key, 20) for key in busy)


@pytest.fixture
def name() -> str:
    """A limit that no other test counts against, nor the one before: others use the same Redis."""
    return f"TEST_{secrets.token_hex(8)}"


@pytest.fixture
def redis_cache() -> RedisCache:
    server = redis.Redis.from_url(REDIS_URL)
    try:
        server.ping()
    except redis.ConnectionError:
        pytest.skip("no Redis at TEST_REDIS_URL")
    server.close()
    return RedisCache(REDIS_URL, {"socket_timeout": 5, "socket_connect_timeout": 5})


@pytest.fixture
def database_cache() -> Iterator[DatabaseCache]:
    call_command("createcachetable", "throttle_test")
    yield DatabaseCache("throttle_test")
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE throttle_test")


@pytest.mark.django_db(transaction=True)
class TestCaches:
    @pytest.fixture(params=["redis_cache", "database_cache"])
    def cache(self, request: pytest.FixtureRequest) -> Cache:
        cache: Cache = request.getfixturevalue(request.param)
        return cache

    @pytest.fixture
    def counters(self, cache: Cache, name: str, clock: FakeClock) -> CacheCounters:
        return CacheCounters(cache, name, seconds=60, clock=clock)

    def test_the_limit_and_a_new_window(self, counters: CacheCounters, clock: FakeClock) -> None:
        clock.now += 10
        assert [counters.take("ann", 2) for _ in range(4)] == [None, None, 20, 20]
        assert counters.take("bob", 2) is None
        clock.now += 20
        assert allowed(counters, "ann", 2, 9) == 2

    def test_limits_count_apart(self, counters: CacheCounters, cache: Cache, name: str, clock: FakeClock) -> None:
        assert allowed(counters, "ann", 2, 9) == 2
        assert allowed(CacheCounters(cache, f"{name}_2", seconds=60, clock=clock), "ann", 2, 9) == 2

    def test_threads_on_one_key(self, counters: CacheCounters) -> None:
        def work() -> int:
            try:
                return allowed(counters, "ann", 100, 50)
            finally:
                connections.close_all()

        assert in_threads(work) == 100

    @pytest.mark.parametrize("key", ["", "é", "\0", "\ud800", "x" * 10_000])
    def test_any_key(self, counters: CacheCounters, key: str) -> None:
        assert allowed(counters, key, 2, 5) == 2


class TestRedis:
    def test_processes_on_one_key(self, redis_cache: RedisCache, name: str, clock: FakeClock) -> None:
        counters = CacheCounters(redis_cache, name, seconds=60, clock=clock)
        assert counters.take("ann", 100) is None
        assert in_processes(lambda: in_threads(lambda: allowed(counters, "ann", 100, 50))) == 99

    def test_keys_tell_nothing_and_end(self, redis_cache: RedisCache, name: str, clock: FakeClock) -> None:
        CacheCounters(redis_cache, name, seconds=60, clock=clock).take("192.0.2.1", 5)
        with redis.Redis.from_url(REDIS_URL) as server:
            (key,) = server.scan_iter(f"*{name}*")
            assert b"192.0.2.1" not in key
            assert 60 < server.ttl(key) <= 120

    def test_a_call_is_one_round_trip(self, redis_cache: RedisCache, name: str, clock: FakeClock) -> None:
        counters = CacheCounters(redis_cache, name, seconds=60, clock=clock)
        counters.take("ann", 5)
        with redis.Redis.from_url(REDIS_URL) as server, server.monitor() as monitor:
            counters.take("ann", 5)
            seen: dict[str, list[str]] = defaultdict(list)
            for command in monitor.listen():
                ours = seen[command["client_port"]]
                ours.append(command["command"])
                if command["command"] == "EXEC" and any(name in earlier for earlier in ours):
                    break
        assert [command.split()[0] for command in ours] == ["MULTI", "INCRBY", "EXPIRE", "EXEC"]

    def test_a_connection_that_the_server_closed(self, redis_cache: RedisCache, name: str, clock: FakeClock) -> None:
        counters = CacheCounters(redis_cache, name, seconds=60, clock=clock)
        assert allowed(counters, "ann", 3, 2) == 2
        with redis.Redis.from_url(REDIS_URL) as server:
            server.client_kill_filter(_id=redis_cache._redis.client_id())
        assert allowed(counters, "ann", 3, 9) == 1


@pytest.mark.django_db(transaction=True)
class TestDatabase:
    def test_what_is_over_is_forgotten_and_nothing_else(self, database_cache: DatabaseCache, clock: FakeClock) -> None:
        with connection.cursor() as cursor:
            for key in ["throttle:old", "another's"]:
                row = [key, connection.ops.adapt_datetimefield_value(datetime(2001, 1, 1, tzinfo=UTC))]
                cursor.execute("INSERT INTO throttle_test (cache_key, value, expires) VALUES (%s, '1', %s)", row)
            CacheCounters(database_cache, "LOGIN", seconds=60, clock=clock).take("ann", 5)
            cursor.execute("SELECT cache_key FROM throttle_test")
            keys = {key for (key,) in cursor.fetchall()}
        assert "throttle:old" not in keys
        assert "another's" in keys
        assert len(keys) == 2


class Silent:
    """A server that takes connections and never answers."""

    def __init__(self) -> None:
        self.accepted = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._connections: list[socket.socket] = []
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            self._connections.append(accepted)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)
        for accepted in self._connections:
            accepted.close()


class TestUnreachable:
    @pytest.fixture
    def silent(self) -> Iterator[Silent]:
        server = Silent()
        yield server
        server.close()

    def counters(self, url: str, clock: FakeClock) -> CacheCounters:
        options = {"socket_timeout": 0.1, "socket_connect_timeout": 0.1}
        return CacheCounters(RedisCache(url, options, clock), "LOGIN", seconds=60, clock=clock)

    def test_calls_are_allowed_and_one_warning_a_minute_is_logged(
        self, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        counters = self.counters(f"redis://:secret@127.0.0.1:{port}/0", clock)
        with caplog.at_level(logging.WARNING):
            for _ in range(59):
                assert allowed(counters, "ann", 1, 3) == 3
                clock.now += 1
            assert len(caplog.records) == 1
            clock.now += 1
            assert allowed(counters, "ann", 1, 3) == 3
        assert len(caplog.records) == 2
        assert "CACHE_URL" in caplog.text
        assert "secret" not in caplog.text

    def test_a_silent_server_is_not_asked_by_every_call(self, clock: FakeClock, silent: Silent) -> None:
        counters = self.counters(f"redis://127.0.0.1:{silent.port}/0", clock)
        assert allowed(counters, "ann", 1, 1) == 1
        asked = silent.accepted
        assert 1 <= asked <= 2
        assert allowed(counters, "ann", 1, 100) == 100
        assert silent.accepted == asked
        clock.now += RedisCache.PAUSE
        assert allowed(counters, "ann", 1, 1) == 1
        assert silent.accepted > asked

    @pytest.mark.django_db(transaction=True)
    def test_a_table_that_is_not_there(self, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
        counters = CacheCounters(DatabaseCache("not_there"), "LOGIN", seconds=60, clock=clock)
        assert allowed(counters, "ann", 1, 3) == 3
        assert len(caplog.records) == 1

    def test_it_counts_again_once_it_is_back(self, redis_cache: RedisCache, name: str, clock: FakeClock) -> None:
        redis_cache.clock = clock
        redis_cache._resume_at = clock.now + redis_cache.PAUSE
        counters = CacheCounters(redis_cache, name, seconds=60, clock=clock)
        assert allowed(counters, "ann", 1, 5) == 5
        clock.now += redis_cache.PAUSE
        assert allowed(counters, "ann", 1, 5) == 1


class TestLimit:
    def test_the_setting_says_how_many(self, settings: Any, clock: FakeClock) -> None:
        limit = Limit("THROTTLE_LOGIN", seconds=60, clock=clock)
        settings.THROTTLE_LOGIN = 3
        assert [limit.hit("ann") for _ in range(5)] == [None, None, None, 30, 30]

    def test_zero_turns_it_off(self, settings: Any, clock: FakeClock) -> None:
        settings.THROTTLE_LOGIN = 0
        limit = Limit("THROTTLE_LOGIN", seconds=60, clock=clock)
        assert all(limit.hit("ann") is None for _ in range(1_000))

    def test_limits_count_apart(self, settings: Any, clock: FakeClock) -> None:
        settings.THROTTLE_LOGIN = settings.THROTTLE_TOKEN = 1
        login, token = (Limit(name, seconds=60, clock=clock) for name in ["THROTTLE_LOGIN", "THROTTLE_TOKEN"])
        assert [login.hit("ann"), token.hit("ann"), login.hit("ann"), token.hit("ann")] == [None, None, 30, 30]

    @pytest.mark.usefixtures("redis_cache")
    def test_the_cache_of_the_settings(self, name: str) -> None:
        """As the operator configures it, in two processes that share nothing else."""
        program = (
            "import django; django.setup(); from todoproj.throttling import LOGIN;"
            f"from django.core.cache import cache; cache.set('{name}', 1, 60); assert cache.get('{name}') == 1;"
            f"print([LOGIN.hit('{name}') is None for _ in range(3)].count(True))"
        )
        counts = [run_python(program, CACHE_URL=REDIS_URL, THROTTLE_LOGIN="4") for _ in range(2)]
        # A minute may have ended between them.
        assert counts in (["3", "1"], ["3", "3"], ["3", "2"])

    def test_the_server_has_them_before_it_forks(self) -> None:
        program = "import sys, todoproj.wsgi; print('todoproj.throttling' in sys.modules)"
        assert run_python(program) == "True"


class TestClientAddress:
    def address(self, peer: str, forwarded: str | None = None) -> str:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        return client_address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))

    @pytest.mark.parametrize(
        ("peer", "counted"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2::1]:4711", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("", ""),
            ("unix", ""),
            ("1" * 5_000, ""),
        ],
    )
    def test_how_an_address_counts(self, peer: str, counted: str) -> None:
        assert self.address(peer) == counted

    @pytest.mark.parametrize("forwarded", ["198.51.100.1", "a, b, c", "", "," * 1_000])
    def test_an_untrusted_header_does_not_matter(self, forwarded: str) -> None:
        assert self.address("192.0.2.1", forwarded) == "192.0.2.1"

    @pytest.mark.parametrize(
        ("proxies", "forwarded", "counted"),
        [
            (1, "198.51.100.1", "198.51.100.1"),
            (1, "203.0.113.9, 198.51.100.1", "198.51.100.1"),
            (2, "203.0.113.9,198.51.100.1 , 10.0.0.1", "198.51.100.1"),
            (1, "203.0.113.9, 2001:db8::1", "2001:db8::/64"),
            (2, "198.51.100.1", "192.0.2.1"),
            (1, None, "192.0.2.1"),
            (1, "", "192.0.2.1"),
            (1, "198.51.100.1, unknown", "192.0.2.1"),
            (1, "198.51.100.1, " + "9" * 5_000, "192.0.2.1"),
        ],
    )
    def test_behind_proxies(self, settings: Any, proxies: int, forwarded: str | None, counted: str) -> None:
        settings.TRUST_X_FORWARDED_FOR = proxies
        assert self.address("192.0.2.1", forwarded) == counted
