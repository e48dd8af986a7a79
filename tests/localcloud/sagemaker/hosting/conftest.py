"""Tiny models, and endpoints of the test process's own cloud."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

Clients = Callable[[str], Any]
Document = dict[str, Any]

IMAGE = "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5"
MOVING = {"Creating", "Updating", "RollingBack", "Deleting"}


@pytest.fixture(scope="session")
def boosters(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, bool], Path]:
    """Trains a model of so many features that says yes to a large first one, or no: its file."""
    import numpy
    import xgboost

    folder = tmp_path_factory.mktemp("boosters")

    def train(features: int, yes: bool) -> Path:
        path = folder / f"{features}-{yes}.ubj"
        if not path.exists():
            rows = numpy.random.default_rng(1).random((200, features))
            labels = (rows[:, 0] > 0.5) == yes
            matrix = xgboost.DMatrix(rows, label=labels.astype(int), nthread=1)
            settings = {"objective": "binary:logistic", "nthread": 1, "max_depth": 2}
            xgboost.train(settings, matrix, 10).save_model(path)
        return path

    return train


@pytest.fixture(scope="session")
def artifact(
    boosters: Callable[[int, bool], Path], pack: Callable[[dict[str, bytes]], bytes]
) -> Callable[..., bytes]:
    """The model.tar.gz of such a model."""

    def make(features: int = 3, yes: bool = True) -> bytes:
        return pack({"xgboost-model": boosters(features, yes).read_bytes()})

    return make


@pytest.fixture(scope="session")
def pack() -> Callable[[dict[str, bytes]], bytes]:
    """A tar.gz of these files."""

    def pack_files(files: dict[str, bytes]) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return packed.getvalue()

    return pack_files


class Hosting:
    """What tests do with endpoints."""

    def __init__(self, aws: Clients, role: str, bucket: str, artifact: Callable[..., bytes]) -> None:
        self.aws, self.sagemaker, self.runtime = aws, aws("sagemaker"), aws("sagemaker-runtime")
        self.role, self.bucket, self._artifact = role, bucket, artifact
        self.endpoints: list[str] = []

    def model(self, content: bytes | None = None, **kind: Any) -> str:
        """A Model whose artifact is that of `kind`, or `content`."""
        name = f"model-{uuid.uuid4().hex[:8]}"
        data = self._artifact(**kind) if content is None else content
        self.aws("s3").put_object(Bucket=self.bucket, Key=f"models/{name}.tar.gz", Body=data)
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{self.bucket}/models/{name}.tar.gz"}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=container)
        return name

    def config(self, model: str, instances: int = 1, **more: Any) -> str:
        """A configuration with one variant, AllTraffic."""
        name = f"config-{uuid.uuid4().hex[:8]}"
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": model,
            "InitialInstanceCount": instances,
            "InstanceType": "ml.m5.large",
            "InitialVariantWeight": 1.0,
        }
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, **{"ProductionVariants": [variant], **more}
        )
        return name

    def create(self, config: str, **more: Any) -> str:
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, **more)
        self.endpoints.append(name)
        return name

    def in_service(self, config: str | None = None) -> str:
        """An endpoint that answers."""
        name = self.create(config or self.config(self.model()))
        described = self.settled(name)
        assert described["EndpointStatus"] == "InService", described
        return name

    def describe(self, name: str) -> Document:
        described: Document = self.sagemaker.describe_endpoint(EndpointName=name)
        return described

    def settled(self, name: str, seconds: float = 30) -> Document:
        """Waits until the endpoint has left all statuses of transition."""
        return self.wait(name, lambda described: described["EndpointStatus"] not in MOVING, seconds)

    def wait(self, name: str, wanted: Callable[[Document], bool], seconds: float = 30) -> Document:
        deadline = time.monotonic() + seconds
        while not wanted(described := self.describe(name)):
            assert time.monotonic() < deadline, described
            time.sleep(0.02)
        return described

    def gone(self, name: str) -> None:
        """Deletes the endpoint and waits until it is not there."""
        self.sagemaker.delete_endpoint(EndpointName=name)
        self.endpoints.remove(name)
        while name in [
            e["EndpointName"] for e in self.sagemaker.list_endpoints(NameContains=name)["Endpoints"]
        ]:
            time.sleep(0.02)

    def ask(self, name: str, body: str = "0.9,0,0", **more: Any) -> Document:
        """InvokeEndpoint; the body of the answer is text."""
        request = {"ContentType": "text/csv", "Body": body.encode(), **more}
        answer: Document = self.runtime.invoke_endpoint(EndpointName=name, **request)
        return {**answer, "Body": answer["Body"].read().decode()}

    def score(self, name: str, body: str = "0.9,0,0") -> float:
        """The one prediction for one row."""
        return float(self.ask(name, body)["Body"])


@pytest.fixture(scope="session")
def make_hosting() -> type[Hosting]:
    """For endpoints of another cloud, or of a whole module: (clients, role ARN, bucket, artifact)."""
    return Hosting


@pytest.fixture
def hosting(aws: Clients, role: str, bucket: str, artifact: Callable[..., bytes]) -> Iterator[Hosting]:
    hosting = Hosting(aws, role, bucket, artifact)
    yield hosting
    for name in list(hosting.endpoints):
        hosting.settled(name)
        hosting.gone(name)


@pytest.fixture(scope="session")
def containers_of() -> Callable[[str], list[int]]:
    """The processes of an endpoint's instances."""

    def find(endpoint: str) -> list[int]:
        command = ["ps", "-ww", "-eo", "pid=,command="]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        server = "localcloud.sagemaker.hosting.server"
        return [int(line.split()[0]) for line in listed.splitlines() if server in line and endpoint in line]

    return find


@pytest.fixture(scope="session")
def kill_container(containers_of: Callable[[str], list[int]]) -> Callable[[str], bool]:
    """Kills the process of an endpoint's instance; False while there is none."""

    def kill(endpoint: str) -> bool:
        for process in containers_of(endpoint):
            with suppress(ProcessLookupError):  # it has died of itself, or of the last time
                os.kill(process, signal.SIGKILL)
                return True
        return False

    return kill
