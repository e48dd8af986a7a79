"""Keep-alive HTTP from the server's event loop to one instance.

Connections are opened as requests need them and are used again. They go to a socket that is listened on from
before the instance's process starts, so a request made too early waits instead of failing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.hosting.heads import read_head


class ChannelBroken(Exception):
    """The instance closed the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # by lower-case name
    body: bytes


class Channel:
    """The connections to one instance. Used by one event loop; `close` may come from any thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Raises `ChannelBroken` when the instance dies over the request."""
        request = _encode(path, headers, body)
        while self._idle:
            # The process behind an idle connection may have been replaced meanwhile: then ask the new one.
            with contextlib.suppress(ChannelBroken):
                return await self._exchange(self._idle.pop(), request)
        return await self._exchange(await self._connect(), request)

    def close(self) -> None:
        """Closes the idle connections."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        while self._idle:
            self._idle.pop().transport.close()

    async def _connect(self) -> _Connection:
        self._loop = asyncio.get_running_loop()
        try:
            _transport, connection = await self._loop.create_connection(_Connection, "127.0.0.1", self._port)
        except OSError as error:
            raise ChannelBroken(str(error)) from error
        return connection

    async def _exchange(self, connection: _Connection, request: bytes) -> Reply:
        try:
            reply = await connection.ask(request)
        except BaseException:
            connection.transport.abort()  # an answer still to come must not be taken for the next one
            raise
        self._idle.append(connection)
        return reply


class _Connection(asyncio.Protocol):
    """Asks one request after the other. The round trip takes two thirds of the time that streams take."""

    transport: Any
    _answer: asyncio.Future[Reply] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future[Reply]:
        """The answer to come; it fails with `ChannelBroken`."""
        self._received = bytearray()
        self._answer = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            self._break("the connection was closed")
        else:
            self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            reply = _read(self._received)
        except (ValueError, LookupError) as error:
            self._break(f"the answer is no HTTP: {error}")
            return
        if reply and self._answer and not self._answer.done():
            self._answer.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        self._break(str(error or "the connection was closed"))

    def _break(self, words: str) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(ChannelBroken(words))


def _encode(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode("latin-1") + body


def _read(received: bytearray) -> Reply | None:
    """None until all of it is there. Raises `ValueError` or `LookupError` for what is no HTTP answer."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    words, headers = read_head(bytes(received[:end]))
    start = end + 4
    stop = start + int(headers["content-length"])
    return Reply(int(words[1]), headers, bytes(received[start:stop])) if len(received) >= stop else None
