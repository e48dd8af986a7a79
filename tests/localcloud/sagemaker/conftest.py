"""An S3, logs and credentials that live in memory, so jobs and pipelines are tested without a server."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker.events import Events
from localcloud.sagemaker.plane import ControlPlane
from localcloud.sagemaker.work import Surroundings
from localcloud.settings import Settings

ACCOUNT, REGION = "123456789012", "eu-west-1"


class FakeS3:
    """The few calls that jobs make. `refuse` is an error code for every call."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.refuse: str | None = None

    def get_paginator(self, _operation: str) -> FakeS3:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - boto3's names
        self._check("ListObjectsV2")
        found = [
            {"Key": uri.split("/", 3)[3], "Size": len(self.objects[uri])}
            for uri in sorted(self.objects)
            if uri.startswith(f"s3://{Bucket}/{Prefix}")
        ]
        yield {"Contents": found} if found else {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        self._check("GetObject")
        uri = f"s3://{Bucket}/{Key}"
        if uri not in self.objects:
            raise _client_error("NoSuchKey", "GetObject")
        return {"Body": io.BytesIO(self.objects[uri])}

    def put_object(self, Bucket: str, Key: str, Body: BinaryIO) -> None:  # noqa: N803
        self._check("PutObject")
        self.objects[f"s3://{Bucket}/{Key}"] = Body.read()

    def _check(self, operation: str) -> None:
        if self.refuse:
            raise _client_error(self.refuse, operation)


def _client_error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{code} it is"}}, operation)


@dataclass
class FakeLog:
    group: str
    stream: str
    lines: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)

    def write(self, line: str) -> None:
        self.lines.append(line)
        self.begun.set()


class RecordedEvents(Events):
    """Keeps what would go to EventBridge; `wait_for` blocks until an entry is as wanted."""

    def __init__(self) -> None:
        super().__init__(put=self._keep)
        self.entries: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def _keep(self, entry: dict[str, Any]) -> None:
        with self._changed:
            self.entries.append(entry)
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(wanted, self.entries)), timeout=10)


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def streams() -> list[FakeLog]:
    """Every log stream that was opened."""
    return []


@pytest.fixture
def around(tmp_path: Path, s3: FakeS3, streams: list[FakeLog]) -> Surroundings:
    def log(_role: str, group: str, stream: str) -> FakeLog:
        streams.append(FakeLog(group, stream))
        return streams[-1]

    return Surroundings(
        home=tmp_path / "home",
        account_id=ACCOUNT,
        region=REGION,
        s3=lambda _role, _session: s3,
        environment=lambda role, session: {"AWS_ACCESS_KEY_ID": f"{role}:{session}"},
        log=log,
    )


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


@pytest.fixture
def plane(around: Surroundings, events: RecordedEvents) -> Iterator[ControlPlane]:
    """A control plane with an empty registry."""
    here = Settings(home=around.home, port=0, wait_scale=0.001)
    plane = ControlPlane(here, around, events)
    plane.registry.reset()
    yield plane
    plane.stop_all()
    plane.registry.reset()


@pytest.fixture
def processing_request() -> Callable[..., dict[str, Any]]:
    """Builds a CreateProcessingJob request that runs a Python program."""

    def build(code: str, *arguments: str, name: str = "job-1", **more: Any) -> dict[str, Any]:
        request = {
            "ProcessingJobName": name,
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
            },
            "AppSpecification": {
                "ImageUri": "image",
                "ContainerEntrypoint": [sys.executable, "-c", code],
                **({"ContainerArguments": list(arguments)} if arguments else {}),
            },
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/worker",
        }
        return {**request, **more}

    return build


@pytest.fixture
def pipeline_document() -> dict[str, Any]:
    """Prepare → Train → Evaluate → Gate → Register, or TooBad (a Fail step), as the SDK renders it."""
    document: dict[str, Any] = json.loads((Path(__file__).parent / "pipeline.json").read_text())
    return document


@pytest.fixture(scope="session")
def model_file() -> bytes:
    """An XGBoost model of three features: the larger their sum, the likelier."""
    import numpy
    import xgboost

    features = numpy.random.default_rng(0).random((400, 3))
    labels = (features.sum(axis=1) > 1.5).astype(int)
    table = xgboost.DMatrix(features, label=labels, feature_names=["a", "b", "c"])
    parameters = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
    return bytes(xgboost.train(parameters, table, 20).save_raw("ubj"))


@pytest.fixture(scope="session")
def pack() -> Callable[[dict[str, bytes]], bytes]:
    """Packs files as model.tar.gz."""

    def pack(members: dict[str, bytes]) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return packed.getvalue()

    return pack
