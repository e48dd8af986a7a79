"""The way to an instance: connections are kept, the dead ones are replaced, answers are never mixed up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.sagemaker.hosting import invocations
from localcloud.sagemaker.hosting.channel import Channel, ChannelBroken
from localcloud.sagemaker.hosting.server import Answer, Connection, Request

Test = Callable[[Channel, Any], Awaitable[None]]


class Server:
    """An instance that echoes; `paths` decide otherwise."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.requests: list[Request] = []

    def connect(self) -> Connection:
        self.connections.append(Connection(self.answer))
        return self.connections[-1]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.body == b"die":
            self.connections[-1]._transport.abort()
        return Answer(200, body=request.body)

    def drop(self) -> None:
        """Closes all connections, as a process that dies does."""
        for connection in self.connections:
            connection._transport.abort()


def with_server(test: Test) -> None:
    async def run() -> None:
        server = Server()
        listening = await asyncio.get_running_loop().create_server(server.connect, "127.0.0.1", 0)
        async with listening:
            channel = Channel(listening.sockets[0].getsockname()[1])
            await test(channel, server)
            channel.close()
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_connection_is_used_again() -> None:
    async def test(channel: Channel, server: Server) -> None:
        for number in range(5):
            reply = await channel.post("/invocations", {"accept": "text/csv"}, str(number).encode())
            assert (reply.status, reply.body) == (200, str(number).encode())
        assert len(server.connections) == 1
        assert server.requests[0].headers["accept"] == "text/csv"

    with_server(test)


def test_simultaneous_requests_have_connections_of_their_own() -> None:
    async def test(channel: Channel, server: Server) -> None:
        bodies = [str(number).encode() for number in range(20)]
        replies = await asyncio.gather(*(channel.post("/invocations", {}, body) for body in bodies))
        assert [reply.body for reply in replies] == bodies

    with_server(test)


def test_a_large_body_arrives_whole() -> None:
    async def test(channel: Channel, server: Server) -> None:
        body = b"0123456789" * 500_000
        assert (await channel.post("/invocations", {}, body)).body == body

    with_server(test)


def test_idle_connections_that_died_are_replaced() -> None:
    async def test(channel: Channel, server: Server) -> None:
        await asyncio.gather(*(channel.post("/invocations", {}, b"x") for _ in range(3)))
        server.drop()
        assert (await channel.post("/invocations", {}, b"again")).body == b"again"

    with_server(test)


def test_an_instance_that_dies_over_a_request_breaks_it() -> None:
    async def test(channel: Channel, server: Server) -> None:
        with pytest.raises(ChannelBroken):
            await channel.post("/invocations", {}, b"die")
        assert (await channel.post("/invocations", {}, b"live")).body == b"live"

    with_server(test)


def test_an_instance_that_is_not_there_is_broken() -> None:
    async def test() -> None:
        listening = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        listening.close()
        await listening.wait_closed()
        with pytest.raises(ChannelBroken):
            await Channel(port).post("/invocations", {}, b"x")

    asyncio.run(test())


def test_an_answer_that_is_given_up_is_not_taken_for_the_next_one() -> None:
    async def test() -> None:
        asked = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await reader.read()  # until the client goes

        async with await asyncio.start_server(silent, "127.0.0.1", 0) as listening:
            channel = Channel(listening.sockets[0].getsockname()[1])
            asking = asyncio.create_task(channel.post("/invocations", {}, b"x"))
            await asked.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert channel._idle == []

    asyncio.run(asyncio.wait_for(test(), 10))


@pytest.mark.parametrize(
    ("trouble", "words"),
    [(TimeoutError, b"timed out while waiting"), (ChannelBroken, b"was closed before it answered")],
)
def test_no_answer_is_a_server_error(trouble: type[Exception], words: bytes) -> None:
    async def post(*_request: Any) -> None:
        raise trouble

    lease: Any = SimpleNamespace(instance=SimpleNamespace(channel=SimpleNamespace(post=post)))
    reply = asyncio.run(invocations._ask(lease, {}, b""))
    assert reply.status == 500
    assert words in reply.body
