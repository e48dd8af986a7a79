"""The helper: `python -m localcloud.forkserver.server <listener> <control> <module>…`, started by `client`.

It loads the modules, says so on `control`, and forks a child for each request that comes to `listener`. It
has one thread and runs nothing of a job, so that a fork copies a state that is known. It ends, and with it
every child, when `control` is closed: the cloud is gone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import sys

if __name__ == "__main__":
    del sys.path[0]  # `-m` put the folder there where the cloud's own packages are; a job has its own

from localcloud.forkserver import job, wire

READY = b"ready"
# Read by botocore and xgboost when loaded, for a home and a PATH that no job shares with the helper: theirs
# are only looked at for files of a user (`~/.aws/models`) and for libraries on Windows.
NEVER_MIND = frozenset({"HOME", "PATH"})


class Child:
    """A job's process. It stays a zombie, and its process group alive, until `bury`."""

    def __init__(self, pid: int, session: int, connection: socket.socket) -> None:
        self.pid, self.session, self._connection = pid, session, connection
        self.ended = False

    def signal_group(self, number: int) -> None:
        """To the process alone while it has not yet made its own group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Tells the client when it has; what it left behind may live on."""
        result = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if result is None:
            return False
        self.ended = True
        code = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
        self.tell(f"exit {code}\n")
        return True

    def bury(self) -> None:
        """Ends what the job left behind, then lets go of its number."""
        self.signal_group(signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def tell(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a client that is gone needs no answer
            self._connection.sendall(text.encode())


class Connection:
    """A client: at first its request comes in, later the signals for its child."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.received = b""
        self.descriptors: list[int] = []
        self.child: Child | None = None

    def receive(self) -> bytes:
        """New bytes; none when the client has hung up."""
        room = socket.CMSG_SPACE(4 * wire.MOST_DESCRIPTORS)
        try:
            data, ancillary, _flags, _address = self.socket.recvmsg(1 << 16, room)
        except OSError:
            return b""
        for _level, _type, packed in ancillary:
            numbers = [packed[at : at + 4] for at in range(0, len(packed) // 4 * 4, 4)]
            self.descriptors += [int.from_bytes(number, sys.byteorder) for number in numbers]
        return data

    def close(self) -> None:
        for number in self.descriptors:
            os.close(number)
        self.descriptors = []
        self.socket.close()


class Server:
    """The loop. `serve` returns in a child with its request, and in the helper at the end with None."""

    def __init__(self, listener: socket.socket, control: socket.socket) -> None:
        self._listener, self._control = listener, control
        self._connections: dict[int, Connection] = {}
        self._children: list[Child] = []
        self._woken, waker = socket.socketpair()
        for end in (self._woken, waker):
            end.setblocking(False)
        self._waker = waker
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(waker.fileno())
        self._poll = select.poll()
        for source in (listener, control, self._woken):
            self._poll.register(source.fileno(), select.POLLIN)

    def serve(self) -> tuple[wire.Request, list[int]] | None:
        while True:
            for number, _events in self._poll.poll():
                if number == self._control.fileno():
                    self._end_all()
                    return None
                if number == self._woken.fileno():
                    self._woken.recv(4096)
                    self._collect()
                elif number == self._listener.fileno():
                    self._accept()
                elif number in self._connections:
                    born = self._read(self._connections[number])
                    if born:
                        return born

    def _accept(self) -> None:
        connection = Connection(self._listener.accept()[0])
        self._connections[connection.socket.fileno()] = connection
        self._poll.register(connection.socket.fileno(), select.POLLIN)

    def _read(self, connection: Connection) -> tuple[wire.Request, list[int]] | None:
        data = connection.receive()
        child = connection.child
        if not data:
            if child and not child.ended:
                child.signal_group(signal.SIGKILL)
            self._forget(connection)
        elif child:
            for number in data if not child.ended else b"":
                child.signal_group(number)
        else:
            connection.received += data
            return self._answer(connection)
        return None

    def _answer(self, connection: Connection) -> tuple[wire.Request, list[int]] | None:
        fields = wire.unframed(connection.received)
        if fields is None:
            return None
        try:
            if fields[0] == wire.END_SESSION:
                self._end_session(int(fields[1]))
                self._forget(connection)
                return None
            request = wire.Request.decode(fields)
        except (ValueError, IndexError):  # a job found the socket and says something else
            self._forget(connection)
            return None
        return self._bear(connection, request)

    def _bear(self, connection: Connection, request: wire.Request) -> tuple[wire.Request, list[int]] | None:
        pid = os.fork()
        if pid == 0:
            return request, connection.descriptors
        child = connection.child = Child(pid, request.session, connection.socket)
        self._children.append(child)
        for number in connection.descriptors:
            os.close(number)
        connection.descriptors = []
        child.tell(f"pid {pid}\n")
        return None

    def _collect(self) -> None:
        for child in [c for c in self._children if not c.ended]:
            if child.has_ended() and not child.session:
                self._bury(child)

    def _end_session(self, session: int) -> None:
        for child in [c for c in self._children if c.session == session]:
            self._bury(child)

    def _end_all(self) -> None:
        for child in list(self._children):
            self._bury(child)

    def _bury(self, child: Child) -> None:
        child.bury()
        self._children.remove(child)

    def _forget(self, connection: Connection) -> None:
        self._poll.unregister(connection.socket.fileno())
        del self._connections[connection.socket.fileno()]
        connection.close()


def load(modules: list[str]) -> frozenset[str]:
    """Imports what of the modules is installed. The names of the variables that were read meanwhile: in a
    job where one of them differs, the libraries might not be what they are in a fresh interpreter."""
    read: set[str] = set()
    kind = type(os.environ)
    original = kind.__getitem__

    def noting(environment: os._Environ[str], name: str) -> str:
        if isinstance(name, str):
            read.add(name)
        return original(environment, name)

    kind.__getitem__ = noting  # type: ignore[method-assign]
    try:
        for module in modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
    finally:
        kind.__getitem__ = original  # type: ignore[method-assign]
    return frozenset(read) - NEVER_MIND


def main(argv: list[str]) -> None:
    listener, control = (socket.socket(fileno=int(number)) for number in argv[:2])
    environment = dict(os.environ)
    template = job.Template.of_this_process(environment, load(argv[2:]))
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page
    control.sendall(READY)
    born = Server(listener, control).serve()
    if born is None:
        return
    job.become(*born, template)  # never returns


if __name__ == "__main__":
    main(sys.argv[1:])
