"""The one place where a job's process is born, watched and ended.

Glue runs, Lambda environments, Processing and Training jobs all come through `start`, so how a
process is made can change here without any of them knowing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess  # nosec B404 - running jobs is what this module is for
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

logger = logging.getLogger("localcloud.processes")

STOP_GRACE_SECONDS = 5.0
LAST_LINES = 40


def ignore_line(_line: str) -> None:
    """For a process whose output nobody reads line by line."""


@dataclass(frozen=True)
class ProcessSpec:
    """What to run. `env` is the whole environment: nothing of the server's own leaks into a job."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    timeout_seconds: float | None = None
    on_line: Callable[[str], None] = ignore_line
    on_error_line: Callable[[str], None] | None = None  # where stderr goes, when not with stdout
    pass_fds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Exit:
    """How a process ended. `code` is negative for a signal, as in `subprocess`."""

    code: int
    reason: Literal["exited", "timed_out", "stopped"]
    last_lines: tuple[str, ...]

    @property
    def succeeded(self) -> bool:
        return self.reason == "exited" and self.code == 0

    @property
    def words(self) -> str:
        """The job's own last error line, or what the exit code says when it wrote none."""
        if self.reason == "exited" and self.code >= 0 and self.last_lines:
            return self.last_lines[-1]
        if self.code < 0:
            return f"the process was ended by {signal.Signals(-self.code).name}"
        return f"the process exited with code {self.code} and wrote no message"


class Process:
    """A running job. `wait` may be called by one thread while others call `stop`."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self._stopped = False
        self._popen = subprocess.Popen(  # nosec B603 - a list, never a shell string
            spec.argv,
            env=dict(spec.env),
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # so that stop reaches the job's own children too
            pass_fds=spec.pass_fds,
        )
        self._out: deque[str] = deque(maxlen=LAST_LINES)
        self._err: deque[str] = deque(maxlen=LAST_LINES)
        self._readers = [
            self._read(self._popen.stdout, self._out, spec.on_line),
            self._read(self._popen.stderr, self._err, spec.on_error_line or spec.on_line),
        ]
        _running.add(self)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def wait(self) -> Exit:
        """Blocks until the process ends or its time is over."""
        reason: Literal["exited", "timed_out", "stopped"] = "exited"
        try:
            self._popen.wait(self.spec.timeout_seconds)
        except subprocess.TimeoutExpired:
            reason = "timed_out"
            self._end_group()
        self._signal_group(signal.SIGKILL)  # what the job left behind holds its output open
        for reader in self._readers:
            reader.join()
        _running.discard(self)
        if self._stopped and reason == "exited":
            reason = "stopped"
        lines = tuple(line for line in (self._err or self._out) if line.strip())
        return Exit(code=self._popen.returncode, reason=reason, last_lines=lines)

    def stop(self) -> None:
        """Ends the process and its children: SIGTERM, a grace, SIGKILL. Does nothing when it has ended."""
        if self.alive:
            self._stopped = True
            self._end_group()

    def _end_group(self) -> None:
        self._signal_group(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(STOP_GRACE_SECONDS)
        self._signal_group(signal.SIGKILL)  # what of the group outlived its leader
        self._popen.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)

    def _read(
        self, stream: IO[str] | None, tail: deque[str], deliver: Callable[[str], None]
    ) -> threading.Thread:
        def drain() -> None:
            for line in stream or ():
                text = line.rstrip("\n")
                tail.append(text)
                try:
                    deliver(text)
                except Exception:  # a reader that dies would block the job on a full pipe
                    logger.exception("a line of %s could not be delivered", self.spec.name)

        thread = threading.Thread(target=drain, name=f"output-{self.spec.name}", daemon=True)
        thread.start()
        return thread


_running: set[Process] = set()


def start(spec: ProcessSpec) -> Process:
    """Starts the job; raises `OSError` when its program cannot be started at all."""
    return Process(spec)


def stop_all() -> None:
    """Ends every job that still runs, side by side: the server is going down."""
    stoppers = [threading.Thread(target=process.stop) for process in list(_running)]
    for thread in stoppers:
        thread.start()
    for thread in stoppers:
        thread.join()


def base_environment() -> dict[str, str]:
    """What every job finds in its environment before its service adds its own variables."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "TMPDIR": tempfile.gettempdir(),
        "PYTHONUNBUFFERED": "1",
        "OMP_WAIT_POLICY": "passive",  # spinning OpenMP threads starve the other jobs of a small machine
    }
