"""Training jobs in script mode: what the training toolkit inside SageMaker's framework images does.

Channels are downloaded, the submit directory is unpacked into `/opt/ml/code`, and the program runs as
`python3 -m <sagemaker_program>` with hyperparameters as arguments and the `SM_*` variables set.
"""

from __future__ import annotations

import json
import os
from typing import Any

from localcloud.sagemaker import archives, transfer
from localcloud.sagemaker.errors import ValidationError, not_here
from localcloud.sagemaker.processing import HOSTS
from localcloud.sagemaker.work import Job, Request, Work, exit_code, failed, fit, words_of
from localcloud.sagemaker.workspace import Workspace

PROGRAM, SUBMIT_DIRECTORY = "sagemaker_program", "sagemaker_submit_directory"
CODE, MODEL = "/opt/ml/code", "/opt/ml/model"
OUTPUT_DATA, FAILURE = "/opt/ml/output/data", "/opt/ml/output/failure"


class Training:
    name = "Training"
    resource = "training-job"
    missing = "Requested resource not found."

    def check(self, request: Request) -> None:
        parameters = request.get("HyperParameters", {})
        for name in (PROGRAM, SUBMIT_DIRECTORY):
            if name not in parameters:
                raise not_here(f"A training job without the hyperparameter {name} (a built-in algorithm)")
        if "ContainerEntrypoint" in request.get("AlgorithmSpecification", {}):
            raise not_here("A training job with its own ContainerEntrypoint")
        if request.get("ResourceConfig", {}).get("InstanceCount", 1) != 1:
            raise not_here("A training job on several instances")
        for channel in request.get("InputDataConfig", []):
            _check_channel(channel)

    def role(self, request: Request) -> str:
        return str(request["RoleArn"])

    def run(self, work: Work) -> None:
        request, workspace = work.job.request, work.workspace
        work.stage("Downloading", "Downloading input data")
        for channel in request.get("InputDataConfig", []):
            folder = workspace.folder(_channel_path(channel))
            transfer.download(work.s3, channel["DataSource"]["S3DataSource"]["S3Uri"], folder)
        self._unpack_code(work)
        _write_config(request, workspace)
        work.stage("Training", "Training image download completed. Training in progress.")
        self._execute(work)
        work.stage("Uploading", "Uploading generated training model")
        self._upload(work)

    def describe(self, job: Job) -> dict[str, Any]:
        seconds = int(job.ended - job.started) if job.started and job.ended else None
        return {
            "SecondaryStatus": job.detail,
            "SecondaryStatusTransitions": list(job.transitions),
            "ModelArtifacts": job.results.get("ModelArtifacts"),
            "TrainingTimeInSeconds": seconds,
            "BillableTimeInSeconds": seconds,
        }

    def _unpack_code(self, work: Work) -> None:
        uri = str(_decoded(work.job.request["HyperParameters"])[SUBMIT_DIRECTORY])
        [archive, *_more] = transfer.download(work.s3, uri, work.workspace.folder("/opt/ml/input/code"))
        try:
            archives.extract(archive, work.workspace.folder(CODE))
        except archives.UnsafeArchive as error:
            raise failed(
                fit(f"AlgorithmError: framework error: {SUBMIT_DIRECTORY} {uri}: {error}", "")
            ) from error
        if work.workspace.path(f"{CODE}/requirements.txt").exists():
            work.write_log("requirements.txt is not installed: jobs use the local cloud's own packages")

    def _execute(self, work: Work) -> None:
        job, workspace = work.job, work.workspace
        program, arguments = _module(job.request), _arguments(_script_parameters(job.request))
        command = ["python3", "-m", program, *(workspace.localise(part) for part in arguments)]
        work.write_log(f"Invoking script with the following command: {' '.join(command)}")
        job.started = job.modified
        exit_ = work.execute(command, _environment(job), workspace.path(CODE))
        if not exit_.succeeded:
            own_words = _failure_file(workspace) or (
                f'ExecuteUserScriptError:\nCommand "{" ".join(command)}"\n{words_of(exit_)}'
            )
            raise failed(fit(f"AlgorithmError: {own_words}", f", exit code: {exit_code(exit_)}"))

    def _upload(self, work: Work) -> None:
        base = f"{work.job.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{work.job.name}/output"
        for container_path, name in ((MODEL, "model.tar.gz"), (OUTPUT_DATA, "output.tar.gz")):
            packed = work.workspace.root / name
            if archives.pack(work.workspace.folder(container_path), packed):
                transfer.upload_file(work.s3, packed, f"{base}/{name}")
            elif container_path == MODEL:
                work.write_log(
                    f"No model artifact is saved under path {MODEL}. Your training job will not save any"
                    " model files to S3."
                )
        work.job.results["ModelArtifacts"] = {"S3ModelArtifacts": f"{base}/model.tar.gz"}


