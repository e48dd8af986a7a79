"""Plans, applies and destroys the Terraform stages in order, handing each the outputs of earlier ones.

CI and `tests/terraform` run it, and so may a person who wants every stage rather than one:

    python -m scripts.terraform_stages plan|apply|destroy --environment dev --owner TEAM --cost-center CENTER

A stage says in its variables.tf what it takes from which earlier stage ("From 00_foundations: …"); an output
of that name there becomes its value here. Stages that take nothing from each other run at the same time. All
work happens in a copy of the files, so that what a stage reads cannot change between its plan and its apply.
No plan is applied that holds a resource without the five tags.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess  # nosec B404 - running terraform is what this module is for
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops import bundles
from ops.names import ROOT, Names
from scripts.terraform_mirror import provider_settings
from scripts.terraform_tags import untagged

READ_BY_STAGES = (*bundles.SHIPPED, "events", "iam", "statemachines", "terraform")
_INPUT = re.compile(r'variable "(\w+)" \{\n  description = "From (\w+): ')
_VARIABLE = re.compile(r'^variable "(\w+)" \{$', re.MULTILINE)


class StageFailed(Exception):
    """Terraform refused; the message holds the stage, the command and what it said."""


class Untagged(Exception):
    """A plan holds resources without the mandatory tags; the message names them."""


@dataclass(frozen=True)
class Stage:
    """One numbered folder of terraform/. `inputs` says which earlier stage gives each of its inputs."""

    folder: Path
    variables: frozenset[str]
    inputs: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.folder.name


def read_stages(terraform: Path) -> list[Stage]:
    """Every stage of the folder, in the order of their numbers."""
    return [_read_stage(path.parent) for path in sorted(terraform.glob("[0-9][0-9]_*/variables.tf"))]


def _read_stage(folder: Path) -> Stage:
    text = (folder / "variables.tf").read_text(encoding="utf-8")
    return Stage(folder, frozenset(_VARIABLE.findall(text)), dict(_INPUT.findall(text)))


@dataclass
class Runner:
    """The stages in the work folder, with the values of their operator's variables.

    `environment` is added to the terraform process's own: credentials, or the address of a local cloud.
    """

    work: Path
    variables: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    """How long each (stage, command) took."""
    created: dict[str, int] = field(default_factory=dict)
    """How many resources each applied stage has."""
    _outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stages = read_stages(self.work / "terraform")
        quiet = {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
        self._process_environment = {
            **os.environ,
            **quiet,
            **provider_settings(self.work),
            **self.environment,
        }

    def apply(self) -> None:
        """Applies every stage, each as soon as those it takes something from are there."""
        self._in_order(self._apply_stage, lambda stage: set(stage.inputs.values()))

    def plan(self) -> dict[str, Any]:
        """What an apply would change now, in Terraform's JSON form of a plan, by stage that would change."""
        plans: dict[str, Any] = {}

        def plan_stage(stage: Stage) -> None:
            if plan := self._plan_stage(stage):
                plans[stage.name] = plan

        self._in_order(plan_stage, lambda _stage: set())  # earlier stages are applied already
        return plans

    def destroy(self) -> None:
        """Destroys every stage, each after those that take something from it."""
        users: dict[str, set[str]] = {stage.name: set() for stage in self.stages}
        for stage in self.stages:
            for source in stage.inputs.values():
                users[source].add(stage.name)
        self._in_order(self._destroy_stage, lambda stage: users[stage.name])

    def validate(self) -> None:
        """Lets Terraform check every stage's own files."""
        self._in_order(lambda _stage: None, lambda _stage: set())

    def outputs(self, stage: str) -> dict[str, Any]:
        """Outputs of an applied stage."""
        if stage not in self._outputs:
            answer = json.loads(self._terraform(self._stage(stage), "output", "-json"))
            self._outputs[stage] = {name: output["value"] for name, output in answer.items()}
        return self._outputs[stage]

    def _stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    def _apply_stage(self, stage: Stage) -> None:
        plan = self._plan_stage(stage)
        if plan is None:
            return
        if without := untagged(plan):
            raise Untagged(f"{stage.name} is not applied: {', '.join(without)} would lack mandatory tags.")
        self._terraform(stage, "apply", "-input=false", "plan.bin")
        self._outputs.pop(stage.name, None)
        self.created[stage.name] = sum(change["mode"] == "managed" for change in plan["resource_changes"])

    def _plan_stage(self, stage: Stage) -> Any:
        """The plan in its JSON form, which costs seconds to get; None where it changes nothing."""
        self._write_values(stage)
        if "No changes." in self._terraform(stage, "plan", "-input=false", "-out=plan.bin"):
            return None
        return json.loads(self._terraform(stage, "show", "-json", "plan.bin"))

    def _prepare(self, stage: Stage) -> None:
        """Once for each stage, and before it waits for others: their waiting costs nothing then."""
        if not (stage.folder / ".terraform").exists():
            self._terraform(stage, "init", "-input=false")
            self._terraform(stage, "validate")

    def _destroy_stage(self, stage: Stage) -> None:
        self._terraform(stage, "destroy", "-input=false", "-auto-approve")
        self._outputs.pop(stage.name, None)

    def _write_values(self, stage: Stage) -> None:
        """stage.auto.tfvars.json: the operator's values and the outputs of earlier stages."""
        given = {name: value for name, value in self.variables.items() if name in stage.variables}
        known = {source: self.outputs(source) for source in sorted(set(stage.inputs.values()))}
        taken = {name: known[source][name] for name, source in stage.inputs.items()}
        (stage.folder / "stage.auto.tfvars.json").write_text(json.dumps(given | taken), encoding="utf-8")

    def _terraform(self, stage: Stage, command: str, *arguments: str) -> str:
        started = time.monotonic()
        done = subprocess.run(  # nosec B603 B607
            ["terraform", command, "-no-color", *arguments],
            cwd=stage.folder,
            env=self._process_environment,
            capture_output=True,
            text=True,
            check=False,
        )
        key = (stage.name, command)
        self.seconds[key] = self.seconds.get(key, 0.0) + time.monotonic() - started
        if done.returncode:
            said = "\n".join([*done.stdout.splitlines()[-20:], done.stderr])
            raise StageFailed(f"terraform {command} in {stage.name} failed:\n{said}")
        return done.stdout

    def _in_order(self, work: Callable[[Stage], None], after: Callable[[Stage], set[str]]) -> None:
        """Does the work of every stage at once, each waiting for the stages it comes after."""
        begun: dict[str, Future[None]] = {}

        def run(stage: Stage) -> None:
            self._prepare(stage)
            for name in after(stage):
                begun[name].result()
            work(stage)

        with ThreadPoolExecutor(len(self.stages)) as pool:
            for stage in _sorted(self.stages, after):
                begun[stage.name] = pool.submit(run, stage)
        for done in begun.values():
            done.result()


