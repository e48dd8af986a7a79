"""The one place where a job's process is born, watched and ended.

Glue runs, Lambda environments, Processing and Training jobs all come through `start`, so how a
process is made can change here without any of them knowing: as a plain process, or, after
`use_fork_servers`, as the child of a helper that holds its libraries loaded (`localcloud.forkserver`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess  # nosec B404 - running jobs is what this module is for
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

from localcloud.forkserver.client import ForkServer, LibrarySet, NoHelper

logger = logging.getLogger("localcloud.processes")

STOP_GRACE_SECONDS = 5.0
LAST_LINES = 40

# Not Polars: importing it starts threads, which a fork does not copy.
JOB_LIBRARIES = LibrarySet(
    "jobs", ("numpy", "pandas", "sklearn.metrics", "xgboost", "boto3.s3.transfer", "narwhals")
)


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
    libraries: LibrarySet = JOB_LIBRARIES  # what to have loaded; no difference to the job but the time


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


class Child(Protocol):
    """The process behind a job: forked (`ForkedChild`) or plain (`PlainChild`)."""

    pid: int
    stdout: IO[str]
    stderr: IO[str]

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired`."""

    def signal_group(self, number: signal.Signals) -> None:
        """To the process and its children, also to those that outlived it."""


class PlainChild:
    """A fresh process in a session of its own, so that signals reach its own children too. `served_by` is the
    fork server that its shell commands may come upon."""

    def __init__(self, spec: ProcessSpec, served_by: ForkServer | None = None) -> None:
        env = dict(spec.env)
        if served_by:
            env["PATH"] = os.pathsep.join([str(served_by.shim_folder), env.get("PATH", os.defpath)])
        self._served_by = served_by
        self._popen = subprocess.Popen(  # nosec B603 - a list, never a shell string
            spec.argv,
            env=env,
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=spec.pass_fds,
        )
        assert self._popen.stdout  # noqa: S101  # nosec B101 - for the type checker: both are pipes
        assert self._popen.stderr  # noqa: S101  # nosec B101
        self.pid, self.stdout, self.stderr = self._popen.pid, self._popen.stdout, self._popen.stderr

    def poll(self) -> int | None:
        return self._popen.poll()

    def wait(self, timeout: float | None = None) -> int:
        return self._popen.wait(timeout)

    def signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        if number == signal.SIGKILL and self._served_by:
            self._served_by.end_session(self.pid)


class Process:
    """A running job. `wait` may be called by one thread while others call `stop`."""

    def __init__(self, spec: ProcessSpec, child: Child) -> None:
        self.spec, self._child = spec, child
        self._stopped = False
        self._out: deque[str] = deque(maxlen=LAST_LINES)
        self._err: deque[str] = deque(maxlen=LAST_LINES)
        self._readers = [
            self._read(child.stdout, self._out, spec.on_line),
            self._read(child.stderr, self._err, spec.on_error_line or spec.on_line),
        ]
        _running.add(self)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def wait(self) -> Exit:
        """Blocks until the process ends or its time is over."""
        reason: Literal["exited", "timed_out", "stopped"] = "exited"
        try:
            self._child.wait(self.spec.timeout_seconds)
        except subprocess.TimeoutExpired:
            reason = "timed_out"
            self._end_group()
        self._child.signal_group(signal.SIGKILL)  # what the job left behind holds its output open
        for reader in self._readers:
            reader.join()
        _running.discard(self)
        if self._stopped and reason == "exited":
            reason = "stopped"
        lines = tuple(line for line in (self._err or self._out) if line.strip())
        return Exit(code=self._child.wait(), reason=reason, last_lines=lines)

    def stop(self) -> None:
        """Ends the process and its children: SIGTERM, a grace, SIGKILL. Does nothing when it has ended."""
        if self.alive:
            self._stopped = True
            self._end_group()

    def _end_group(self) -> None:
        self._child.signal_group(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(STOP_GRACE_SECONDS)
        self._child.signal_group(signal.SIGKILL)  # what of the group outlived its leader
        self._child.wait()

    def _read(self, stream: IO[str], tail: deque[str], deliver: Callable[[str], None]) -> threading.Thread:
        def drain() -> None:
            for line in stream:
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
_servers: dict[str, ForkServer] = {}
_servers_lock = threading.Lock()
_forking = False


def use_fork_servers() -> None:
    """From now on Python jobs are forked by helpers. Called once, by the cloud's server."""
    global _forking  # noqa: PLW0603 - how processes are born is one decision for the whole server
    _forking = True


def use_plain_processes() -> None:
    """From now on every job is a process of its own from the beginning. Ends the helpers."""
    global _forking  # noqa: PLW0603
    with _servers_lock:
        _forking = False
        for server in _servers.values():
            server.close()
        _servers.clear()


def warm_up(libraries: LibrarySet = JOB_LIBRARIES, wait_seconds: float = 0.0) -> bool:
    """Starts loading what jobs will need soon; whether it is loaded, after waiting at most so long."""
    if not _forking:
        return False
    server = _server(libraries)
    server.launch()
    return server.wait_until_ready(wait_seconds)


def start(spec: ProcessSpec) -> Process:
    """Starts the job; raises `OSError` when its program cannot be started at all."""
    return Process(spec, _forked(spec) if _forking else PlainChild(spec))


def _forked(spec: ProcessSpec) -> Child:
    server = _server(spec.libraries)
    server.launch()
    if not server.wait_until_ready(0):  # waiting for it takes as long as doing without
        return PlainChild(spec)
    if not _is_this_python(spec):
        return PlainChild(spec, served_by=server)
    try:
        return server.spawn([*spec.argv], spec.env, spec.cwd, spec.pass_fds)
    except NoHelper as reason:
        logger.warning("%s starts as a plain process: the fork server fails: %s", spec.name, reason)
        return PlainChild(spec)


def _server(libraries: LibrarySet) -> ForkServer:
    with _servers_lock:
        if libraries.name not in _servers:
            _servers[libraries.name] = ForkServer(libraries, base_environment())
        return _servers[libraries.name]


def _is_this_python(spec: ProcessSpec) -> bool:
    """Whether the command starts the interpreter that the helpers run in, with the same packages."""
    found = shutil.which(spec.argv[0], path=spec.env.get("PATH", os.defpath))
    if found is None or not spec.cwd.is_dir():
        return False
    here = Path(sys.executable)
    return Path(found).parent == here.parent and os.path.samefile(found, here)


def stop_all() -> None:
    """Ends every job that still runs, side by side, and the helpers: the server is going down."""
    stoppers = [threading.Thread(target=process.stop) for process in list(_running)]
    for thread in stoppers:
        thread.start()
    for thread in stoppers:
        thread.join()
    use_plain_processes()


def base_environment() -> dict[str, str]:
    """What every job finds in its environment before its service adds its own variables."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "TMPDIR": tempfile.gettempdir(),
        "PYTHONUNBUFFERED": "1",
        "OMP_WAIT_POLICY": "passive",  # spinning OpenMP threads starve the other jobs of a small machine
    }