def _check_channel(channel: Request) -> None:
    name, source = channel["ChannelName"], channel["DataSource"].get("S3DataSource")
    if source is None:
        raise not_here(f"Channel {name}: anything but an S3DataSource")
    if source["S3DataType"] != "S3Prefix":
        raise not_here(f"Channel {name}: S3DataType {source['S3DataType']}")
    for key, only in (("InputMode", "File"), ("CompressionType", "None"), ("RecordWrapperType", "None")):
        if channel.get(key, only) != only:
            raise not_here(f"Channel {name}: {key} {channel[key]}")
    if ".." in name:
        raise ValidationError(f"{name} is no name for a channel")


def _channel_path(channel: Request) -> str:
    return f"/opt/ml/input/data/{channel['ChannelName']}"


def _decoded(parameters: dict[str, str]) -> dict[str, Any]:
    """Hyperparameters are JSON where they can be read as such, and plain text otherwise."""
    decoded: dict[str, Any] = {}
    for key, value in parameters.items():
        try:
            decoded[key] = json.loads(value)
        except ValueError:
            decoded[key] = value
    return decoded


def _script_parameters(request: Request) -> dict[str, Any]:
    """The script's own hyperparameters; those of the toolkit are not passed on."""
    decoded = _decoded(request.get("HyperParameters", {}))
    return {key: value for key, value in decoded.items() if not key.startswith("sagemaker_")}


def _module(request: Request) -> str:
    """The program as `python3 -m` takes it. A path stays a path and fails there, as it does on AWS."""
    return str(_decoded(request["HyperParameters"])[PROGRAM]).removesuffix(".py")


def _arguments(parameters: dict[str, Any]) -> list[str]:
    """`--key value`, by key; `-k value` for a key of one letter; a mapping as `a=1,b=2`."""
    arguments = []
    for key, value in sorted(parameters.items()):
        shown = ",".join(f"{k}={v}" for k, v in sorted(value.items())) if isinstance(value, dict) else value
        arguments += [f"--{key}" if len(key) > 1 else f"-{key}", "" if shown is None else str(shown)]
    return arguments


def _environment(job: Job) -> dict[str, str]:
    request, own = job.request, _script_parameters(job.request)
    channels = {channel["ChannelName"]: channel for channel in request.get("InputDataConfig", [])}
    values: dict[str, Any] = {
        "channels": sorted(channels),
        "current_host": HOSTS["current_host"],
        "framework_module": "sagemaker_xgboost_container.training:main",
        "hosts": HOSTS["hosts"],
        "hps": own,
        "input_config_dir": "/opt/ml/input/config",
        "input_data_config": _input_data_config(request),
        "input_dir": "/opt/ml/input",
        "log_level": 20,
        "model_dir": MODEL,
        "module_dir": CODE,
        "module_name": _module(request),
        "network_interface_name": "eth0",
        "num_cpus": os.cpu_count(),
        "num_gpus": 0,
        "output_data_dir": OUTPUT_DATA,
        "output_dir": "/opt/ml/output",
        "output_intermediate_dir": "/opt/ml/output/intermediate",
        "resource_config": HOSTS,
        "user_args": _arguments(own),
        "user_entry_point": _decoded(request["HyperParameters"])[PROGRAM],
        **{f"channel_{name}": _channel_path(channel) for name, channel in channels.items()},
        **{f"hp_{key}": value for key, value in own.items()},
    }
    return {
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
        **{f"SM_{key.upper()}": _as_text(value) for key, value in values.items()},
    }


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))


def _input_data_config(request: Request) -> dict[str, dict[str, str]]:
    return {
        channel["ChannelName"]: {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
        for channel in request.get("InputDataConfig", [])
    }


def _write_config(request: Request, workspace: Workspace) -> None:
    config = workspace.folder("/opt/ml/input/config")
    files: dict[str, Any] = {
        "hyperparameters.json": request.get("HyperParameters", {}),
        "inputdataconfig.json": _input_data_config(request),
        "resourceconfig.json": HOSTS,
    }
    for name, content in files.items():
        (config / name).write_text(json.dumps(content))
    for path in (MODEL, OUTPUT_DATA):
        workspace.folder(path)


def _failure_file(workspace: Workspace) -> str | None:
    path = workspace.path(FAILURE)
    return path.read_text(errors="replace").strip() if path.is_file() else None