def _sorted(stages: Sequence[Stage], after: Callable[[Stage], set[str]]) -> Iterator[Stage]:
    """The stages so that each follows those it comes after."""
    waiting = list(stages)
    placed: set[str] = set()
    while waiting:
        ready = [stage for stage in waiting if after(stage) <= placed]
        if not ready:
            names = ", ".join(stage.name for stage in waiting)
            raise StageFailed(f"{names} take inputs from each other, or from stages that do not exist.")
        yield from ready
        placed |= {stage.name for stage in ready}
        waiting = [stage for stage in waiting if stage.name not in placed]


def changes(plan: Mapping[str, Any]) -> dict[str, str]:
    """What an apply of the plan would do, by address: "create", "update", "delete" or "delete, create"."""
    found = {
        change["address"]: change["change"]["actions"]
        for change in plan.get("resource_changes", [])
        if change["mode"] == "managed"
    }
    return {address: ", ".join(actions) for address, actions in found.items() if actions != ["no-op"]}


def copy_files(work: Path, root: Path = ROOT) -> Path:
    """Copies what the stages read to `work`, over what is there; states that are there stay."""
    for folder in READ_BY_STAGES:
        ignored = shutil.ignore_patterns("__pycache__", ".terraform", "*.tfstate*")
        shutil.copytree(root / folder, work / folder, dirs_exist_ok=True, ignore=ignored)
    shutil.copy(root / "project.json", work)
    return work


_LOCAL_PROVIDER = """\
provider "aws" {
  s3_use_path_style = true
}
"""
_LOCAL_TRANSPORT = """\
locals {
  insecure = {
    Bool         = { "aws:SecureTransport" = "false" }
    NotIpAddress = { "aws:SourceIp" = "127.0.0.1/32" }
  }
}
"""


def point_to(endpoint_url: str, work: Path) -> dict[str, str]:
    """Makes the copied stages talk to a local cloud; returns the environment they need for it.

    By override files, for two reasons. A bucket's own host name, which S3 clients prefer, cannot be had on
    loopback. And the local cloud speaks plain HTTP there, which the buckets' TLS-only policy refuses.
    """
    for stage in read_stages(work / "terraform"):
        (stage.folder / "local_override.tf").write_text(_LOCAL_PROVIDER)
    (work / "terraform/00_foundations/transport_override.tf").write_text(_LOCAL_TRANSPORT)
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # nosec B105 - the local cloud's fixed key
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def operator_variables(work: Path, names: Names, owner: str, cost_center: str) -> dict[str, Any]:
    """Values of the variables that no stage gives: who, what for, and which code."""
    version = bundles.write_archives(work / "build", work)
    bundle = f"s3://{names['data_bucket']}/pipeline/code/{version}/pipeline_code.tar.gz"
    return {
        "environment": names.env,
        "owner": owner,
        "cost_center": cost_center,
        "code_version": version,
        "code_bundle_uri": bundle,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """The command: works in build/terraform on the account of the environment's AWS credentials."""
    parser = argparse.ArgumentParser("python -m scripts.terraform_stages", description=main.__doc__)
    parser.add_argument("command", choices=("plan", "apply", "destroy"))
    for option in ("--environment", "--owner", "--cost-center", "--account-id"):
        parser.add_argument(option, required=True)
    chosen = parser.parse_args(argv)
    work = copy_files(ROOT / "build/terraform")
    names = Names(chosen.environment, chosen.account_id)
    runner = Runner(work, operator_variables(work, names, chosen.owner, chosen.cost_center))
    try:
        result = getattr(runner, chosen.command)()
    except (StageFailed, Untagged) as error:
        sys.exit(str(error))
    for stage, plan in (result or {}).items():
        for address, actions in changes(plan).items():
            print(stage, actions, address)  # noqa: T201 - a command prints


if __name__ == "__main__":
    main()
