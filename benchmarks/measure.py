"""Figures and what they come from."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


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
class Row:
    """A line of the table. `figure` and `target` as a reader sees them, `raw` what they come from."""

    what: str
    against: str
    figure: str
    target: str
    met: bool | None
    raw: dict[str, Any]

    @classmethod
    def of_pairs(cls, what: str, against: str, pairs: Pairs, most: float | None, unit: str = "s") -> Row:
        """`most` is the largest ratio that meets the target."""
        ratio = statistics.median(pairs.ratios)
        ours, theirs = statistics.median(pairs.ours), statistics.median(pairs.against)
        figure = (
            f"**{ratio:.2f} x** ({min(pairs.ratios):.2f} to {max(pairs.ratios):.2f});"
            f" {ours:.3g} against {theirs:.3g} {unit}"
        )
        target = "shown" if most is None else f"≤ {most:g} x"
        return cls(what, against, figure, target, None if most is None else ratio <= most, asdict(pairs))

    @classmethod
    def of_times(cls, what: str, seconds: Sequence[float]) -> Row:
        """Median and 99th percentile in milliseconds."""
        middle, high = statistics.median(seconds), percentile(seconds, 0.99)
        figure = f"median **{middle * 1000:.2f} ms**, p99 {high * 1000:.2f} ms ({len(seconds)} times)"
        return cls(what, "-", figure, "shown", None, {"seconds": list(seconds)})


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
