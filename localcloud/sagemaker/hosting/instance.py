"""One instance of a variant: a server process that is kept alive.

Its listening socket outlives the process: requests that come before the model is loaded, or while a process
that died is replaced, wait in it.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import localcloud
from localcloud import processes
from localcloud.sagemaker.hosting import server
from localcloud.sagemaker.hosting.channel import Channel
from localcloud.sagemaker.work import words_of

logger = logging.getLogger("localcloud.sagemaker")

PACKAGES = Path(localcloud.__file__).resolve().parent.parent
BACKLOG = 512
MOST_DEATHS, DEATHS_WITHIN_SECONDS = 5, 60.0  # what dies more often is given up


class InstanceFailed(Exception):
    """The container did not become healthy; the message is its own last words."""


@dataclass(frozen=True)
class InstanceSpec:
    """What to run. `environment` is the whole environment but for the sockets; `folder` holds the model."""

    name: str
    folder: Path
    environment: Mapping[str, str]
    write_log: Callable[[str], None]
    startup_seconds: float = 600.0


class Instance:
    """Starts at once. `on_given_up` is called when it cannot be kept alive."""

    def __init__(self, spec: InstanceSpec, on_given_up: Callable[[], None]) -> None:
        self.spec, self._on_given_up = spec, on_given_up
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.channel = Channel(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._stopping = False
        self._process: processes.Process | None = None
        self._settled = threading.Event()
        self.given_up: str | None = None  # why, in the container's own last words
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        threading.Thread(target=self._keep, name=f"instance-{spec.name}", daemon=True).start()

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process else None

    def wait_until_healthy(self) -> None:
        """Returns when the model is loaded. Raises `InstanceFailed`."""
        self._settled.wait()
        if self.given_up is not None:
            raise InstanceFailed(self.given_up)

    def stop(self) -> None:
        """Ends the process. Whoever calls it has made sure that no request is on its way."""
        with self._lock:
            self._stopping = True
        if self._process:
            self._process.stop()
        self.channel.close()
        self._listener.close()

    def _keep(self) -> None:
        """Runs the process again each time it dies, until it is stopped or beyond help."""
        try:
            while (born := self._spawn()) is not None:
                process, lifeline = born
                self._await_ready(process, lifeline)
                words = words_of(process.wait())
                lifeline.close()
                if self._stopping or not self._may_return(words):
                    break
        except Exception as error:
            logger.exception("the instance %s broke the local SageMaker", self.spec.name)
            self._give_up(str(error))
        if not self._settled.is_set():  # it was stopped meanwhile
            self._give_up("the instance was stopped before it was healthy")

    def _spawn(self) -> tuple[processes.Process, socket.socket] | None:
        ours, theirs = socket.socketpair()
        descriptors = {server.LISTENER: self._listener, server.LIFELINE: theirs}
        with self._lock, theirs:
            if self._stopping:
                ours.close()
                return None
            self._process = processes.start(
                processes.ProcessSpec(
                    name=self.spec.name,
                    argv=(sys.executable, "-m", "localcloud.sagemaker.hosting.server", self.spec.name),
                    env={
                        **self.spec.environment,
                        **{name: str(held.fileno()) for name, held in descriptors.items()},
                        "OMP_NUM_THREADS": "1",
                        "PYTHONPATH": str(PACKAGES),
                        server.MODEL_DIR: str(self.spec.folder),
                    },
                    cwd=self.spec.folder,
                    on_line=self.spec.write_log,
                    pass_fds=tuple(held.fileno() for held in descriptors.values()),
                )
            )
            return self._process, ours

    def _await_ready(self, process: processes.Process, lifeline: socket.socket) -> None:
        lifeline.settimeout(self.spec.startup_seconds)
        try:
            if lifeline.recv(1) == server.READY:
                self._settled.set()
        except TimeoutError:
            self.spec.write_log(f"not ready within {self.spec.startup_seconds:.0f} seconds")
            process.stop()

    def _may_return(self, words: str) -> bool:
        """Whether a process that died is to be replaced: not if the model never was ready."""
        if not self._settled.is_set():
            self._give_up(words)
            return False
        self._deaths.append(time.monotonic())
        if len(self._deaths) == MOST_DEATHS and self._deaths[-1] - self._deaths[0] < DEATHS_WITHIN_SECONDS:
            self._give_up(f"the container died {MOST_DEATHS} times in a row: {words}")
            return False
        self.spec.write_log(f"the container died and is replaced: {words}")
        return True

    def _give_up(self, words: str) -> None:
        self.given_up = words
        self._listener.close()  # refuses what would wait for ever
        self._settled.set()
        if not self._stopping:
            self._on_given_up()
