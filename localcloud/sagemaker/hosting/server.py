"""The container of an endpoint's instance: `python -m localcloud.sagemaker.hosting.server <name>`.

The name is for whoever looks at the processes.
`instance.Instance` starts it with a listening socket to inherit, so requests that come while the model loads
wait in that socket, and with a lifeline: the byte sent on it says that the model is loaded, its end that the
cloud is gone. Answers `/ping` and `/invocations` as SageMaker's XGBoost image 3.0-5, and JSON beside CSV.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.sagemaker.hosting.heads import read_head
from localcloud.sagemaker.xgboost_serving import CSV_TYPES, InvocationFailed, ModelUnusable, Scorer, read_csv

if TYPE_CHECKING:
    from localcloud.sagemaker.xgboost_serving import Matrix

LISTENER, LIFELINE = "_LOCALCLOUD_LISTENER", "_LOCALCLOUD_LIFELINE"  # descriptors, in the environment
MODEL_DIR = "SM_MODEL_DIR"
READY = b"1"
INLINE_BYTES = 64 * 1024  # a larger request is answered in a thread, so that small ones need not wait for it
JSON, JSON_LINES, CSV = "application/json", "application/jsonlines", "text/csv"


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str = "text/plain; charset=utf-8"
    body: bytes = b""

    def encode(self) -> bytes:
        first = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"
        head = f"{first}\r\nContent-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        return head.encode() + self.body


class Container:
    """The answers of a loaded model."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def answer(self, request: Request) -> Answer:
        if request.path == "/ping":
            return Answer(200)
        if request.path != "/invocations":
            return Answer(404)
        if request.method != "POST":
            return Answer(405)
        try:
            return self._invoke(request)
        except InvocationFailed as error:
            _log(f"{error.status}: {error}")
            return Answer(error.status, body=str(error).encode())
        except Exception as error:  # as the image: its server outlives a request that broke it
            _log(traceback.format_exc())
            return Answer(500, body=str(error).encode())

    def _invoke(self, request: Request) -> Answer:
        if not request.body:
            return Answer(204)
        accept = _accept(request.headers.get("accept", ""))
        features = read(request.body, request.headers.get("content-type", CSV))
        predictions: list[Any] = self._scorer.predict(features).tolist()
        return Answer(200, _CONTENT_TYPES[accept], _ENCODERS[accept](predictions))


def read(body: bytes, content_type: str) -> Matrix:
    """The rows of a request, missing values as NaN. Raises `InvocationFailed`."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == JSON:
        return _matrix(_json_rows(body))
    if media_type not in CSV_TYPES:
        raise InvocationFailed(415, f"{content_type} is not an accepted ContentType: csv, text/csv, {JSON}.")
    rows = _plain_rows(body) if len(body) < INLINE_BYTES else None
    return read_csv(body) if rows is None else _matrix(rows)


def _matrix(rows: list[list[float]]) -> Matrix:
    import numpy

    return numpy.array(rows, dtype=float)


def _plain_rows(body: bytes) -> list[list[float]] | None:
    """Short tables of plain numbers, read in a fraction of the time; None for what is not plain."""
    try:
        rows = [
            [float(field) if field else math.nan for field in line.split(b",")]
            for line in body.strip().split(b"\n")
        ]
    except ValueError:
        return None
    return rows if {len(row) for row in rows} == {len(rows[0])} and len(rows[0]) > 1 else None


def _json_rows(body: bytes) -> list[list[float]]:
    """`{"instances": [{"features": [3, 0, null]}]}`. Raises `InvocationFailed`."""
    try:
        rows = [instance["features"] for instance in json.loads(body)["instances"]]
        numbers = [[math.nan if field is None else float(field) for field in row] for row in rows]
        if len({len(row) for row in numbers}) != 1:
            raise ValueError("every instance must have the same number of features, and there must be one")
    except (ValueError, TypeError, KeyError) as error:
        raise InvocationFailed(
            415,
            "Loading json data failed with Exception, please ensure data is"
            f' {{"instances": [{{"features": [...]}}]}}:\n {type(error)}\n {error}',
        ) from error
    return numbers


def _accept(header: str) -> str:
    """The type to answer in: CSV unless another one is asked for, as the image. Raises `InvocationFailed`."""
    wanted = header.partition(";")[0].strip().lower()
    if wanted in ("", "*/*", "csv"):
        return CSV
    if wanted not in _ENCODERS:
        raise InvocationFailed(
            406,
            f"Accept type {header} is not supported. Please use supported accept types: {list(_ENCODERS)}.",
        )
    return wanted


_CONTENT_TYPES = {CSV: "text/csv; charset=utf-8", JSON: JSON, JSON_LINES: JSON_LINES}
_ENCODERS: dict[str, Callable[[list[Any]], bytes]] = {
    CSV: lambda scores: ("\n".join(map(str, scores)) + "\n").encode(),
    JSON: lambda scores: json.dumps({"predictions": [{"score": score} for score in scores]}).encode(),
    JSON_LINES: lambda scores: "".join(json.dumps({"score": score}) + "\n" for score in scores).encode(),
}


class Connection(asyncio.Protocol):
    """One client's requests, one after the other."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self._answer, self._received = answer, bytearray()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            while request := take_request(self._received):
                self._serve(request)
        except ValueError as error:
            self._transport.write(Answer(400, body=str(error).encode()).encode())
            self._transport.close()

    def _serve(self, request: Request) -> None:
        if len(request.body) < INLINE_BYTES:
            self._transport.write(self._answer(request).encode())
            return
        loop = asyncio.get_running_loop()
        answering = loop.run_in_executor(None, self._answer, request)
        answering.add_done_callback(lambda done: self._transport.write(done.result().encode()))


def take_request(received: bytearray) -> Request | None:
    """Takes the first whole request off what was received. Raises `ValueError` for what is no HTTP."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    (method, path, _version), headers = read_head(bytes(received[:end]))
    if "transfer-encoding" in headers:
        raise ValueError("send a Content-Length")
    start = end + 4
    stop = start + int(headers.get("content-length", 0))
    if len(received) < stop:
        return None
    body = bytes(received[start:stop])
    del received[:stop]
    return Request(method, path, headers, body)


async def serve(container: Container, listener: socket.socket, lifeline: socket.socket) -> None:
    """Serves until the cloud that started this process is gone."""
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    lifeline.setblocking(False)
    loop.add_reader(lifeline, gone.set)  # nothing is ever written to it: readable means ended
    await loop.create_server(lambda: Connection(container.answer), sock=listener)
    lifeline.send(READY)
    await gone.wait()


def main() -> int:
    # XGBoost imports these wherever they are, which takes most of a second for nothing.
    sys.modules.update(dict.fromkeys(("pandas", "sklearn")))  # type: ignore[arg-type]
    try:
        scorer = Scorer.load(Path(os.environ[MODEL_DIR]), os.environ)
    except ModelUnusable as error:
        _log(str(error))
        return 1
    listener = socket.socket(fileno=int(os.environ[LISTENER]))
    lifeline = socket.socket(fileno=int(os.environ[LIFELINE]))
    asyncio.run(serve(Container(scorer), listener, lifeline))
    return 0


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the container's log


if __name__ == "__main__":
    sys.exit(main())
