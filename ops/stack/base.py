"""What every part of a deployment needs: the account's clients, the names, the placeholders' values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ops import bundles, templates
from ops.names import ROOT, Names, project_file

FUNCTIONS = "functions/functions.json"
JOB_CODE = "glue_jobs"
MACHINES = "statemachines"
_MACHINE_SUFFIX = "_state_machine"


@dataclass(frozen=True)
class Stack:
    """One environment of the project in one account, reached through `session`'s clients."""

    session: boto3.session.Session
    names: Names
    endpoint_url: str | None = None
    root: Path = ROOT
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.session.client(service, endpoint_url=self.endpoint_url)
        return self._clients[service]

    @cached_property
    def code_version(self) -> str:
        return bundles.code_version(self.root)

    @cached_property
    def values(self) -> dict[str, str]:
        """What the `${placeholders}` of functions, roles, the job and the pipeline stand for."""
        names, thresholds = self.names, project_file()["thresholds"]
        bucket = names["data_bucket"]
        return (
            names.all()
            | self._machine_arns
            | {
                "project": names.project,
                "env": names.env,
                "region": names.region,
                "account_id": names.account_id,
                "alerts_topic_arn": names.arn("sns", names["alerts_topic"]),
                "dead_letter_queue_arn": names.arn("sqs", names["dead_letter_queue"]),
                "code_bundle_uri": f"s3://{bucket}/pipeline/code/{self.code_version}/pipeline_code.tar.gz",
                "job_code_prefix": f"{JOB_CODE}/{self.code_version}",
                "endpoint_name_prefix": names.endpoint(""),
                "pipeline_arn": names.arn("sagemaker", f"pipeline/{names['pipeline']}"),
                "pipeline_role_arn": names.role_arn("pipeline"),
                "model_package_group_name": names["model_package_group"],
                "pipeline_name": names["pipeline"],
                "prepare_job_name": names["prepare_job"],
            }
            | {f"{metric}_threshold": str(value) for metric, value in thresholds.items()}
        )

    @cached_property
    def camel_values(self) -> dict[str, str]:
        """The same for the `${Placeholders}` of machines and patterns, with the functions' ARNs."""
        functions = {f"{name}_function_arn": self.function_arn(name) for name in self.functions["functions"]}
        return {_camel(name): value for name, value in (self.values | functions).items()}

    @cached_property
    def functions(self) -> dict[str, Any]:
        """`functions/functions.json`."""
        loaded: dict[str, Any] = json.loads((self.root / FUNCTIONS).read_text(encoding="utf-8"))
        return loaded

    @cached_property
    def machines(self) -> list[str]:
        """Every `statemachines/<name>.asl.json`."""
        return sorted(path.name.partition(".")[0] for path in (self.root / MACHINES).glob("*.asl.json"))

    def render(self, path: str, **more: str) -> Any:
        """The JSON document in the file `path` with every placeholder replaced."""
        return templates.render(self.root / path, self.values | self.camel_values | more)

    def read(self, path: str) -> Any:
        """The JSON document in the file `path`, which has no placeholders."""
        return json.loads((self.root / path).read_text(encoding="utf-8"))

    def function_arn(self, name: str) -> str:
        return self.names.arn("lambda", f"function:{self.names.function(name)}")

    def machine_arn(self, name: str) -> str:
        """ARN of the machine in `statemachines/<name>.asl.json`."""
        return self.values[f"{name}{_MACHINE_SUFFIX}_arn"]

    def tags(self, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
        """The project's tags as most services take them."""
        return [{key: name, value: text} for name, text in self.names.tags().items()]

    @property
    def _machine_arns(self) -> dict[str, str]:
        return {
            f"{key}_arn": self.names.arn("states", f"stateMachine:{name}")
            for key, name in self.names.all().items()
            if key.endswith(_MACHINE_SUFFIX)
        }


class existing:  # noqa: N801 - reads as a word: `with existing("EntityAlreadyExists"):`
    """Lets a create call pass when what it creates is there already."""

    def __init__(self, *codes: str) -> None:
        self.codes = codes

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        return isinstance(error, ClientError) and error.response["Error"]["Code"] in self.codes


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
