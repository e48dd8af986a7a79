"""Batch transform jobs: the objects under a prefix, scored by worker processes, one output for each.

Every worker (`transform_worker`) streams its share of the objects through the model and leaves, for each, its
output or the reason why there is none. Outputs are uploaded when all workers have ended, so a job that is
stopped leaves nothing, and a bad object or a dead worker costs only its own output, as on AWS.
"""

from __future__ import annotations

import heapq
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import localcloud
from localcloud import processes
from localcloud.sagemaker import archives, transfer
from localcloud.sagemaker.errors import ApiError, ValidationError, not_here
from localcloud.sagemaker.models import Models, ServedModel, refuse_other_serving
from localcloud.sagemaker.records import MEGABYTE, BadFilter, parse_processing
from localcloud.sagemaker.transfer import S3Object
from localcloud.sagemaker.work import (
    Job,
    Program,
    Request,
    Surroundings,
    Work,
    exit_code,
    failed,
    fit,
    words_of,
)

MODEL = "/opt/ml/model"
DEFAULT_PAYLOAD_MB = 6  # what the image's /execution-parameters say
MOST_PAYLOAD_MB = 100  # of all concurrent payloads of an instance
OUTPUT_SUFFIX, REASON_SUFFIX = ".out", ".reason"  # of the files a worker leaves
PACKAGES = Path(localcloud.__file__).resolve().parent.parent

# Types that the image reads and writes, but not here; what it refuses is refused by the job, as on AWS.
_OTHER_CONTENT = frozenset({"libsvm", "text/libsvm", "text/x-libsvm", "application/x-recordio-protobuf"})
_OTHER_ACCEPT = frozenset({"json", "application/json"})


