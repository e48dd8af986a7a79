"""A worker of a batch transform job: `python -m localcloud.sagemaker.transform_worker <plan>`.

Started by `transform` with the credentials of the model's role. It streams each of its objects through the
model and writes `<output>.out` when the last record is scored, or `<output>.reason`, the job's FailureReason,
when one cannot be. What it prints is the job's data log; the model server's own log goes to stderr. Exits 0
when every object has its output.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3

from localcloud.sagemaker import transfer
from localcloud.sagemaker.records import (
    MEGABYTE,
    BadRecords,
    DataProcessing,
    parse_processing,
    payloads,
    whole,
)
from localcloud.sagemaker.xgboost_serving import InvocationFailed, ModelUnusable, Scorer

CHUNK_BYTES = MEGABYTE

Invocation = Callable[[bytes, str, str], bytes]  # payload, content type, accept -> answer


@dataclass(frozen=True)
class Plan:
    """The job as this worker sees it; `transform._plan` writes it."""

    model: Path
    content_type: str
    accept: str
    split: bool
    assemble: bool
    gzip: bool
    single_record: bool
    payload_bytes: int
    processing: DataProcessing
    files: tuple[dict[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> Plan:
        written = json.loads(path.read_text())
        return cls(
            **{
                **written,
                "model": Path(written["model"]),
                "processing": parse_processing(written["processing"]),
                "files": tuple(written["files"]),
            }
        )


class Refusal(Exception):
    """Why an object has no output. `kind` as AWS's data log calls it: `ClientError: 415`."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(kind, words)
        self.kind, self.words = kind, words


def main(argv: list[str]) -> int:
    # XGBoost imports these wherever they are, which takes most of a second for nothing.
    sys.modules.update(dict.fromkeys(("pandas", "sklearn")))  # type: ignore[arg-type]
    plan = Plan.read(Path(argv[0]))
    try:
        scorer = Scorer.load(plan.model, os.environ)
    except ModelUnusable as error:
        print(error, file=sys.stderr)  # noqa: T201 - the model server's log
        return 1
    strategy = "SINGLE_RECORD" if plan.single_record else "MULTI_RECORD"
    _log(f"MaxPayloadInMB={plan.payload_bytes // MEGABYTE}, BatchStrategy={strategy}")
    s3 = boto3.session.Session().client("s3")
    done = [transform_object(s3, plan, scorer.invoke, file) for file in plan.files]
    return 0 if all(done) else 1


def transform_object(s3: Any, plan: Plan, invocation: Invocation, file: dict[str, str]) -> bool:
    """Leaves the object's output, or the reason why it has none; whether it has one."""
    partial, name = Path(f"{file['output']}.partial"), f"{file['bucket']}/{file['key']}"
    try:
        with partial.open("wb") as written:
            written.writelines(_scored(s3, plan, invocation, file))
    except Refusal as refusal:
        for line in (refusal.kind, "", "Message:", *refusal.words.splitlines()):
            _log(f"{name}: {line}")
        reason = f"See job logs for more information: {name}: {refusal.kind}: {refusal.words}"
        Path(f"{file['output']}.reason").write_text(f"ClientError: {reason}")
        return False
    partial.rename(f"{file['output']}.out")
    return True


def _scored(s3: Any, plan: Plan, invocation: Invocation, file: dict[str, str]) -> Iterator[bytes]:
    """The output of an object in S3. Raises `Refusal`."""
    try:
        with closing(s3.get_object(Bucket=file["bucket"], Key=file["key"])["Body"]) as body:
            yield from transform(_chunks(body, plan.gzip), plan, invocation)
    except InvocationFailed as error:
        raise Refusal(f"ClientError: {error.status}", str(error)) from error
    except BadRecords as error:
        raise Refusal("ClientError", str(error)) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refusal("ClientError", f"Not a complete gzip file: {error}") from error
    except transfer.S3_ERRORS as error:
        raise Refusal("ClientError", f"Data download failed:{transfer.words(error)}") from error


def transform(chunks: Iterable[bytes], plan: Plan, invocation: Invocation) -> Iterator[bytes]:
    """The output of one object, payload by payload. Raises `BadRecords` and `InvocationFailed`."""
    if plan.split:
        given = payloads(chunks, plan.payload_bytes, single=plan.single_record)
    else:
        given = whole(chunks, plan.payload_bytes)

    def invoke(payload: bytes) -> bytes:
        return invocation(payload, plan.content_type, plan.accept)

    for payload in given:
        if plan.processing.leaves_alone:
            answer = invoke(payload)
            yield answer.rstrip(b"\n") + b"\n" if plan.assemble else answer
        else:
            yield plan.processing.apply(payload, invoke)


def _chunks(body: Any, compressed: bool) -> Iterator[bytes]:
    source = gzip.GzipFile(fileobj=body) if compressed else body
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def _log(line: str) -> None:
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    print(f"{moment}:[sagemaker logs]: {line}", flush=True)  # noqa: T201 - the job's data log


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
