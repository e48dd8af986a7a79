"""InvokeEndpoint against `inplace_predict` behind a bare ASGI server (`bare_server.py`), asked the same way.

One connection asks one question after the other for the latencies, four at a time for the throughput.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import model
from benchmarks.clouds import DeployedCloud
from benchmarks.measure import Pairs, Row, Target, percentile, timed
from localcloud import processes
from ops.names import ROOT

NAME = "bench"
PATH = f"/endpoints/{NAME}/invocations"
QUESTION = b"3,0,22,1,0,7.25,2\n"
HEADERS = {
    "Content-Type": "text/csv",
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sagemaker/aws4_request,"
    " SignedHeaders=host, Signature=0",
}
QUESTIONS, TOGETHER = 300, 4
MOST = 1.3


def measure(here: DeployedCloud, times: int) -> list[Row]:
    latencies, high, speeds = Pairs(), Pairs(), Pairs()
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        file = model.deploy(here, Path(folder))
        _serve(here)
        with _bare_server(file) as bare:
            for port in (here.cloud.port, bare):
                _ask(port, QUESTIONS)
            _refuse_other_answers(here.cloud.port, bare)
            for _ in range(times):
                ours, theirs = _ask(here.cloud.port, QUESTIONS), _ask(bare, QUESTIONS)
                latencies.ours.append(percentile(ours, 0.5) * 1000)
                latencies.against.append(percentile(theirs, 0.5) * 1000)
                high.ours.append(percentile(ours, 0.99) * 1000)
                high.against.append(percentile(theirs, 0.99) * 1000)
                speeds.ours.append(_throughput(here.cloud.port))
                speeds.against.append(_throughput(bare))
        here.client("sagemaker").delete_endpoint(EndpointName=NAME)
    against = "`inplace_predict` behind a bare ASGI server"
    return [
        Row.of_pairs("endpoint invocation: p50", against, latencies, Target(most=MOST), "ms"),
        Row.of_pairs("endpoint invocation: p99", "the same", high, Target(most=MOST), "ms"),
        Row.of_pairs(
            f"endpoint throughput, {TOGETHER} connections",
            "the same",
            speeds,
            Target(least=round(1 / MOST, 2)),
            "/s",
        ),
    ]


def _serve(here: DeployedCloud) -> None:
    client = here.client("sagemaker")
    variant = {"VariantName": "AllTraffic", "ModelName": model.NAME, "InitialInstanceCount": 1}
    client.create_endpoint_config(
        EndpointConfigName=NAME, ProductionVariants=[{**variant, "InstanceType": "ml.m5.large"}]
    )
    client.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    client.get_waiter("endpoint_in_service").wait(
        EndpointName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


@contextmanager
def _bare_server(file: Path) -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "benchmarks" / "bare_server.py"), str(file)],
        env=processes.base_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield int(process.stdout.readline())  # type: ignore[union-attr]
    finally:
        process.terminate()
        process.wait()


def _ask(port: int, questions: int) -> list[float]:
    """Seconds of each answer, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        return [timed(lambda: _answer(connection)) for _ in range(questions)]
    finally:
        connection.close()


def _answer(connection: http.client.HTTPConnection) -> bytes:
    connection.request("POST", PATH, QUESTION, HEADERS)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {body.decode(errors='replace')}")
    return body


def _throughput(port: int) -> float:
    """Answers in a second."""
    start = time.perf_counter()
    with ThreadPoolExecutor(TOGETHER) as askers:
        answered = sum(len(found) for found in askers.map(lambda _: _ask(port, QUESTIONS), range(TOGETHER)))
    return answered / (time.perf_counter() - start)


def _refuse_other_answers(*ports: int) -> None:
    answers = set()
    for port in ports:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        answers.add(float(_answer(connection)))
        connection.close()
    if len(answers) != 1:
        raise RuntimeError(f"the servers answer otherwise: {answers}")