class Transform:
    name = "Transform"
    resource = "transform-job"
    missing = "Could not find requested job with name: {name}"

    def __init__(self, models: Models, around: Surroundings) -> None:
        self._models, self._around = models, around

    def check(self, request: Request) -> None:
        model = self._models.served(request["ModelName"])
        _check_input(request["TransformInput"])
        _check_output(request["TransformOutput"])
        _check_sizes(request)
        _check_processing(request)
        refuse_other_serving(model, request.get("Environment"))
        if "DataCaptureConfig" in request:
            raise not_here("DataCaptureConfig")
        self._check_data(request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"], model.role)

    def role(self, request: Request) -> str:
        """A transform acts as its model's role."""
        return self._models.served(request["ModelName"]).role

    def run(self, work: Work) -> None:
        request = work.job.request
        work.stage("Downloading", "Downloading the model")
        model = self._model(request)
        _fetch_model(work, model)
        inputs = transfer.find(work.s3, request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        work.stage("Transforming", "Running the workers")
        work.job.started = work.job.modified
        outputs = work.workspace.folder("/opt/ml/output")
        exits = work.execute_all(_programs(work, model, inputs, outputs))
        work.stage("Uploading", "Uploading the outputs")
        for number, found in enumerate(inputs):
            output = outputs / f"{number}{OUTPUT_SUFFIX}"
            if output.exists():
                base = request["TransformOutput"]["S3OutputPath"].rstrip("/")
                transfer.upload_file(work.s3, output, f"{base}/{found.path}{OUTPUT_SUFFIX}")
        _judge(exits, outputs, len(inputs))

    def describe(self, _job: Job) -> dict[str, Any]:
        return {}

    def _model(self, request: Request) -> ServedModel:
        try:
            return self._models.served(request["ModelName"])
        except ApiError as error:  # deleted since the job was created
            raise failed(f"ClientError: {error.message}") from error

    def _check_data(self, uri: str, role: str) -> None:
        """SageMaker looks for the input when the job is created."""
        bucket, _prefix = _split(uri)
        try:
            transfer.find(self._around.s3(role, "SageMaker"), uri)
        except transfer.TransferFailed as error:
            raise ValidationError(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the'
                f" bucket exists in the selected region ({self._around.region}), that objects exist under"
                f' that S3 prefix, and that the role "{role}" has "s3:ListBucket" permissions on bucket'
                f' "{bucket}".'
            ) from error


def _check_input(given: Request) -> None:
    source = given["DataSource"]["S3DataSource"]
    if source["S3DataType"] != "S3Prefix":
        raise not_here(f"S3DataType {source['S3DataType']}")
    if given.get("SplitType", "None") not in ("None", "Line"):
        raise not_here(f"SplitType {given['SplitType']}")
    if "ContentType" not in given:
        raise not_here("A transform without ContentType, which the image reads as libsvm,")
    if given["ContentType"].partition(";")[0].strip().lower() in _OTHER_CONTENT:
        raise not_here(f"ContentType {given['ContentType']}")


def _check_output(target: Request) -> None:
    _split(target["S3OutputPath"])
    if target.get("Accept", "").lower() in _OTHER_ACCEPT:
        raise not_here(f"Accept {target['Accept']}")


def _check_sizes(request: Request) -> None:
    payload, concurrent = request.get("MaxPayloadInMB"), request.get("MaxConcurrentTransforms") or 1
    if payload == 0:
        raise not_here("MaxPayloadInMB 0 (payloads of any size, chunked)")
    if (payload or DEFAULT_PAYLOAD_MB) * concurrent > MOST_PAYLOAD_MB:
        raise ValidationError(
            f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {MOST_PAYLOAD_MB} MB: it is"
            f" {concurrent} * {payload or DEFAULT_PAYLOAD_MB}"
        )


def _check_processing(request: Request) -> None:
    try:
        processing = parse_processing(request.get("DataProcessing", {}))
    except BadFilter as error:
        raise ValidationError(f"DataProcessing: {error}") from error
    by_line = request["TransformInput"].get("SplitType"), request["TransformOutput"].get("AssembleWith")
    if not processing.leaves_alone and by_line != ("Line", "Line"):
        raise ValidationError("DataProcessing of CSV needs SplitType Line and AssembleWith Line")


def _split(uri: str) -> tuple[str, str]:
    try:
        return transfer.split_uri(uri)
    except transfer.TransferFailed as error:
        raise ValidationError(str(error)) from error


def _fetch_model(work: Work, model: ServedModel) -> None:
    """The model's archive, unpacked where its container would find it."""
    [archive, *_more] = transfer.download(
        work.s3, model.data_uri, work.workspace.folder("/opt/ml/input/model")
    )
    try:
        archives.extract(archive, work.workspace.folder(MODEL))
    except archives.UnsafeArchive as error:
        raise failed(
            fit(f"ClientError: Failed to extract model data archive {model.data_uri}: {error}", "")
        ) from error


def _programs(work: Work, model: ServedModel, inputs: Sequence[S3Object], outputs: Path) -> list[Program]:
    """The workers, each with a plan of its own."""
    request = work.job.request
    concurrent = request.get("MaxConcurrentTransforms") or _cores()
    wanted = request["TransformResources"]["InstanceCount"] * concurrent
    shares = _shares(inputs, min(wanted, _cores()))
    data_log = work.open_log("/data-log")
    programs = []
    for number, share in enumerate(shares):
        plan = work.workspace.root / f"plan-{number}.json"
        plan.write_text(json.dumps(_plan(work, request, [(inputs[n], outputs / str(n)) for n in share])))
        programs.append(
            Program(
                argv=(sys.executable, "-m", "localcloud.sagemaker.transform_worker", str(plan)),
                variables={
                    **model.environment,
                    **request.get("Environment", {}),
                    "OMP_NUM_THREADS": "1",
                    "PYTHONPATH": str(PACKAGES),
                    "SAGEMAKER_BATCH": "true",
                },
                cwd=work.workspace.root,
                on_line=data_log.write,
            )
        )
    return programs


def _plan(work: Work, request: Request, files: list[tuple[S3Object, Path]]) -> dict[str, Any]:
    """What `transform_worker.Plan` reads."""
    given, target = request["TransformInput"], request["TransformOutput"]
    return {
        "model": str(work.workspace.path(MODEL)),
        "content_type": given["ContentType"],
        "accept": target.get("Accept") or "text/csv",
        "split": given.get("SplitType", "None") == "Line",
        "assemble": target.get("AssembleWith", "None") == "Line",
        "gzip": given.get("CompressionType", "None") == "Gzip",
        "single_record": request.get("BatchStrategy", "MultiRecord") == "SingleRecord",
        "payload_bytes": (request.get("MaxPayloadInMB") or DEFAULT_PAYLOAD_MB) * MEGABYTE,
        "processing": request.get("DataProcessing", {}),
        "files": [{"bucket": found.bucket, "key": found.key, "output": str(path)} for found, path in files],
    }


def _shares(inputs: Sequence[S3Object], workers: int) -> list[list[int]]:
    """The numbers of the inputs for each worker, the largest first to whoever has least to do."""
    shares: list[tuple[int, list[int]]] = [(0, []) for _ in range(min(workers, len(inputs)))]
    for number in sorted(range(len(inputs)), key=lambda n: -inputs[n].size):
        size, share = shares[0]
        heapq.heapreplace(shares, (size + inputs[number].size, [*share, number]))
    return [share for _size, share in shares]


def _cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _judge(exits: Sequence[processes.Exit], outputs: Path, count: int) -> None:
    """Raises when an input has no output: a worker's reason for the first of them, or how the worker died."""
    for exit_ in exits:
        if not exit_.succeeded and not _reasons(outputs, count):
            died = f"AlgorithmError: See job logs for more information: {words_of(exit_)}"
            raise failed(fit(died, f", exit code: {exit_code(exit_)}"))
    reasons = _reasons(outputs, count)
    if reasons:
        others = f" (and {len(reasons) - 1} more of {count} inputs)" if len(reasons) > 1 else ""
        raise failed(fit(reasons[0], others))


def _reasons(outputs: Path, count: int) -> list[str]:
    paths = [outputs / f"{number}{REASON_SUFFIX}" for number in range(count)]
    return [path.read_text(errors="replace") for path in paths if path.exists()]
