"""Starts, finds and stops local clouds. One cloud per home folder; each on its own loopback port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess  # nosec B404 - starting the server is what this module is for
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from localcloud.settings import DEFAULT_PORT, DEFAULT_WAIT_SCALE, Settings, processes_of

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.02


class LocalCloudError(Exception):
    """The local cloud cannot be started or stopped; the message says why and what to do."""


class PortInUse(LocalCloudError):
    """Somebody else listens on the port that was asked for."""


class AlreadyRunning(LocalCloudError):
    """This home already has a running cloud."""


class StartFailed(LocalCloudError):
    """The server ended, or did not answer in time; the message holds the end of its log."""


@dataclass(frozen=True)
class Cloud:
    """A running local cloud."""

    home: Path
    pid: int
    port: int
    endpoint_url: str
    enforce_iam: bool


def start(
    home: Path, port: int | None = None, *, enforce_iam: bool = False, wait_scale: float | None = None
) -> Cloud:
    """Starts a cloud in the background and returns when it is ready to answer.

    `port` None takes 4566, or any free port when that is busy; 0 takes any free port. Raises
    `AlreadyRunning`, `PortInUse`, `StartFailed`.
    """
    try:
        processes = processes_of(os.environ)
    except ValueError as error:
        raise StartFailed(str(error)) from error
    home = home.resolve()
    running = status(home)
    if running:
        raise AlreadyRunning(f"a local cloud already runs at {running.endpoint_url} (pid {running.pid})")
    home.mkdir(parents=True, exist_ok=True)
    (home / "cloud.json").unlink(missing_ok=True)  # a killed server could not remove it
    # The server inherits the listening socket: between choosing a port and using it nobody can take it.
    with _listen(port) as listener, (home / "server.log").open("w", encoding="utf-8") as log:
        here = Settings(
            home=home,
            port=int(listener.getsockname()[1]),
            listener=listener.fileno(),
            enforce_iam=enforce_iam,
            wait_scale=DEFAULT_WAIT_SCALE if wait_scale is None else wait_scale,
            processes=processes,
        )
        server = subprocess.Popen(  # nosec B603 - a list, never a shell string
            [sys.executable, "-m", "localcloud.server"],
            env={**_environment_without_aws(), **here.to_environment()},
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(listener.fileno(),),
            start_new_session=True,  # Ctrl-C reaches the command, and that stops the server in order
        )
    try:
        return _wait_until_ready(server, home)
    except BaseException:
        server.terminate()
        server.wait(STOP_TIMEOUT_SECONDS)
        raise


def status(home: Path) -> Cloud | None:
    """The cloud that runs for this home, if one does and answers."""
    cloud = _recorded(home)
    return cloud if cloud and _alive(cloud.pid) and _answers(cloud.endpoint_url) else None


def stop(home: Path) -> bool:
    """Stops this home's cloud and waits until it is gone; False when none runs."""
    cloud = _recorded(home)
    # One that is too busy to answer must end too; a number that now belongs to another program must not.
    if cloud is None or not _alive(cloud.pid) or not _is_server(cloud.pid):
        return False
    os.kill(cloud.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while _alive(cloud.pid):
        if time.monotonic() > deadline:
            os.kill(cloud.pid, signal.SIGKILL)
            raise LocalCloudError(f"the local cloud (pid {cloud.pid}) did not stop in time and was killed")
        time.sleep(POLL_SECONDS)
    return True


def _recorded(home: Path) -> Cloud | None:
    try:
        return Cloud(home=home, **json.loads((home / "cloud.json").read_text(encoding="utf-8")))
    except (OSError, json.JSONDecodeError):
        return None


def _environment_without_aws() -> dict[str, str]:
    """The operator's profile and credentials are none of the local cloud's business."""
    return {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}


def _listen(wanted: int | None) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", DEFAULT_PORT if wanted is None else wanted))
    except OSError as error:
        if wanted is None:
            return socket.create_server(("127.0.0.1", 0))
        raise PortInUse(
            f"port {wanted} is in use by another program; leave --port out to take a free one"
        ) from error


def _wait_until_ready(server: subprocess.Popen[bytes], home: Path) -> Cloud:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        cloud = status(home)
        if cloud:
            return cloud
        time.sleep(POLL_SECONDS)
    log = (home / "server.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    end = "\n".join(log[-15:]) or "(its log is empty)"
    raise StartFailed(f"the local cloud did not start; the end of {home / 'server.log'}:\n{end}")


def _alive(pid: int) -> bool:
    try:
        # A child of ours that has ended stays a zombie until it is waited for.
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_server(pid: int) -> bool:
    command = ["ps", "-o", "command=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)  # nosec B603
    return "localcloud.server" in shown.stdout


def _answers(endpoint_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint_url}/_ministack/health", timeout=2):  # noqa: S310  # nosec B310
            return True
    except (urllib.error.URLError, OSError):
        return False
