"""Keep-alive HTTP from the server's event loop to one instance.

Connections are opened as requests need them and are used again. They go to a socket that is listened on from
before the instance's process starts, so a request made too early waits instead of failing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


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
        self._idle: list[Streams] = []
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
            self._idle.pop()[1].close()

    async def _connect(self) -> Streams:
        self._loop = asyncio.get_running_loop()
        try:
            return await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            raise ChannelBroken(str(error)) from error

    async def _exchange(self, streams: Streams, request: bytes) -> Reply:
        reader, writer = streams
        try:
            writer.write(request)
            reply = await _read(reader)
        except (OSError, EOFError) as error:
            writer.close()
            raise ChannelBroken(str(error)) from error
        except asyncio.CancelledError:
            writer.close()  # its answer is still to come and must not be taken for the next one
            raise
        self._idle.append(streams)
        return reply


def _encode(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode("latin-1") + body


async def _read(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Reply(int(first.split(" ")[1]), headers, body)
