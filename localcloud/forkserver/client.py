"""The cloud's side: starts a helper, asks it for children, watches and ends them."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import shutil
import signal
import socket
import subprocess  # nosec B404 - the helper is a process
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import localcloud
from localcloud.forkserver import server, wire

logger = logging.getLogger("localcloud.processes")

PACKAGES = Path(localcloud.__file__).resolve().parent.parent
SHIM = Path(__file__).with_name("shim.py")
BIRTH_SECONDS = 30.0  # a fork takes milliseconds; a machine that swaps takes longer


@dataclass(frozen=True)
class LibrarySet:
    """What a helper loads; what is not installed is left out. `environment` is what its libraries may look at
    when loaded: jobs that have these values too can be forked."""

    name: str
    modules: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)


class NoHelper(Exception):
    """There is no helper to ask, or it gave no child."""


def supported() -> bool:
    """Whether this platform can fork a process with these libraries. Elsewhere than on Linux it can or not,
    depending on the system's own numerical libraries."""
    return sys.platform == "linux" and hasattr(os, "fork") and hasattr(os, "waitid")


class ForkedChild:
    """A job forked by the helper, as `processes.Process` handles it; `subprocess.Popen` is the other kind."""

    def __init__(self, connection: socket.socket, pid: int, stdout: IO[str], stderr: IO[str]) -> None:
        self._connection, self.pid = connection, pid
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._await_end, name=f"await-{pid}", daemon=True).start()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired("job", timeout or 0)
        return self.returncode

    def signal_group(self, number: signal.Signals) -> None:
        """To the job and its children; the helper kills by itself what a job leaves behind."""
        with contextlib.suppress(OSError):  # it has ended
            self._connection.sendall(bytes([number]))

    def _await_end(self) -> None:
        told = b""
        with contextlib.suppress(OSError):
            while not told.endswith(b"\n") and (more := self._connection.recv(64)):
                told += more
        if not told.endswith(b"\n"):
            logger.warning("the fork server ended while its job %d was running: the job is killed", self.pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self.returncode = int(told.split()[-1]) if told.endswith(b"\n") else -signal.SIGKILL
        self._ended.set()
        self._connection.close()


class ForkServer:
    """The helper of one set of libraries. It is started by `launch`, and again when it has died."""

    def __init__(self, libraries: LibrarySet, environment: Mapping[str, str]) -> None:
        self._libraries = libraries
        # Not below the cloud's home: a socket's path may have no more than 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix=f"forkserver-{libraries.name}-"))
        self._environment = {**environment, **libraries.environment, "HOME": str(self._folder)}
        self._socket = self._folder / "socket"
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready = threading.Event()
        self.shim_folder = self._folder / "bin"
        self._write_shim()

    @property
    def pid(self) -> int | None:
        return self._helper.pid if self._helper else None

    def launch(self) -> None:
        """Starts the helper if none runs. It loads its libraries while the caller goes on."""
        with self._lock:
            if self._helper and self._helper.poll() is None:
                return
            if self._helper:
                logger.warning(
                    "the fork server %s ended with code %s and is started again",
                    self._libraries.name,
                    self._helper.returncode,
                )
            self._start()

    def wait_until_ready(self, timeout: float) -> bool:
        return self._ready.wait(timeout)

    def spawn(
        self, argv: list[str], environment: Mapping[str, str], cwd: Path, pass_fds: tuple[int, ...]
    ) -> ForkedChild:
        """A child that runs a Python command. Raises `NoHelper` when there is none; nothing has run then."""
        pipes = [os.pipe(), os.pipe()]
        nothing = os.open(os.devnull, os.O_RDONLY)
        ours, theirs = [pair[0] for pair in pipes], [nothing, *(pair[1] for pair in pipes)]
        umask = _umask()
        request = wire.Request(
            argv,
            dict(environment),
            str(cwd),
            [0, 1, 2, *pass_fds],
            executable=sys.executable,
            umask=umask,
            limits=[],
        )
        try:
            connection, pid = self._ask(request, [*theirs, *pass_fds])
        except OSError as error:
            for number in ours:
                os.close(number)
            raise NoHelper(str(error)) from error
        finally:
            for number in theirs:
                os.close(number)
        stdout, stderr = (os.fdopen(number, encoding="utf-8", errors="replace") for number in ours)
        return ForkedChild(connection, pid, stdout, stderr)

    def end_session(self, session: int) -> None:
        """A shell has ended: what the Python programs that it started left behind ends too."""
        with contextlib.suppress(OSError), self._connect() as connection:
            wire.send(connection, wire.end_session(session), [])
            connection.recv(1)  # the helper hangs up when it is done

    def close(self) -> None:
        """Ends the helper and its children."""
        with self._lock:
            if self._helper and self._control:
                self._control.shutdown(socket.SHUT_RDWR)
                if not self._ready.is_set():
                    self._helper.kill()  # it has no children yet, and is busy importing
                self._helper.wait()
                self._control.close()
            self._ready.clear()
            self._helper = self._control = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        self._ready = threading.Event()
        self._socket.unlink(missing_ok=True)
        self._control, theirs = socket.socketpair()
        with theirs, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._socket))
            listener.listen(128)
            numbers = (listener.fileno(), theirs.fileno())
            self._helper = subprocess.Popen(  # nosec B603 - a list, never a shell string
                [
                    *(sys.executable, "-m", server.__name__, *map(str, numbers)),
                    *self._libraries.modules,
                ],
                env=self._environment,
                cwd=PACKAGES,
                stdin=subprocess.DEVNULL,
                pass_fds=numbers,
                start_new_session=True,
            )
        threading.Thread(
            target=_note_ready, args=(self._control.dup(), self._ready), daemon=True, name="forkserver-ready"
        ).start()

    def _ask(self, request: wire.Request, descriptors: list[int]) -> tuple[socket.socket, int]:
        connection = self._connect()
        try:
            wire.send(connection, request.encode(), descriptors)
            connection.settimeout(BIRTH_SECONDS)
            told = b""
            while not told.endswith(b"\n"):  # byte by byte: what follows is for whoever awaits the end
                byte = connection.recv(1)
                if not byte:
                    raise ConnectionResetError("the fork server hung up")
                told += byte
            connection.settimeout(None)
        except BaseException:
            connection.close()
            raise
        return connection, int(told.split()[1])

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self._socket))
        except BaseException:
            connection.close()
            raise
        return connection

    def _write_shim(self) -> None:
        """`python3` and `python` as a shell script finds them. Not a `#!` line of Python's own: that may hold
        neither a blank nor a long path."""
        self.shim_folder.mkdir()
        words = shlex.join([sys.executable, "-IS", str(SHIM), sys.executable, str(self._socket)])
        for name in ("python", "python3"):
            script = self.shim_folder / name
            script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            script.chmod(0o700)


def _note_ready(control: socket.socket, ready: threading.Event) -> None:
    with control:
        if control.recv(len(server.READY)):
            ready.set()


def _umask() -> int:
    """Of this process. It can only be read by setting it, and other threads write files meanwhile."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    raise NoHelper("/proc tells no umask")
