"""The `python3` that a job's shell script finds first in its PATH: `shim.py <python> <socket> arguments…`.

It asks the helper for a child with its own descriptors, environment, folder and limits, passes on the
signals it gets and ends as the child ends. Where there is no helper it becomes the real Python. It must start
at once, so it runs without `site` and imports only what is built in.
"""

from __future__ import annotations

import _socket
import os
import resource
import signal
import sys
from types import FrameType

# pathlib takes longer to import than all of this takes to run
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from localcloud.forkserver import wire

PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def main(argv: list[str]) -> int:
    python, path, *arguments = argv
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(path)
        wire.send(connection, _request(python, arguments).encode(), [0, 1, 2])
        received = _receive(connection, b"")
    except OSError:
        received = b""
    if not received:  # nothing was started
        os.execv(python, [python, *arguments])  # noqa: S606  # nosec B606 - the command that was asked for
    return _ended_as(_follow(connection, received))


def _request(python: str, arguments: list[str]) -> wire.Request:
    umask = os.umask(0)
    os.umask(umask)
    limits = {number for name, number in vars(resource).items() if name.startswith("RLIMIT_")}
    return wire.Request(
        ["python3", *arguments],
        dict(os.environ),
        os.getcwd(),
        [0, 1, 2],
        executable=python,
        umask=umask,
        limits=[(number, *resource.getrlimit(number)) for number in sorted(limits)],
        session=os.getsid(0),
    )


def _follow(connection: _socket.socket, received: bytes) -> int:
    """The child's exit code; meanwhile its signals go to it."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        connection.sendall(bytes([number]))

    for number in PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    while b"exit " not in received or not received.endswith(b"\n"):
        more = _receive(connection, received)
        if more == received:  # the helper died
            os.kill(int(received.split()[1]), signal.SIGKILL)
            return -signal.SIGKILL
        received = more
    return int(received.split()[-1])


def _receive(connection: _socket.socket, received: bytes) -> bytes:
    return received + connection.recv(4096)


def _ended_as(code: int) -> int:
    """The exit code; after a signal this process ends by the same one, and without a second core."""
    if code >= 0:
        return code
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if -code not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    return 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
