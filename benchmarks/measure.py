"""Figures and what they come from."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SAMPLE_SECONDS = 0.05
SLOW_ROWS = 5_000_000  # from here on everything runs as rarely as a spread allows


@dataclass(frozen=True)
class Usage:
    """What a process took: wall time in seconds, peak memory in MiB."""

    seconds: float
    mebibytes: float


@dataclass
class Pairs:
    """Figures of two things that ran in turn; the n-th of each belong together."""

    ours: list[float] = field(default_factory=list)
    against: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [ours / against for ours, against in zip(self.ours, self.against, strict=True)]


@dataclass(frozen=True)
class Target:
    """What a ratio should be: at most, or at least so much. With neither it is only shown."""

    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        if self.most is not None:
            return f"≤ {self.most:g} x"
        return "shown" if self.least is None else f"≥ {self.least:g} x"

    def met(self, ratio: float) -> bool | None:
        if self.most is not None:
            return ratio <= self.most
        return None if self.least is None else ratio >= self.least


@dataclass(frozen=True)
class Row:
    """A line of the table. `figure` and `target` as a reader sees them, `raw` what they come from."""

    what: str
    against: str
    figure: str
    target: str
    met: bool | None
    raw: dict[str, Any]

    @classmethod
    def of_pairs(cls, what: str, against: str, pairs: Pairs, target: Target, unit: str = "s") -> Row:
        ratio = statistics.median(pairs.ratios)
        ours, theirs = statistics.median(pairs.ours), statistics.median(pairs.against)
        figure = (
            f"**{ratio:.2f} x** ({min(pairs.ratios):.2f} to {max(pairs.ratios):.2f});"
            f" {_short(ours)} against {_short(theirs)} {unit}"
        )
        return cls(what, against, figure, str(target), target.met(ratio), asdict(pairs))

    @classmethod
    def of_times(cls, what: str, seconds: Sequence[float]) -> Row:
        """Median and 99th percentile in milliseconds."""
        middle, high = statistics.median(seconds), percentile(seconds, 0.99)
        figure = f"median **{middle * 1000:.2f} ms**, p99 {high * 1000:.2f} ms ({len(seconds)} times)"
        return cls(what, "-", figure, "shown", None, {"seconds": list(seconds)})


def _short(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:.3g}" if value < 1000 else grouped(value)


def grouped(value: float) -> str:
    """1 000 000"""
    return f"{value:,.0f}".replace(",", " ")


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# A process starts with the memory of the one that forks it, so something small does that.
LAUNCHER = """
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - start, usage.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> Usage:
    """Runs a process to its end. Raises `RuntimeError` with what it printed when it fails."""
    launcher = [sys.executable, "-IS", "-c", LAUNCHER, *argv]
    ended = subprocess.run(
        launcher,
        env=dict(env),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(argv)} exited with {ended.returncode}:\n{ended.stdout}")
    seconds, mebibytes = ended.stdout.splitlines()[-1].split()
    return Usage(float(seconds), float(mebibytes))


class PeakMemory:
    """The largest peak among the processes that start below `pid` meanwhile; `mebibytes` at the end."""

    def __init__(self, pid: int) -> None:
        self._pid, self._ended = pid, threading.Event()
        self._before = set(_below(pid))
        self.mebibytes = 0.0

    def __enter__(self) -> PeakMemory:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.look()

    def look(self) -> None:
        for pid in set(_below(self._pid)) - self._before:
            self.mebibytes = max(self.mebibytes, _peak(pid))


def _below(pid: int) -> Iterator[int]:
    """The children of a process, theirs, and so on."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, _read(str(task)).split()):
            yield child
            yield from _below(child)


def _peak(pid: int) -> float:
    lines = _read(f"/proc/{pid}/status").splitlines()
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), default=0.0)


def machine() -> str:
    """The machine in a line."""
    names = [
        line.partition(":")[2].strip()
        for line in _read("/proc/cpuinfo").splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        f" ({names[0] if names else platform.processor() or 'unnamed'}), {memory:.0f} GiB,"
        f" Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the start"
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
