"""What a client and the helper say to each other. `shim.py` imports this, so it imports next to nothing.

One connection is one job. The client sends a message with the job's descriptors, then one byte per signal
that the job's process group shall get; the helper answers `pid <n>` at once and `exit <code>` at the end
(negative for a signal). A client that hangs up has lost its interest: its job is killed.
"""

from __future__ import annotations

import _socket
import os
import sys

RUN, END_SESSION = "run", "end-session"
MOST_DESCRIPTORS = 64
_LENGTH_BYTES, _FIXED_FIELDS = 4, 8


class Request:
    """What to run. `targets` are the numbers under which the job finds the descriptors that come along;
    `limits` are (resource, soft, hard); `session` is that of a shell whose end is also the end of what this
    job leaves behind, 0 where the job stands for itself."""

    def __init__(  # noqa: PLR0913 - one field each of what a process has
        self,
        argv: list[str],
        environment: dict[str, str],
        cwd: str,
        targets: list[int],
        *,
        executable: str,
        umask: int,
        limits: list[tuple[int, int, int]],
        session: int = 0,
    ) -> None:
        self.argv, self.environment, self.cwd, self.targets = argv, environment, cwd, targets
        self.executable, self.umask, self.limits, self.session = executable, umask, limits, session

    def encode(self) -> bytes:
        limits = ",".join(f"{number}:{soft}:{hard}" for number, soft, hard in self.limits)
        fields = [
            RUN,
            self.cwd,
            self.executable,
            str(self.umask),
            str(self.session),
            limits,
            ",".join(map(str, self.targets)),
            str(len(self.argv)),
            *self.argv,
            *(f"{name}={value}" for name, value in self.environment.items()),
        ]
        return _framed(fields)

    @classmethod
    def decode(cls, fields: list[str]) -> Request:
        _kind, cwd, executable, umask, session, limits, targets, count = fields[:_FIXED_FIELDS]
        end = _FIXED_FIELDS + int(count)
        return cls(
            fields[_FIXED_FIELDS:end],
            dict(_pair(entry) for entry in fields[end:]),
            cwd,
            [int(target) for target in targets.split(",")],
            executable=executable,
            umask=int(umask),
            limits=[_limit(text) for text in limits.split(",") if text],
            session=int(session),
        )


def end_session(session: int) -> bytes:
    """Tells the helper that the shell of this session has ended."""
    return _framed([END_SESSION, str(session)])


def unframed(received: bytes) -> list[str] | None:
    """The fields of a whole message; None while there is more to come."""
    body = received[_LENGTH_BYTES:]
    if len(received) < _LENGTH_BYTES or len(body) < int.from_bytes(received[:_LENGTH_BYTES], "big"):
        return None
    return [os.fsdecode(field) for field in body.split(b"\0")]


def send(connection: _socket.socket, message: bytes, descriptors: list[int]) -> None:
    packed = b"".join(number.to_bytes(4, sys.byteorder) for number in descriptors)
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)] if descriptors else []
    sent = connection.sendmsg([message], rights)
    connection.sendall(message[sent:])


def _framed(fields: list[str]) -> bytes:
    body = b"\0".join(os.fsencode(field) for field in fields)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def _pair(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    return name, value


def _limit(text: str) -> tuple[int, int, int]:
    number, soft, hard = text.split(":")
    return int(number), int(soft), int(hard)
