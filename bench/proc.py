"""What Linux knows of processes: their children, CPU time, memory, and the cores that they may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, from state on; see proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """The process and all its descendants that live."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """CPU time of the process and its descendants, also of those that have ended, in seconds (10 ms exact)."""
    ticks = 0
    for pid in tree(root):
        with suppress(OSError):
            # utime, stime, and what ended children had used.
            ticks += sum(map(int, _stat(pid)[11:15]))
    return ticks / _TICKS


def memory_bytes(root: int) -> tuple[int, str]:
    """The memory of the process and its descendants, and how it was counted.

    PSS counts a page that several processes share once; RSS, where PSS may not be read, once for each.
    """
    pids = tree(root)
    try:
        return sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in pids) * 1024, "PSS"
    except OSError:
        return sum(_kilobytes(pid, "status", "VmRSS:") for pid in pids) * 1024, "RSS"


def _kilobytes(pid: int, file: str, name: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0


@contextmanager
def pinned(root: int, core: int) -> Iterator[bool]:
    """Keep a process and its descendants, also those to come, on one core until the end; whether that was allowed."""
    before: dict[int, set[int]] = {}
    allowed = True
    usual = os.sched_getaffinity(root)
    try:
        for thread in _threads(root):
            with suppress(ProcessLookupError):
                before[thread] = os.sched_getaffinity(thread)
                os.sched_setaffinity(thread, {core})
    except PermissionError:
        allowed = False
    try:
        yield allowed
    finally:
        # Those that started meanwhile get what their parent had.
        for thread in _threads(root):
            with suppress(OSError):
                os.sched_setaffinity(thread, before.get(thread, usual))


def _threads(root: int) -> list[int]:
    found = []
    for pid in tree(root):
        with suppress(OSError):
            found += [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]
    return found


def kill(pid: int) -> None:
    """End a process at once, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    """Whether the process runs."""
    with suppress(OSError):
        return _stat(pid)[0] != "Z"
    return False
