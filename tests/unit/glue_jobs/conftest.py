"""An S3 over HTTP, because Polars brings its own client, and the project's contract."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from glue_jobs.contract import Contract, load_contract
from glue_jobs.prepare import main

CONTRACT = Path(__file__).resolve().parents[3] / "contracts" / "titanic.json"
REGION = "eu-west-1"
bucket_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws_environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for inherited in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "SPARK_HOME"):
        monkeypatch.delenv(inherited, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def s3(aws_environment: dict[str, str]) -> Any:
    return boto3.client("s3", region_name=REGION)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"bucket-{next(bucket_numbers)}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture
def put(s3: Any, bucket: str) -> Callable[..., str]:
    """put(data, key="raw/t.csv") -> its URI."""

    def put_object(data: bytes | str, key: str = "raw/t.csv") -> str:
        body = data.encode() if isinstance(data, str) else data
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{key}"

    return put_object


@pytest.fixture
def get(s3: Any, bucket: str) -> Callable[[str], str]:
    return lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()


@pytest.fixture
def keys(s3: Any, bucket: str) -> Callable[[], list[str]]:
    """Every key in the bucket but those below raw/."""

    def list_keys() -> list[str]:
        listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return [item["Key"] for item in listed if not item["Key"].startswith("raw/")]

    return list_keys


@pytest.fixture
def curated(keys: Callable[[], list[str]], get: Callable[[str], str]) -> Callable[[], dict[str, str]]:
    """Every object below curated/, by key."""
    return lambda: {key: get(key) for key in keys() if key.startswith("curated/")}


@pytest.fixture
def prepare(bucket: str) -> Callable[..., None]:
    """prepare(source_uri, mode="training", run_id="run-1") runs the job's main."""

    def run(source_uri: str, mode: str = "training", run_id: str = "run-1") -> None:
        main(
            [
                *("--JOB_NAME", "prepare", "--JOB_RUN_ID", "jr_1", "--mode", mode, "--run_id", run_id),
                *("--source_uri", source_uri, "--bucket", bucket, "--contract", str(CONTRACT)),
            ]
        )

    return run


@pytest.fixture(scope="session")
def contract() -> Contract:
    return load_contract(CONTRACT)


@pytest.fixture(scope="session")
def contract_path() -> Path:
    return CONTRACT
